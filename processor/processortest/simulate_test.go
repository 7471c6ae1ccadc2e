//go:build synctests

package processortest_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// TestSimulate has everything go wrong around a pipeline with a table, timers, dead letters and
// late records.
func TestSimulate(t *testing.T) {
	processortest.Simulate(t, velocity, load(600), processortest.Schedules(20))
	processortest.Simulate(t, velocity, load(300), processortest.Schedules(5),
		processortest.Partitions(3), processortest.Instances(2),
		processortest.MaxOutOfOrderness(0))
}

// TestSimulateKnowsRegistries plays records that were encoded under ids of the test's own, which
// are not those of the simulation.
func TestSimulateKnowsRegistries(t *testing.T) {
	registry := schemas.NewMemory()
	for _, other := range []string{`"string"`, `"long"`, `"bytes"`} {
		if _, err := registry.Register(context.Background(), other, other); err != nil {
			t.Fatal(err)
		}
	}
	id, err := registry.Register(context.Background(), "payments-value", paymentSchema)
	if err != nil || id != 4 {
		t.Fatalf("id %d, %v", id, err)
	}
	encoder := schemas.NewEncoder(paymentType(), id)
	records := slices.DeleteFunc(load(200), func(r processortest.Record) bool {
		return r.Topic != "payments"
	})
	for i, r := range records {
		if pay, ok := r.Value.(payment); ok {
			if records[i].Value, err = encoder.Append(nil, &pay); err != nil {
				t.Fatal(err)
			}
		}
	}
	processortest.Simulate(t, velocity, records, processortest.Schedules(3),
		processortest.Registry(registry))
}

// TestSimulateCatches pipelines that break the law.
func TestSimulateCatches(t *testing.T) {
	records := slices.DeleteFunc(load(300), func(r processortest.Record) bool {
		return r.Topic != "payments"
	})
	for _, m := range mutants {
		if strings.Contains(m.name, "package") || strings.Contains(m.name, "second time") {
			continue // the first one's variable outlives bubbles, the other never ends
		}
		t.Run(m.name, func(t *testing.T) {
			p := counted(m.make)
			got := failing(t, func(to testing.TB) {
				processortest.SimulateFor(to, t, p, records)
			})
			if !strings.HasPrefix(got, "seed ") || !strings.Contains(got, "-pawl.seed=") ||
				!strings.Contains(got, "I1 ") && !strings.Contains(got, "I2 ") {
				t.Fatalf("failure: %.2000s", got)
			}
			t.Logf("%.300s", got)
		})
	}
	none := func() *processor.Pipeline { return velocity() }
	got := failing(t, func(to testing.TB) { processortest.SimulateFor(to, t, none, nil) })
	if got == "" {
		t.Error("nothing to simulate was no failure")
	}
}
