package fraud_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/fraud"
	"pawl/processor"
	"pawl/processor/processortest"
)

// TestExactly runs generated load, with users whose windows are lists and users whose windows are
// trees, under any schedule of epochs and crashes.
func TestExactly(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		load    fraud.LoadConfig
		records int
	}{
		"many users": {fraud.LoadConfig{Users: 60, Rate: 20, LimitsEvery: 20}, 2_000},
		"a few busy users": {fraud.LoadConfig{Users: 3, Rate: 50, Skew: 1, LimitsEvery: 100,
			Pipeline: fraud.Config{Span: 20 * time.Second, Grace: 2 * time.Second}}, 3_000},
		"idle users": {fraud.LoadConfig{Users: 30, Rate: 1, LimitsEvery: -1,
			Pipeline: fraud.Config{Span: 10 * time.Second, Grace: time.Second}}, 1_000},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.load.Seed, tc.load.Start = 1, time.UnixMilli(1_790_000_000_000)
			tc.load.Poison, tc.load.Late, tc.load.Straggle = 0.03, 0.02, 0.05
			pipelinetest.Exactly(t, fraud.NewGenerator(tc.load), tc.records,
				func() *processor.Pipeline { return fraud.New(tc.load.Pipeline) })
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, fraud.New(fraud.Config{}), "testdata/rules.script",
		processortest.ApplicationID("shop"))
}
