package funnel_test

import (
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/funnel"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

func load(seed uint64) funnel.LoadConfig {
	return funnel.LoadConfig{Seed: seed, Users: 2_000, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 2_000, Poison: 0.05, PauseEvery: 2_000}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	pipelinetest.Deterministic(t, 5_000, func(seed uint64) loadgen.Generator {
		return funnel.NewGenerator(load(seed))
	})
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, every
// output, and events late for each window are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	const records = 100_000
	tell := func(seen map[string]int, rec loadgen.Record, out verify.Outcome) {
		seen[rec.Topic]++
		if out.Fate == verify.Dead {
			seen[rec.Topic+" "+out.Exception]++
		}
		for _, window := range out.LateFor {
			seen[rec.Topic+" late "+window]++
		}
		for _, output := range out.Outputs {
			seen[output.Topic]++
		}
	}
	seen := pipelinetest.Judge(t, funnel.NewGenerator(load(1)),
		funnel.Spec(funnel.Config{}).NewModel, records, tell)
	want := []string{"user-events late session", "user-events late attribution",
		"ad-clicks late attribution", "conversions", "abandoned-carts", "attributed-purchases"}
	for _, kind := range []string{"DecodeError", "UnknownSchema", "IncompatibleSchema", "NullValue",
		"MissingKey", "KeyMismatch", "Rejected", "InvalidTimestamp", "FutureTimestamp"} {
		want = append(want, "user-events "+kind, "ad-clicks "+kind)
	}
	pipelinetest.AtLeast(t, seen, 10, want...)
	pipelinetest.AtLeast(t, seen, records/100, "conversions", "abandoned-carts",
		"attributed-purchases")
	late := seen["user-events late session"]
	if n := seen["user-events"]; late < n/5_000 || late > n/300 {
		t.Errorf("%d of %d events are late for their session, want about 0.1%%", late, n)
	}
}

// TestGrainMakesTies rounds event times, so that steps fall together, or just not.
func TestGrainMakesTies(t *testing.T) {
	cfg := load(2)
	cfg.Grain, cfg.Poison = time.Second, -1
	g, r := pipelinetest.Bound(t, funnel.NewGenerator(cfg))
	dec := schemas.NewDecoder(schema.UserEventType(), r)
	ties, beside, last := 0, 0, make(map[string]int64)
	for range 5_000 {
		rec := g.Next()
		if rec.Topic != funnel.UserEvents {
			continue
		}
		var e schema.UserEvent
		if err := dec.Decode(rec.Value, &e); err != nil {
			t.Fatal(err)
		}
		at := e.Timestamp.UnixMilli()
		if (at+1)%1000 > 2 {
			t.Fatalf("event time %d is no whole second, nor beside one", at)
		}
		if at%1000 != 0 {
			beside++
		}
		if last[e.UserID] == at {
			ties++
		}
		last[e.UserID] = at
	}
	if ties < 500 || beside < 500 {
		t.Errorf("only %d events fall together with the one before, %d beside", ties, beside)
	}
}
