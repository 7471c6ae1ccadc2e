package fraud_test

import (
	"context"
	"testing"
	"time"

	"pawl/pipelines/fraud"
	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// records are generated transactions and limits, in the form of processortest, with the registry
// that knows their schemas.
func records(t *testing.T, cfg fraud.LoadConfig, n int) ([]processortest.Record, *schemas.Memory) {
	t.Helper()
	registry := schemas.NewMemory()
	g := fraud.NewGenerator(cfg)
	ids := make(map[string]int32)
	for _, s := range g.Schemas() {
		id, err := registry.Register(context.Background(), s.Topic+"-value", s.Text)
		if err != nil {
			t.Fatal(err)
		}
		ids[s.Topic] = id
	}
	g.Bind(ids)
	var list []processortest.Record
	for range n {
		r := g.Next()
		rec := processortest.Record{Topic: r.Topic, Key: string(r.Key),
			Time: time.UnixMilli(r.Timestamp)}
		if r.Value != nil {
			rec.Value = r.Value
		}
		list = append(list, rec)
	}
	return list, registry
}

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
			list, registry := records(t, tc.load, tc.records)
			processortest.Exactly(t, func() *processor.Pipeline {
				return fraud.New(tc.load.Pipeline)
			}, list, processortest.Registry(registry), processortest.Schedules(12))
		})
	}
}

// TestScript tells the rules one by one.
func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, fraud.New(fraud.Config{}), "testdata/rules.script",
		processortest.ApplicationID("shop"))
}
