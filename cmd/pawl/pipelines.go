package main

import (
	"slices"
	"strings"

	"pawl/internal/loadgen"
	"pawl/internal/settings"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
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
	outcomes string   // topic with one record for each input record
	alerts   string   // topic whose newest records the demo shows
	shown    []string // their fields
}

func pipelines() []pipeline {
	return []pipeline{{
		name: "fraud",
		validate: func(s *settings.Settings) error {
			cfg := s.Fraud()
			return cfg.Validate()
		},
		build: func(s *settings.Settings) *processor.Pipeline { return fraud.New(s.Fraud()) },
		spec: func(s *settings.Settings) verify.Spec {
			return fraud.Spec(s.Fraud()).WithPrefix(s.Text("topic.prefix"))
		},
		load:     fraudLoad,
		inputs:   []string{fraud.Transactions},
		tables:   []string{fraud.LimitsTopic},
		outcomes: fraud.Decisions,
		alerts:   fraud.Alerts,
		shown:    []string{"user_id", "reason", "count", "total_cents", "merchant"},
	}}
}

func fraudLoad(s *settings.Settings, f feed) loadgen.Generator {
	cfg := fraud.LoadConfig{Pipeline: s.Fraud(), Seed: f.seed, Users: f.users, Skew: f.skew,
		Start: f.start(), Rate: f.pace(), Disorder: f.disorder}
	if !f.poison {
		cfg.Poison, cfg.Late = -1, -1 // negative means none
	}
	return fraud.NewGenerator(cfg)
}

func pipelineNamed(name string) (pipeline, error) {
	for _, p := range pipelines() {
		if p.name == name {
			return p, nil
		}
	}
	return pipeline{}, usage("pipeline %q is unknown; %s", name, knownPipelines())
}

// knownPipelines is the mend of a missing or unknown pipeline name.
func knownPipelines() string {
	var names []string
	for _, p := range pipelines() {
		names = append(names, p.name)
	}
	return "use " + strings.Join(names, ", ")
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
