package activity_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

// generated returns a bound generator, and the resolver of its ids.
func generated(t *testing.T, cfg activity.LoadConfig) (*activity.Generator, *schemas.Resolver) {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	g := activity.NewGenerator(cfg)
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

func load(seed uint64) activity.LoadConfig {
	return activity.LoadConfig{Seed: seed, Users: 500, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 50, Poison: 0.02}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	t.Parallel()
	same := func(a, b loadgen.Record) bool {
		return a.Topic == b.Topic && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
			a.Timestamp == b.Timestamp
	}
	draw := func(seed uint64) []loadgen.Record {
		g, _ := generated(t, load(seed))
		recs := make([]loadgen.Record, 50_000)
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
}

// TestGeneratorKeepsTime holds arrivals to the rate, with pauses in it.
func TestGeneratorKeepsTime(t *testing.T) {
	t.Parallel()
	g, _ := generated(t, load(1))
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
	g, _ = generated(t, cfg)
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
	g, r := generated(t, load(1))
	o := activity.NewOracle(activity.Config{}, r)
	seen := make(map[string]int)
	values := make(map[string]int)
	const records = 100_000
	for i := range records {
		rec := g.Next()
		out, err := o.Feed(context.Background(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil {
			t.Fatal(err)
		}
		seen[fate(out)]++
		if out.Exception == "Rejected" {
			seen[fault(t, r, rec.Value)]++
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
	if t.Failed() {
		t.Log(seen)
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
	g, r := generated(t, cfg)
	if n := len(g.Schemas()); n != 1 {
		t.Errorf("%d schemas without poison, want 1", n)
	}
	o := activity.NewOracle(activity.Config{}, r)
	for i := range 20_000 {
		rec := g.Next()
		out, err := o.Feed(context.Background(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil || fate(out) != "processed" {
			t.Fatalf("record %d is %s, %v", i, fate(out), err)
		}
	}
}
