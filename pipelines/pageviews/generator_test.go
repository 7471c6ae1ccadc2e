package pageviews_test

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

// generated returns a bound generator, and the resolver of its ids.
func generated(t *testing.T, cfg pageviews.LoadConfig) (*pageviews.Generator, *schemas.Resolver) {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	g := pageviews.NewGenerator(cfg)
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

func load(seed uint64) pageviews.LoadConfig {
	return pageviews.LoadConfig{Seed: seed, Start: time.UnixMilli(1_790_000_000_000), Rate: 50,
		Poison: 0.02, Pauses: 0.0005}
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

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, late
// ones, and results up, down and to 0 are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	t.Parallel()
	g, r := generated(t, load(1))
	o := pageviews.NewOracle(pageviews.Config{}, r)
	seen := make(map[string]int)
	last := make(map[string]int64)
	const records = 100_000
	before := load(1).Start.UnixMilli()
	for i := range records {
		rec := g.Next()
		if rec.Timestamp > before+1_000 {
			seen["pause"]++
		}
		before = rec.Timestamp
		out, err := o.Feed(context.Background(), verify.Input{Topic: rec.Topic, Offset: int64(i),
			Key: rec.Key, Value: rec.Value, Timestamp: rec.Timestamp})
		if err != nil {
			t.Fatal(err)
		}
		switch out.Fate {
		case verify.Dead:
			seen["dead "+out.Exception]++
		case verify.Late:
			seen["late "+out.Window]++
		}
		for _, out := range out.Outputs {
			switch c := out.Value.(schema.PageCount); {
			case c.Views == 0:
				seen["zero"]++
			case c.Views > last[c.Page]:
				seen["up"]++
			default:
				seen["down"]++
			}
			last[out.Key] = out.Value.(schema.PageCount).Views
		}
	}
	for _, kind := range []string{"pause", "up", "down", "zero", "late page", "dead DecodeError",
		"dead UnknownSchema", "dead IncompatibleSchema", "dead NullValue", "dead MissingKey",
		"dead KeyMismatch", "dead Rejected", "dead FutureTimestamp", "dead InvalidTimestamp"} {
		if seen[kind] < 20 {
			t.Errorf("only %d of %q in %d records", seen[kind], kind, records)
		}
	}
	if late := seen["late page"]; late < records/1000 || late > records/300 {
		t.Errorf("%d of %d records are late, want about 0.2%%", late, records)
	}
	if t.Failed() {
		t.Log(seen)
	}
}

// TestPopularityShifts: at least 20 pages are viewed at a time; every one of all is the most viewed
// once, and then not viewed for longer than the window lasts.
func TestPopularityShifts(t *testing.T) {
	t.Parallel()
	cfg := pageviews.LoadConfig{Start: time.UnixMilli(1_790_000_000_000), Rate: 100, Poison: -1}
	g, _ := generated(t, cfg)
	const minutes, perMinute = 30, 6_000
	leads := make(map[string]bool)
	quiet := make(map[string]int64) // ms of the last view
	longest := make(map[string]int64)
	for range minutes {
		counts := make(map[string]int)
		for range perMinute {
			rec := g.Next()
			page := string(rec.Key)
			if at, ok := quiet[page]; ok {
				longest[page] = max(longest[page], rec.Timestamp-at)
			}
			quiet[page] = rec.Timestamp
			counts[page]++
		}
		if len(counts) < 20 {
			t.Errorf("%d pages were viewed in a minute, want 20 or more", len(counts))
		}
		lead := ""
		for page, n := range counts {
			if n > counts[lead] {
				lead = page
			}
		}
		leads[lead] = true
	}
	if len(leads) < 20 {
		t.Errorf("%d pages led in %d minutes", len(leads), minutes)
	}
	for page, ms := range longest {
		if ms < 5*60_000 || !strings.HasPrefix(page, "/article/") {
			t.Errorf("page %s was never quiet for longer than %d ms", page, ms)
		}
	}
}
