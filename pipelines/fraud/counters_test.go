package fraud_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/fraud"
	"pawl/processor"
	schema "pawl/schemas/fraud"
)

// TestCounters: what is counted is what was emitted.
func TestCounters(t *testing.T) {
	t.Parallel()
	load := fraud.LoadConfig{Seed: 1, Users: 20, Rate: 20, Poison: 0.02, Late: 0.02,
		Start: time.UnixMilli(1_790_000_000_000)}
	pipelinetest.Counters(t, fraud.NewGenerator(load), 2_000, fraud.New(fraud.Config{}),
		map[string]func(any) processor.Counted{
			fraud.Alerts: func(v any) processor.Counted {
				return processor.Counted{Counter: fraud.AlertsCounter,
					Value: v.(schema.Alert).Reason}
			},
		})
}
