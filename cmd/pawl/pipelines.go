package main

import (
	"context"
	"slices"
	"strings"

	"pawl/internal/loadgen"
	"pawl/internal/settings"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/iot/devices"
	"pawl/pipelines/pageviews"
	"pawl/processor"
)

// pipeline is one of the pipelines that this binary has.
type pipeline struct {
	name     string
	validate func(*settings.Settings) error
	build    func(*settings.Settings) *processor.Pipeline
	spec     func(*settings.Settings) verify.Spec
	load     func(*settings.Settings, feed) loadgen.Generator
	inputs   []string // topics that must exist before a start, the one that load goes to first
	tables   []string // input topics that the service creates
	// outcomes is the topic with one record for each input record, or "".
	outcomes func(*settings.Settings) string
	alerts   string                             // topic whose newest records the demo shows
	shown    []string                           // their fields
	aid      func(context.Context) (aid, error) // may be nil
	// crowd is how many users the demo has, so few that each is seen often; 0: the generator's own.
	crowd int
}

// aid is what a pipeline needs beside the cluster, where this process brings it along.
type aid struct {
	override map[string]string // the settings that lead to it
	told     string            // a line that tells of it
	stop     func()
}

func pipelines() []pipeline {
	return []pipeline{fraudPipeline(), iotPipeline(), activityPipeline(), pageviewsPipeline(),
		funnelPipeline()}
}

// described fills in what every pipeline has from its package's functions.
func described[C any, P interface {
	*C
	Validate() error
}](cfg func(*settings.Settings) C, build func(C) *processor.Pipeline, spec func(C) verify.Spec,
	p pipeline) pipeline {
	p.validate = func(s *settings.Settings) error {
		c := cfg(s)
		return P(&c).Validate()
	}
	p.build = func(s *settings.Settings) *processor.Pipeline { return build(cfg(s)) }
	p.spec = func(s *settings.Settings) verify.Spec {
		return spec(cfg(s)).WithPrefix(s.Text("topic.prefix"))
	}
	return p
}

func fraudPipeline() pipeline {
	return described((*settings.Settings).Fraud, fraud.New, fraud.Spec, pipeline{
		name: fraud.Name,
		load: func(s *settings.Settings, f feed) loadgen.Generator {
			c := fraud.LoadConfig{Pipeline: s.Fraud(), Seed: f.seed, Users: f.users,
				Skew: f.skew, Start: f.start(), Rate: f.pace(), Disorder: f.disorder}
			f.spoil(&c.Poison, &c.Late)
			return fraud.NewGenerator(c)
		},
		inputs: []string{fraud.Transactions},
		tables: []string{fraud.LimitsTopic},
		outcomes: func(s *settings.Settings) string {
			if !s.Bool("fraud.decisions") {
				return ""
			}
			return fraud.Decisions
		},
		alerts: fraud.Alerts,
		shown:  []string{"user_id", "reason", "count", "total_cents", "merchant"},
	})
}

func iotPipeline() pipeline {
	return described((*settings.Settings).IoT, iot.New, iot.Spec, pipeline{
		name: iot.Name,
		load: func(s *settings.Settings, f feed) loadgen.Generator {
			c := iot.LoadConfig{Pipeline: s.IoT(), Seed: f.seed, Sensors: f.users,
				Skew: f.skew, Start: f.start(), Rate: f.pace(), Disorder: f.disorder}
			f.spoil(&c.Poison, &c.Late)
			return iot.NewGenerator(c)
		},
		inputs:   []string{iot.Sensors},
		outcomes: func(*settings.Settings) string { return iot.Processed },
		alerts:   iot.Alerts,
		shown:    []string{"sensor_id", "type", "severity", "value"},
		aid:      serveDevices,
		crowd:    500,
	})
}

