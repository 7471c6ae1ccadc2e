package iot_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/iot"
	"pawl/processor"
	schema "pawl/schemas/iot"
)

// TestCounters: what is counted is what was emitted.
func TestCounters(t *testing.T) {
	t.Parallel()
	load := iot.LoadConfig{Seed: 1, Sensors: 20, Rate: 20, Poison: 0.02, Late: 0.02,
		Start: time.UnixMilli(1_790_000_000_000)}
	pipelinetest.Counters(t, iot.NewGenerator(load), 2_000, iot.New(iot.Config{}),
		map[string]func(any) processor.Counted{
			iot.Alerts: func(v any) processor.Counted {
				return processor.Counted{Counter: iot.AlertsCounter,
					Value: v.(schema.SensorAlert).Type}
			},
		})
}
