package pageviews_test

import (
	"context"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
	"pawl/statestore"
)

// rig runs the pipeline in the process, every time over the same folder.
type rig struct {
	*pipelinetest.Rig
	dir string
	cfg pageviews.Config
}

func newRig(t *testing.T, cfg pageviews.Config, partitions int32) *rig {
	t.Helper()
	r := &rig{pipelinetest.NewRig(t, partitions, pageviews.PageViews), t.TempDir(), cfg}
	r.Engine.IdleTimeout = -1
	return r
}

// produce sends count views.
func (r *rig) produce(t *testing.T, load pageviews.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	r.Load(t, pageviews.NewGenerator(load), count)
}

// drain runs one instance until all input is committed, and until what else there is to wait for.
func (r *rig) drain(t *testing.T, spec verify.Spec,
	until ...func(context.Context) (bool, error),
) *verify.Report {
	t.Helper()
	r.Engine.MaxOutOfOrderness = r.cfg.MaxOutOfOrderness
	return r.Drain(t, r.dir, pageviews.New(r.cfg), spec, until...)
}

// TestPipelineMatchesOracle runs generated load of every kind through the engine.
func TestPipelineMatchesOracle(t *testing.T) {
	t.Parallel()
	second := time.Second
	loads := map[string]struct {
		cfg  pageviews.Config
		load pageviews.LoadConfig
	}{
		"defaults": {load: pageviews.LoadConfig{Rate: 30, Poison: 0.01}},
		"many pages, seldom viewed": {cfg: pageviews.Config{Span: 90 * second, Grace: 10 * second},
			load: pageviews.LoadConfig{Pages: 600, Rate: 40, Skew: 1.2}},
		"pages come and go": {cfg: pageviews.Config{Span: 5 * second, Grace: 1500 * second / 1000},
			load: pageviews.LoadConfig{Rate: 60, Pauses: 0.005, Straggle: 0.05, Skew: -1}},
		"the shortest span, no disorder": {cfg: pageviews.Config{Span: second,
			MaxOutOfOrderness: time.Millisecond}, load: pageviews.LoadConfig{Rate: 20, Pages: 100}},
		"across a minute": {cfg: pageviews.Config{Span: 61 * second, Grace: 999 * second / 1000},
			load: pageviews.LoadConfig{Rate: 100, Pauses: 0.002}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, 2)
			const count = 20_000
			l.load.Seed = 5
			l.load.Start = time.Now().Add(-24 * time.Hour)
			r.produce(t, l.load, count)
			report := r.drain(t, pageviews.Spec(l.cfg))
			pipelinetest.Match(t, report, count, 1_000, 1)
			if report.RecordsIn != count {
				t.Errorf("%d records are read, %d were sent", report.RecordsIn, count)
			}
		})
	}
}

// TestRestartsMatchOracle stops between two seconds of a busy page, again and again.
func TestRestartsMatchOracle(t *testing.T) {
	t.Parallel()
	r := newRig(t, pageviews.Config{Span: 20 * time.Second}, 1)
	start := time.Now().Add(-24 * time.Hour)
	for phase := range 4 {
		r.produce(t, pageviews.LoadConfig{Seed: uint64(phase), Rate: 100,
			Start: start.Add(time.Duration(phase) * 9_700 * time.Millisecond)}, 1_000)
		if report := r.drain(t, pageviews.Spec(r.cfg)); report.Oracle != "match" {
			t.Fatalf("phase %d: %+v", phase, report)
		}
	}
}

// rows counts what is really in the changelog, by table.
func rows(counts map[string]int, spec verify.Spec) verify.Spec {
	canonical := spec.Canonical
	spec.Canonical = func(ctx context.Context, state map[string][]byte, res *schemas.Resolver,
		watermark int64,
	) (map[string]any, error) {
		clear(counts)
		for key := range state {
			parts, err := statestore.DecodeKey([]byte(key))
			if err != nil {
				return nil, err
			}
			counts[parts[0].(string)]++
		}
		return canonical(ctx, state, res, watermark)
	}
	return spec
}