func activityPipeline() pipeline {
	return described((*settings.Settings).Activity, activity.New, activity.Spec, pipeline{
		name: activity.Name,
		load: func(s *settings.Settings, f feed) loadgen.Generator {
			c := activity.LoadConfig{Pipeline: s.Activity(), Seed: f.seed, Users: f.users,
				Skew: f.skew, Start: f.start(), Rate: f.pace(), Disorder: f.disorder,
				PauseEvery: -1} // its pauses would keep event time behind the clock
			f.spoil(&c.Poison, &c.Late)
			return activity.NewGenerator(c)
		},
		inputs:   []string{activity.UserEvents},
		outcomes: noOutcomes,
		alerts:   activity.ProcessedEvents,
		shown:    []string{"user_id", "event_count", "total_value"},
		crowd:    200,
	})
}

func pageviewsPipeline() pipeline {
	return described((*settings.Settings).PageViews, pageviews.New, pageviews.Spec, pipeline{
		name: pageviews.Name,
		load: func(s *settings.Settings, f feed) loadgen.Generator {
			c := pageviews.LoadConfig{Pipeline: s.PageViews(), Seed: f.seed, Users: f.users,
				Skew: f.skew, Start: f.start(), Rate: f.pace(), Disorder: f.disorder}
			f.spoil(&c.Poison, &c.Late)
			return pageviews.NewGenerator(c)
		},
		inputs:   []string{pageviews.PageViews},
		outcomes: noOutcomes,
		alerts:   pageviews.PageCounts,
		shown:    []string{"page", "views"},
	})
}

func funnelPipeline() pipeline {
	return described((*settings.Settings).Funnel, funnel.New, funnel.Spec, pipeline{
		name: funnel.Name,
		load: func(s *settings.Settings, f feed) loadgen.Generator {
			c := funnel.LoadConfig{Pipeline: s.Funnel(), Seed: f.seed, Users: f.users,
				Skew: f.skew, Start: f.start(), Rate: f.pace(), Disorder: f.disorder,
				PauseEvery: -1} // its pauses would lead event time ahead of the clock
			f.spoil(&c.Poison, &c.Late)
			return funnel.NewGenerator(c)
		},
		inputs:   []string{funnel.UserEvents, funnel.AdClicks},
		outcomes: noOutcomes,
		alerts:   funnel.Conversions,
		shown:    []string{"user_id", "duration_ms", "value"},
		crowd:    200,
	})
}

// serveDevices serves the demo's devices.
func serveDevices(ctx context.Context) (aid, error) {
	at, stop, err := serve(ctx, "127.0.0.1:0", devices.NewService())
	address := "http://" + at
	return aid{map[string]string{"iot.devices.url": address}, "iot asks " + address +
		" for devices; POST /slow?d=1s or /down?on=true to it", stop}, err
}

// noOutcomes is for pipelines that have no output for each record.
func noOutcomes(*settings.Settings) string { return "" }

// spoil leaves out what a generator breaks, unless broken records are wanted: negative means none.
func (f feed) spoil(shares ...*float64) {
	for _, share := range shares {
		*share = f.spoiled
		if !f.poison {
			*share = -1
		}
	}
}

func pipelineNamed(name string) (pipeline, error) {
	for _, p := range pipelines() {
		if p.name == name {
			return p, nil
		}
	}
	return pipeline{}, usage("pipeline %q is unknown; %s", name, knownPipelines())
}

func pipelinesNamed(list []string) ([]pipeline, error) {
	var all []pipeline
	for _, name := range list {
		p, err := pipelineNamed(name)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// knownPipelines is the mend of a missing or unknown pipeline name.
func knownPipelines() string { return "use " + strings.Join(names(pipelines()), ", ") }

func names(all []pipeline) []string {
	var list []string
	for _, p := range all {
		list = append(list, p.name)
	}
	return list
}

// topics are all the topics that the pipeline reads.
func (p pipeline) topics() []string { return slices.Concat(p.inputs, p.tables) }

// withPrefix puts topic.prefix before names.
func withPrefix(prefix string, names ...string) []string {
	long := make([]string, len(names))
	for i, name := range names {
		long[i] = prefix + name
	}
	return long
}
