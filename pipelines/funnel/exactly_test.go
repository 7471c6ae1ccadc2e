package funnel_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/funnel"
	"pawl/processor"
	"pawl/processor/processortest"
)

// TestExactly runs generated load under any schedule of epochs and crashes.
func TestExactly(t *testing.T) {
	t.Parallel()
	loads := map[string]funnel.LoadConfig{
		"a few users": {Users: 20, Visitors: 5, Rate: 2, PauseEvery: 400},
		"on the edges": {Users: 10, Visitors: 4, Rate: 12, Grain: time.Second, Clicks: 0.8,
			Pipeline: funnel.Config{Gap: 4 * time.Second, Grace: 3 * time.Second,
				Within: 8 * time.Second}},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load.Seed, load.Start = 1, time.UnixMilli(1_790_000_000_000)
			load.Poison, load.Late, load.Straggle = 0.03, 0.02, 0.05
			pipelinetest.Exactly(t, funnel.NewGenerator(load), 1_500, func() *processor.Pipeline {
				return funnel.New(load.Pipeline)
			}, processortest.IdleFor(10*time.Minute))
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, funnel.New(funnel.Config{}), "testdata/rules.script",
		processortest.ApplicationID("shop"))
}
