//go:build synctests

package sim_test

import (
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/sim"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/processor"
)

// app is the pipeline of a seed.
func app(seed uint64) sim.App {
	return []func() sim.App{countApp, fraudApp, activityApp, fraudApp, funnelApp}[seed%5]()
}

// fraudApp has a table and a stream.
func fraudApp() sim.App {
	cfg := fraud.Config{Span: 5 * time.Second, Grace: time.Second}
	return sim.App{Name: "fraud", Spec: fraud.Spec(cfg), Records: 100,
		New: func() *processor.Pipeline { return fraud.New(cfg) },
		Load: func(seed uint64, start time.Time) loadgen.Generator {
			return fraud.NewGenerator(fraud.LoadConfig{Pipeline: cfg, Seed: seed, Start: start,
				Users: 8, Rate: 10, Late: 0.03, Poison: 0.05, Bursts: 0.05, LimitsEvery: 8})
		}}
}

// activityApp has windows, timers and memory of what it has seen.
func activityApp() sim.App {
	cfg := activity.Config{Grace: time.Second, DedupeHorizon: 20 * time.Second, BatchSize: 7}
	return sim.App{Name: "activity", Spec: activity.Spec(cfg), Records: 100,
		New: func() *processor.Pipeline { return activity.New(cfg) },
		Load: func(seed uint64, start time.Time) loadgen.Generator {
			return activity.NewGenerator(activity.LoadConfig{Pipeline: cfg, Seed: seed,
				Start: start, Users: 6, Rate: 0.7, Late: 0.05, Poison: 0.05, Duplicates: 0.1})
		}}
}

// funnelApp has two streams, sessions and a join.
func funnelApp() sim.App {
	cfg := funnel.Config{Gap: 10 * time.Second, Grace: time.Second, Within: time.Minute}
	return sim.App{Name: "funnel", Spec: funnel.Spec(cfg), Records: 80,
		New: func() *processor.Pipeline { return funnel.New(cfg) },
		Load: func(seed uint64, start time.Time) loadgen.Generator {
			return funnel.NewGenerator(funnel.LoadConfig{Pipeline: cfg, Seed: seed, Start: start,
				Users: 6, Visitors: 4, Rate: 2, Late: 0.05, Poison: 0.05, Clicks: 0.3})
		}}
}
