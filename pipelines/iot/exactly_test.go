package iot_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/iot"
	"pawl/processor"
	"pawl/processor/processortest"
)

// TestExactly runs generated load under any schedule of epochs and crashes.
func TestExactly(t *testing.T) {
	t.Parallel()
	loads := map[string]iot.LoadConfig{
		"a few sensors": {Sensors: 8, Rate: 2, PauseEvery: 300},
		"short spans": {Sensors: 20, Rate: 20, Anomalies: 0.05, Ties: 0.1, Pipeline: iot.Config{
			Span: 5 * time.Second, Grace: time.Second, EmitInterval: time.Second,
			AlertRepeat: 3 * time.Second}},
	}
	for name, load := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			load.Seed, load.Start = 1, time.UnixMilli(1_790_000_000_000)
			load.Poison, load.Late, load.Straggle = 0.03, 0.02, 0.05
			pipelinetest.Exactly(t, iot.NewGenerator(load), 1_500, func() *processor.Pipeline {
				return iot.New(load.Pipeline)
			}, processortest.IdleFor(10*time.Minute))
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, iot.New(iot.Config{}), "testdata/rules.script",
		processortest.ApplicationID("plant"))
}
