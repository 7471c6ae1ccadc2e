package pipelinetest

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// Bound gives a generator the ids of a registry of its own, whose resolver it returns.
func Bound[G loadgen.Generator](t testing.TB, g G) (G, *schemas.Resolver) {
	t.Helper()
	_, r := bind(t, g)
	return g, r
}

func bind(t testing.TB, g loadgen.Generator) (*schemas.Memory, *schemas.Resolver) {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	ids := make(map[string]int32)
	for _, s := range g.Schemas() {
		id, err := schemas.Bind(t.Context(), reg, r, s.Topic+"-value", s.Text, true)
		if err != nil {
			t.Fatal(err)
		}
		ids[s.Topic] = id
	}
	g.Bind(ids)
	return reg, r
}

// Deterministic compares two runs of a seed, and another seed, record by record. None may arrive
// before the one before.
func Deterministic(t testing.TB, records int, seeded func(seed uint64) loadgen.Generator) {
	t.Helper()
	same := func(a, b loadgen.Record) bool {
		return a.Topic == b.Topic && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value) &&
			a.Timestamp == b.Timestamp
	}
	draw := func(seed uint64) []loadgen.Record {
		g := seeded(seed)
		bind(t, g)
		recs := make([]loadgen.Record, records)
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

// Judge lets a model judge records of a generator. tell counts what is to be seen of each verdict;
// the counts are logged when the test fails.
func Judge(t testing.TB, g loadgen.Generator, model func(*schemas.Resolver) verify.Model,
	records int, tell func(seen map[string]int, rec loadgen.Record, out verify.Outcome),
) (seen map[string]int) {
	t.Helper()
	seen = make(map[string]int)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(seen)
		}
	})
	_, r := bind(t, g)
	m := model(r)
	for i := range records {
		rec := g.Next()
		out, err := m.Feed(t.Context(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil {
			t.Fatal(err)
		}
		tell(seen, rec, out)
	}
	return seen
}

// FewLate wants about 0.2% of the records to be late, which is what generators make of themselves.
func FewLate(t testing.TB, late, records int) {
	t.Helper()
	if late < records/1000 || late > records/300 {
		t.Errorf("%d of %d records are late, want about 0.2%%", late, records)
	}
}

// AtLeast wants each kind to have been seen so often.
func AtLeast(t testing.TB, seen map[string]int, least int, kinds ...string) {
	t.Helper()
	for _, kind := range kinds {
		if seen[kind] < least {
			t.Errorf("only %d of %q, want %d", seen[kind], kind, least)
		}
	}
}

// Exactly holds a pipeline to the law with the records of a generator, under a dozen schedules.
func Exactly(t testing.TB, g loadgen.Generator, records int, pipeline func() *processor.Pipeline,
	opts ...processortest.Option,
) {
	t.Helper()
	registry, _ := bind(t, g)
	var list []processortest.Record
	for range records {
		r := g.Next()
		rec := processortest.Record{Topic: r.Topic, Key: string(r.Key),
			Time: time.UnixMilli(r.Timestamp)}
		if r.Value != nil {
			rec.Value = r.Value
		}
		list = append(list, rec)
	}
	opts = append(opts, processortest.Registry(registry), processortest.Schedules(12))
	processortest.Exactly(t, pipeline, list, opts...)
}
