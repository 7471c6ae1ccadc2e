package integration

import (
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/pipelines/funnel"
	"pawl/pipelines/iot"
	"pawl/pipelines/pageviews"
	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// built is a pipeline with load of its own, at a few records per second of event time.
type built struct {
	name   string
	inputs []string
	build  func() *processor.Pipeline
	load   func(rate float64) loadgen.Generator
}

// allPipelines are the five, each with few users, and all that can go wrong with a record.
func allPipelines() []built {
	const seed, users, share = 3, 20, 0.02
	start := time.UnixMilli(1_790_000_000_000)
	return []built{
		{fraud.Name, []string{fraud.Transactions, fraud.LimitsTopic},
			func() *processor.Pipeline { return fraud.New(fraud.Config{}) },
			func(rate float64) loadgen.Generator {
				return fraud.NewGenerator(fraud.LoadConfig{Seed: seed, Users: users, Start: start,
					Rate: rate, Late: share, Poison: share})
			}},
		{iot.Name, []string{iot.Sensors},
			func() *processor.Pipeline { return iot.New(iot.Config{}) },
			func(rate float64) loadgen.Generator {
				return iot.NewGenerator(iot.LoadConfig{Seed: seed, Sensors: users, Start: start,
					Rate: rate, Late: share, Poison: share})
			}},
		{activity.Name, []string{activity.UserEvents},
			func() *processor.Pipeline { return activity.New(activity.Config{}) },
			func(rate float64) loadgen.Generator {
				return activity.NewGenerator(activity.LoadConfig{Seed: seed, Users: users,
					Start: start, Rate: rate, Late: share, Poison: share})
			}},
		{pageviews.Name, []string{pageviews.PageViews},
			func() *processor.Pipeline { return pageviews.New(pageviews.Config{}) },
			func(rate float64) loadgen.Generator {
				return pageviews.NewGenerator(pageviews.LoadConfig{Seed: seed, Start: start,
					Rate: rate, Late: share, Poison: share})
			}},
		{funnel.Name, []string{funnel.UserEvents, funnel.AdClicks},
			func() *processor.Pipeline { return funnel.New(funnel.Config{}) },
			func(rate float64) loadgen.Generator {
				// A session lasts for as long as its user does not pause, so many users take turns.
				return funnel.NewGenerator(funnel.LoadConfig{Seed: seed, Users: 100 * users,
					Visitors: users / 2, Start: start, Rate: rate, Late: share, Poison: share})
			}},
	}
}

// registered gives a generator the ids of its schemas.
func registered(t *testing.T, g loadgen.Generator) *schemas.Memory {
	t.Helper()
	registry := schemas.NewMemory()
	ids := make(map[string]int32)
	for _, s := range g.Schemas() {
		id, err := registry.Register(t.Context(), s.Topic+"-value", s.Text)
		if err != nil {
			t.Fatal(err)
		}
		ids[s.Topic] = id
	}
	g.Bind(ids)
	return registry
}

// TestLaw: the same input gives every pipeline the same outputs and state, whatever the epochs and
// crashes.
func TestLaw(t *testing.T) {
	t.Parallel()
	for _, p := range allPipelines() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			g := p.load(4)
			registry := registered(t, g)
			var records []processortest.Record
			for len(records) < 2000 {
				r := g.Next()
				one := processortest.Record{Topic: r.Topic, Key: string(r.Key),
					Time: time.UnixMilli(r.Timestamp)}
				if r.Value != nil {
					one.Value = r.Value
				}
				records = append(records, one)
			}
			processortest.Exactly(t, p.build, records, processortest.Registry(registry),
				processortest.Schedules(10), processortest.IdleFor(10*time.Minute))
		})
	}
}
