//go:build synctests

package processortest

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pawl/internal/law"
	"pawl/internal/sim"
	"pawl/processor"
)

const (
	application = "sim" // as package sim has it
	storyLines  = 60
)

// simulate runs the seeds one after the other.
func simulate(t *testing.T, set settings, pipeline func() *processor.Pipeline, records []Record) {
	t.Helper()
	judged(t, t, set, pipeline, records)
}

// judged tells t what came of the seeds; bubbles belong to the test proper.
func judged(t testing.TB, proper *testing.T, set settings, pipeline func() *processor.Pipeline,
	records []Record) {
	t.Helper()
	if len(records) == 0 {
		t.Fatal("Simulate needs records; without any nothing can be lost")
	}
	var total sim.Sums
	for seed := uint64(1); seed <= set.seeds(schedules); seed++ {
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		cfg, err := simulation(set, pipeline, records)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Seed, cfg.Dir = seed, t.TempDir()
		var report *sim.Report
		synctest.Test(proper, func(*testing.T) { report = sim.Run(cfg) })
		if len(report.Violations) > 0 {
			t.Fatal(broken(report))
		}
		total.Add(report)
		if *seedFlag != 0 {
			break
		}
	}
	t.Log(summary(total))
}

// summary tells on one line what all seeds together were.
func summary(s sim.Sums) string {
	return fmt.Sprintf("%d seeds, %d records, %d epochs, %d aborted, %d faults, %d crashes, %v of "+
		"simulated time: as in one undisturbed pass", s.Seeds, s.Records, s.Epochs, s.Aborted,
		s.Faults, s.Crashes, s.Virtual.Round(time.Second))
}

// simulation is the pipeline as package sim takes it.
func simulation(set settings, pipeline func() *processor.Pipeline, records []Record) (sim.Config,
	error) {
	tape, err := newTape(set, pipeline(), records)
	if err != nil {
		return sim.Config{}, err
	}
	registry := new(found)
	engine := set.engine
	engine.ApplicationID, engine.Registry = application, registry
	spec, err := law.Spec(pipeline, engine)
	return sim.Config{Partitions: set.partitions, Instances: set.instances, App: sim.App{
		Name: spec.Pipeline, New: pipeline, Spec: spec, Load: tape.load, Records: tape.counted(),
		Settings: func(cfg *processor.Config) {
			registry.is(cfg.Registry)
			cfg.MaxOutOfOrderness = engine.MaxOutOfOrderness
			cfg.MaxFutureSkew = engine.MaxFutureSkew
		}}}, err
}

// broken tells what is wrong, and how it came to that.
func broken(r *sim.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d:\n", r.Seed)
	for _, v := range r.Violations {
		fmt.Fprintln(&b, v)
	}
	fmt.Fprintln(&b, "it came to that like this, at the end:")
	for _, line := range r.Trace[max(0, len(r.Trace)-storyLines):] {
		fmt.Fprintln(&b, line)
	}
	fmt.Fprintf(&b, "(again, alone: -tags synctests -pawl.seed=%d)", r.Seed)
	return b.String()
}

// counted is how many records the first schema's topic has.
func (t *tape) counted() int {
	n := 0
	for _, r := range t.records {
		if r.Topic == t.schemas[0].Topic {
			n++
		}
	}
	return n
}
