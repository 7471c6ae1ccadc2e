package funnel_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/funnel"
	"pawl/processor"
)

// TestCounters: what is counted is what was emitted.
func TestCounters(t *testing.T) {
	t.Parallel()
	load := funnel.LoadConfig{Seed: 1, Users: 50, Rate: 5, Poison: 0.02, Late: 0.02,
		Start: time.UnixMilli(1_790_000_000_000)}
	of := make(map[string]func(any) processor.Counted)
	for _, topic := range []string{funnel.Conversions, funnel.AbandonedCarts,
		funnel.AttributedPurchases} {
		of[topic] = func(any) processor.Counted {
			return processor.Counted{Counter: funnel.OutcomesCounter, Value: topic}
		}
	}
	pipelinetest.Counters(t, funnel.NewGenerator(load), 3_000, funnel.New(funnel.Config{}), of)
}