// TestQuietPagesLeaveNothing ends a load with a view much later: of all other pages nothing may be
// left, no row and no timer.
func TestQuietPagesLeaveNothing(t *testing.T) {
	t.Parallel()
	for _, span := range []time.Duration{7 * time.Second, 5 * time.Minute} {
		r := newRig(t, pageviews.Config{Span: span, Grace: time.Second}, 1)
		start := time.Now().Add(-24 * time.Hour)
		r.produce(t, pageviews.LoadConfig{Seed: 3, Rate: 20, Start: start}, 10_000)
		counts := make(map[string]int)
		spec := rows(counts, pageviews.Spec(r.cfg))
		if report := r.drain(t, spec); report.Oracle != "match" {
			t.Fatalf("%+v", report)
		}
		// Due are the seconds that are not closed yet, and one more second of each page.
		minutes := 2 + int(span/time.Minute)
		if n := counts["page-counts"]; n < 10 || n > 30 || counts["timers-due"] > n*6 ||
			counts["page-minutes"] > n*minutes {
			t.Errorf("span %v, in the middle: %v", span, counts)
		}
		r.produce(t, pageviews.LoadConfig{Start: start.Add(time.Hour), Disorder: -1, Straggle: -1,
			Late: -1, Poison: -1}, 1)
		if report := r.drain(t, spec); report.Oracle != "match" {
			t.Fatalf("%+v", report)
		}
		if counts["page-counts"] != 0 || counts["page-minutes"] != 1 || counts["timers-due"] != 1 {
			t.Errorf("span %v: in the end there are %v", span, counts)
		}
	}
}

// TestSettingsMayChange restarts with another span and grace: whatever timers were set and rows
// were written for the old ones, no page is forgotten and none stays.
func TestSettingsMayChange(t *testing.T) {
	t.Parallel()
	minute := time.Minute
	start := time.Now().Add(-24 * time.Hour)
	for name, cfgs := range map[string][2]pageviews.Config{
		"longer":        {{Span: minute}, {Span: 10 * minute, Grace: 90*time.Second + 300_000_000}},
		"shorter":       {{Span: 10 * minute, Grace: minute + 700_000_000}, {Span: minute}},
		"wider, sooner": {{Span: minute, Grace: minute}, {Span: 4 * minute, Grace: time.Second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, cfgs[0], 1)
			counts := make(map[string]int)
			sound := pageviews.LoadConfig{Rate: 5, Start: start, Poison: -1, Late: -1, Straggle: -1}
			r.produce(t, sound, 4_000)
			if report := r.drain(t, pageviews.Spec(r.cfg)); report.Oracle != "match" {
				t.Fatalf("%+v", report)
			}
			r.cfg = cfgs[1]
			sound.Start, sound.Disorder = start.Add(time.Hour), -1
			r.produce(t, sound, 1)
			r.drain(t, rows(counts, pageviews.Spec(r.cfg))) // no oracle knows both settings
			if counts["page-counts"] != 0 || counts["page-minutes"] != 1 ||
				counts["timers-due"] != 1 {
				t.Errorf("in the end there are %v", counts)
			}
			last := r.lastResults(t)
			for page, views := range last {
				if views != 0 {
					t.Errorf("the last result of %s is %d views", page, views)
				}
			}
			if len(last) < 20 {
				t.Errorf("there are results of %d pages only", len(last))
			}
		})
	}
}

// TestQuietInputEmptiesTheWindow: without a record the watermark moves on with the clock, and takes
// every page down to 0; then views come again, too late and in time.
func TestQuietInputEmptiesTheWindow(t *testing.T) {
	t.Parallel()
	r := newRig(t, pageviews.Config{Span: time.Second,
		MaxOutOfOrderness: 200 * time.Millisecond}, 1)
	r.Engine.IdleTimeout = 100 * time.Millisecond
	start := time.Now().Add(-24 * time.Hour)
	sound := pageviews.LoadConfig{Rate: 100, Start: start, Disorder: -1, Straggle: -1, Late: -1,
		Poison: -1}
	r.produce(t, sound, 500)
	counts := make(map[string]int)
	spec := rows(counts, pageviews.Spec(r.cfg))
	report := r.drain(t, spec, func(context.Context) (bool, error) {
		last := r.lastResults(t)
		for _, views := range last {
			if views != 0 {
				return false, nil
			}
		}
		return len(last) >= 20, nil
	})
	if report.Oracle != "match" || report.StateKeys != 0 || len(counts) != 0 {
		t.Fatalf("%v are left: %+v", counts, report)
	}
	sound.Start = start.Add(4 * time.Second) // a second of it was there before, the rest is new
	r.produce(t, sound, 500)
	if report := r.drain(t, spec); report.Oracle != "match" || report.Late < 100 ||
		report.StateKeys == 0 {
		t.Errorf("%+v", report)
	}
}

// lastResults are the views that were last emitted of each page.
func (r *rig) lastResults(t *testing.T) map[string]int64 {
	t.Helper()
	last := make(map[string]int64)
	for _, c := range pipelinetest.Values(t, r.Rig, pageviews.PageCounts, schema.PageCountType()) {
		last[c.Page] = c.Views
	}
	return last
}
