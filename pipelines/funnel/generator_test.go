package funnel_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/funnel"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

// generated returns a bound generator, and the resolver of its ids.
func generated(t *testing.T, cfg funnel.LoadConfig) (*funnel.Generator, *schemas.Resolver) {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	g := funnel.NewGenerator(cfg)
	ids := make(map[string]int32)
	for _, s := range g.Schemas() {
		id, err := schemas.Bind(context.Background(), reg, r, s.Topic+"-value", s.Text, true)
		if err != nil {
			t.Fatal(err)
		}
		ids[s.Topic] = id
	}
	g.Bind(ids)
	return g, r
}

func load(seed uint64) funnel.LoadConfig {
	return funnel.LoadConfig{Seed: seed, Users: 2_000, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 2_000, Poison: 0.05, PauseEvery: 2_000}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	same := func(a, b loadgen.Record) bool {
		return a.Topic == b.Topic && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
			a.Timestamp == b.Timestamp
	}
	draw := func(seed uint64) []loadgen.Record {
		g, _ := generated(t, load(seed))
		recs := make([]loadgen.Record, 5_000)
		for i := range recs {
			recs[i] = g.Next()
		}
		return recs
	}
	first := draw(7)
	if !slices.EqualFunc(first, draw(7), same) {
		t.Error("the same seed gives other records")
	}
	if slices.EqualFunc(first, draw(8), same) {
		t.Error("another seed gives the same records")
	}
	for i := 1; i < len(first); i++ {
		if first[i].Timestamp < first[i-1].Timestamp {
			t.Fatalf("record %d arrives before the one before", i)
		}
	}
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, every
// output, and events late for each window are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	g, r := generated(t, load(1))
	o := funnel.NewOracle(funnel.Config{}, r)
	seen := make(map[string]int)
	const records = 100_000
	for i := range records {
		rec := g.Next()
		out, err := o.Feed(context.Background(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil {
			t.Fatal(err)
		}
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
	want := []string{"user-events late session", "user-events late attribution",
		"ad-clicks late attribution", "conversions", "abandoned-carts", "attributed-purchases"}
	for _, kind := range []string{"DecodeError", "UnknownSchema", "IncompatibleSchema", "NullValue",
		"MissingKey", "KeyMismatch", "Rejected", "InvalidTimestamp", "FutureTimestamp"} {
		want = append(want, "user-events "+kind, "ad-clicks "+kind)
	}
	for _, kind := range want {
		if seen[kind] < 10 {
			t.Errorf("only %d of %q in %d records", seen[kind], kind, records)
		}
	}
	for _, kind := range []string{"conversions", "abandoned-carts", "attributed-purchases"} {
		if seen[kind] < records/100 {
			t.Errorf("only %d of %q in %d records", seen[kind], kind, records)
		}
	}
	late := seen["user-events late session"]
	if n := seen["user-events"]; late < n/5_000 || late > n/300 {
		t.Errorf("%d of %d events are late for their session, want about 0.1%%", late, n)
	}
	if t.Failed() {
		t.Log(seen)
	}
}

// TestGrainMakesTies rounds event times, so that steps fall together, or just not.
func TestGrainMakesTies(t *testing.T) {
	cfg := load(2)
	cfg.Grain, cfg.Poison = time.Second, -1
	g, r := generated(t, cfg)
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
