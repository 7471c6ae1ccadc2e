package pageviews_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/pageviews"
	"pawl/processor"
	"pawl/processor/processortest"
)

// TestExactly runs generated load under any schedule of epochs and crashes.
func TestExactly(t *testing.T) {
	t.Parallel()
	loads := map[string]pageviews.LoadConfig{
		"a few pages": {Pages: 6, Rate: 3, Pauses: 0.01},
		"a short span": {Rate: 20, Pauses: 0.01,
			Pipeline: pageviews.Config{Span: 5 * time.Second}},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load.Seed, load.Start = 1, time.UnixMilli(1_790_000_000_000)
			load.Poison, load.Late, load.Straggle = 0.03, 0.02, 0.05
			g := pageviews.NewGenerator(load)
			pipelinetest.Exactly(t, g, 1_500, func() *processor.Pipeline {
				return pageviews.New(load.Pipeline)
			}, processortest.IdleFor(10*time.Minute))
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	p := pageviews.New(pageviews.Config{Span: 10 * time.Second})
	processortest.Script(t, p, "testdata/rules.script", processortest.ApplicationID("site"))
}
