package activity_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/activity"
	"pawl/processor"
	"pawl/processor/processortest"
)

// TestExactly runs generated load under any schedule of epochs and crashes.
func TestExactly(t *testing.T) {
	t.Parallel()
	loads := map[string]activity.LoadConfig{
		"a few users": {Users: 10, Rate: 3, Duplicates: 0.2},
		"short memory": {Users: 5, Rate: 2, Duplicates: 0.3, Pipeline: activity.Config{BatchSize: 7,
			DedupeHorizon: 30 * time.Second}},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load.Seed, load.Start = 1, time.UnixMilli(1_790_000_000_000)
			load.Poison, load.Late, load.Straggle = 0.03, 0.02, 0.05
			pipelinetest.Exactly(t, activity.NewGenerator(load), 1_500, func() *processor.Pipeline {
				return activity.New(load.Pipeline)
			}, processortest.IdleFor(10*time.Minute))
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, activity.New(activity.Config{BatchSize: 5}), "testdata/rules.script",
		processortest.ApplicationID("site"))
}
