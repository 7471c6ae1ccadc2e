package pageviews_test

import (
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	schema "pawl/schemas/pageviews"
)

func load(seed uint64) pageviews.LoadConfig {
	return pageviews.LoadConfig{Seed: seed, Start: time.UnixMilli(1_790_000_000_000), Rate: 50,
		Poison: 0.02, Pauses: 0.0005}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	t.Parallel()
	pipelinetest.Deterministic(t, 5_000, func(seed uint64) loadgen.Generator {
		return pageviews.NewGenerator(load(seed))
	})
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, late
// ones, and results up, down and to 0 are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	t.Parallel()
	last := make(map[string]int64)
	const records = 100_000
	before := load(1).Start.UnixMilli()
	tell := func(seen map[string]int, rec loadgen.Record, out verify.Outcome) {
		if rec.Timestamp > before+1_000 {
			seen["pause"]++
		}
		before = rec.Timestamp
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
	seen := pipelinetest.Judge(t, pageviews.NewGenerator(load(1)),
		pageviews.Spec(pageviews.Config{}).NewModel, records, tell)
	pipelinetest.AtLeast(t, seen, 20, "pause", "up", "down", "zero", "late page",
		"dead DecodeError", "dead UnknownSchema", "dead IncompatibleSchema", "dead NullValue",
		"dead MissingKey", "dead KeyMismatch", "dead Rejected", "dead FutureTimestamp",
		"dead InvalidTimestamp")
	pipelinetest.FewLate(t, seen["late page"], records)
}

// TestPopularityShifts: at least 20 pages are viewed at a time; every one of all is the most viewed
// once, and then not viewed for longer than the window lasts.
func TestPopularityShifts(t *testing.T) {
	t.Parallel()
	cfg := pageviews.LoadConfig{Start: time.UnixMilli(1_790_000_000_000), Rate: 100, Poison: -1}
	g, _ := pipelinetest.Bound(t, pageviews.NewGenerator(cfg))
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
