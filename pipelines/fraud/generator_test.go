package fraud_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
)

// generated returns a bound generator, and the resolver of its ids.
func generated(t *testing.T, cfg fraud.LoadConfig) (*fraud.Generator, *schemas.Resolver) {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	g := fraud.NewGenerator(cfg)
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

func load(seed uint64) fraud.LoadConfig {
	return fraud.LoadConfig{Seed: seed, Users: 2_000, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 2_000, Poison: 0.02, LimitsEvery: 100}
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
// reason, late ones, limits and tombstones are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	g, r := generated(t, load(1))
	o := fraud.NewOracle(fraud.Config{}, r)
	seen := make(map[string]int)
	const records = 100_000
	for i := range records {
		rec := g.Next()
		out, err := o.Feed(context.Background(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil {
			t.Fatal(err)
		}
		key := outcome(out)
		switch {
		case len(out.Outputs) > 0:
			key = key[strings.LastIndex(key, " ")+1:]
		case rec.Topic == fraud.LimitsTopic && rec.Value == nil:
			key = "tombstone"
		}
		seen[key]++
	}
	for _, kind := range []string{"NONE", "COUNT", "AMOUNT", "COUNT_AND_AMOUNT", "processed",
		"tombstone", "late fraud", "dead DecodeError", "dead UnknownSchema",
		"dead IncompatibleSchema", "dead NullValue", "dead MissingKey", "dead KeyMismatch",
		"dead InvalidAmount", "dead FutureTimestamp", "dead InvalidTimestamp"} {
		if seen[kind] < 20 {
			t.Errorf("only %d of %q in %d records", seen[kind], kind, records)
		}
	}
	if late := seen["late fraud"]; late < records/1000 || late > records/300 {
		t.Errorf("%d of %d records are late, want about 0.2%%", late, records)
	}
	if t.Failed() {
		t.Log(seen)
	}
}
