//go:build unix

package processortest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
)

// TestChaos has instances of a pipeline with a table, timers, dead letters and late records die.
func TestChaos(t *testing.T) {
	t.Parallel()
	processortest.Chaos(t, velocity, load(6_000), processortest.Duration(5*time.Second),
		processortest.Instances(3), processortest.Partitions(3),
		processortest.ApplicationID("shop"))
}

// TestChaosCatches a pipeline that forgets when its process dies.
func TestChaosCatches(t *testing.T) {
	if testing.Short() {
		t.Skip("Chaos takes seconds")
	}
	t.Parallel()
	p := counted(mutants[0].make)
	var records []processortest.Record
	for i := range 2_000 {
		records = append(records, processortest.Record{Topic: "payments",
			Key: fmt.Sprint("card-", i%5), Value: payment{ID: fmt.Sprint("p", i), Cents: 1},
			Time: processortest.Time(time.Duration(i) * time.Second)})
	}
	got := failing(t, func(t testing.TB) {
		processortest.Chaos(t, p, records, processortest.Duration(3*time.Second))
	})
	for _, want := range []string{"seed 1: not what one undisturbed pass leaves", " different",
		"alerts-", "kill -9", "-pawl.seed=1", "last words of n1"} {
		if !strings.Contains(got, want) {
			t.Errorf("the failure does not tell %q:\n%s", want, got)
		}
	}
}

// TestChaosTells when a pipeline cannot run at all.
func TestChaosTells(t *testing.T) {
	if testing.Short() {
		t.Skip("Chaos takes seconds")
	}
	t.Parallel()
	records := []processortest.Record{{Topic: "payments", Key: "card-1", Value: payment{ID: "p1"},
		Time: processortest.Epoch}}
	got := failing(t, func(t testing.TB) {
		processortest.Chaos(t, counted(func(tallies, alerts) handling {
			return func(*processor.Context, payment) error { panic("never") }
		}), records, processortest.Duration(3*time.Second))
	})
	if !strings.Contains(got, "never") {
		t.Errorf("the failure does not tell what the handler said:\n%s", got)
	}
	got = failing(t, func(t testing.TB) { processortest.Chaos(t, velocity, nil) })
	if !strings.Contains(got, "needs records") {
		t.Errorf("without records: %s", got)
	}
}
