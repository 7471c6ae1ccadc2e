package activity_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

func load(seed uint64) activity.LoadConfig {
	return activity.LoadConfig{Seed: seed, Users: 500, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 50, Poison: 0.02}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	t.Parallel()
	pipelinetest.Deterministic(t, 50_000, func(seed uint64) loadgen.Generator {
		return activity.NewGenerator(load(seed))
	})
}

// TestGeneratorKeepsTime holds arrivals to the rate, with pauses in it.
func TestGeneratorKeepsTime(t *testing.T) {
	t.Parallel()
	g, _ := pipelinetest.Bound(t, activity.NewGenerator(load(1)))
	const every, pause = 240_000, 90_000
	last, pauses := int64(0), 0
	for n := range int64(50_000) {
		at := g.Next().Timestamp - 1_790_000_000_000
		if at < last {
			t.Fatalf("record %d arrives at %d, the one before at %d", n, at, last)
		}
		if at-last >= pause {
			pauses++
		}
		if due := n * 1000 / 50; at > due || at < due-pause-1 {
			t.Fatalf("record %d arrives at %d, at the rate it is due at %d", n, at, due)
		}
		last = at
	}
	if want := 50_000 / 50 * 1000 / every; pauses != want {
		t.Errorf("%d pauses, want %d", pauses, want)
	}
	cfg := load(1)
	cfg.PauseEvery = -1
	g, _ = pipelinetest.Bound(t, activity.NewGenerator(cfg))
	for n := range int64(50_000) {
		if at := g.Next().Timestamp - 1_790_000_000_000; at/2 != n*10 && at/2 != n*10-1 {
			t.Fatalf("record %d arrives at %d without pauses", n, at)
		}
	}
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault and of
// lateness, duplicates, and every output are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	t.Parallel()
	values := make(map[string]int)
	const records = 100_000
	var resolver *schemas.Resolver
	model := func(r *schemas.Resolver) verify.Model {
		resolver = r
		return activity.NewOracle(activity.Config{}, r)
	}
	tell := func(seen map[string]int, rec loadgen.Record, out verify.Outcome) {
		seen[fate(out)]++
		if out.Exception == "Rejected" {
			seen[fault(t, resolver, rec.Value)]++
		}
		for _, output := range out.Outputs {
			seen[output.Topic]++
		}
		if values[string(rec.Value)]++; values[string(rec.Value)] > 1 && out.Fate == 0 {
			seen["forgotten"]++
		}
		if out.Fate == verify.Deduplicated && len(out.Outputs) > 0 {
			seen["output of a duplicate"]++
		}
	}
	seen := pipelinetest.Judge(t, activity.NewGenerator(load(1)), model, records, tell)
	for kind, least := range map[string]int{"processed": 90_000, "deduplicated": 500,
		"processed late per-minute": 50, "processed late per-minute five-minutes": 50,
		"forgotten": 20, "processed-events": 1_000, "user-aggregates": 1_000, "user-batches": 500,
		"dead DecodeError": 50, "dead UnknownSchema": 50, "dead IncompatibleSchema": 50,
		"dead NullValue": 50, "dead MissingKey": 50, "dead KeyMismatch": 50,
		"no event_id": 50, "no action": 50, "value NaN": 50, "value +Inf": 20, "value -Inf": 20,
		"dead FutureTimestamp": 50, "dead InvalidTimestamp": 50} {
		if seen[kind] < least {
			t.Errorf("only %d of %q in %d records, want %d", seen[kind], kind, records, least)
		}
	}
	late := 0
	for kind, n := range seen {
		if strings.Contains(kind, " late ") {
			late += n
		}
	}
	if late < records/1000 || late > records/100 {
		t.Errorf("%d of %d records are late", late, records)
	}
}

// fault says what is wrong with an event that is rejected.
func fault(t *testing.T, r *schemas.Resolver, value []byte) string {
	t.Helper()
	var e schema.UserEvent
	if err := schemas.NewDecoder(schema.UserEventType(), r).Decode(value, &e); err != nil {
		t.Fatal(err)
	}
	switch {
	case e.EventID == "":
		return "no event_id"
	case e.Action == "":
		return "no action"
	}
	return fmt.Sprintf("value %+v", e.Value)
}

// TestGeneratorCanDoWithout leaves out what is switched off.
func TestGeneratorCanDoWithout(t *testing.T) {
	t.Parallel()
	cfg := load(3)
	cfg.Poison, cfg.Late, cfg.Duplicates = -1, -1, -1
	g := activity.NewGenerator(cfg)
	if n := len(g.Schemas()); n != 1 {
		t.Errorf("%d schemas without poison, want 1", n)
	}
	seen := pipelinetest.Judge(t, g, activity.Spec(activity.Config{}).NewModel, 20_000,
		func(seen map[string]int, _ loadgen.Record, out verify.Outcome) { seen[fate(out)]++ })
	if len(seen) != 1 || seen["processed"] != 20_000 {
		t.Errorf("of 20,000 events there are %v", seen)
	}
}
