package pageviews_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/pageviews"
	"pawl/processor"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
	"pawl/statestore"
)

// rig is a broker and a registry in the process, with the pipeline's input topic.
type rig struct {
	opts     []kgo.Opt
	addrs    []string
	registry *schemas.Memory
	kafka    *verify.Kafka
	dir      string
	idle     time.Duration
	cfg      pageviews.Config
}

func newRig(t *testing.T, cfg pageviews.Config, partitions int32) *rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, pageviews.PageViews),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := &rig{opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, addrs: c.ListenAddrs(),
		registry: schemas.NewMemory(), dir: t.TempDir(), idle: -1, cfg: cfg}
	if r.kafka, err = verify.NewKafka("rig", r.opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kafka.Close)
	return r
}

// produce sends count views.
func (r *rig) produce(t *testing.T, load pageviews.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	_, err := loadgen.Run(context.Background(), loadgen.Config{Options: r.opts,
		Generator: pageviews.NewGenerator(load), Registry: r.registry, Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// drain runs one instance until all input is committed, and checks what it left.
func (r *rig) drain(t *testing.T, spec verify.Spec) *verify.Report {
	t.Helper()
	return r.run(t, spec, func(ctx context.Context) bool {
		lag, err := r.kafka.Lag(ctx, pageviews.PageViews)
		if err != nil {
			t.Fatal(err)
		}
		return lag == 0
	})
}

// run runs one instance until done says so, and checks what it left.
func (r *rig) run(t *testing.T, spec verify.Spec, done func(context.Context) bool) *verify.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	in, err := processor.Start(context.Background(), processor.Config{ApplicationID: "rig",
		Brokers: r.addrs, Registry: r.registry, StateDir: r.dir, IdleTimeout: r.idle,
		MaxOutOfOrderness: r.cfg.MaxOutOfOrderness}, pageviews.New(r.cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Stop()
	for !done(ctx) {
		select {
		case <-in.Done():
			t.Fatal(errors.Join(errors.New("the instance ended"), in.Wait()))
		case <-ctx.Done():
			t.Fatal("it is not done after a minute")
		case <-time.After(50 * time.Millisecond):
		}
	}
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Check(context.Background(), verify.Options{Spec: spec,
		ApplicationID: "rig", Source: r.kafka, Registry: r.registry})
	if err != nil {
		t.Fatal(err)
	}
	return report
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
			if report.Oracle != "match" {
				t.Errorf("%+v", report)
			}
			if report.RecordsIn != count || report.RecordsOut < 1_000 || report.StateKeys == 0 ||
				report.DeadLettered == 0 || report.Late == 0 {
				t.Errorf("the run was no test: %+v", report)
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
	r.idle = 100 * time.Millisecond
	start := time.Now().Add(-24 * time.Hour)
	sound := pageviews.LoadConfig{Rate: 100, Start: start, Disorder: -1, Straggle: -1, Late: -1,
		Poison: -1}
	r.produce(t, sound, 500)
	counts := make(map[string]int)
	spec := rows(counts, pageviews.Spec(r.cfg))
	report := r.run(t, spec, func(context.Context) bool {
		last := r.lastResults(t)
		for _, views := range last {
			if views != 0 {
				return false
			}
		}
		return len(last) >= 20
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

// lastResults reads the one partition of the output.
func (r *rig) lastResults(t *testing.T) map[string]int64 {
	t.Helper()
	ctx := context.Background()
	bounds, err := r.kafka.Bounds(ctx, pageviews.PageCounts)
	if err != nil {
		t.Fatal(err)
	}
	last := make(map[string]int64)
	if len(bounds) == 0 {
		return last // the topic is not there yet
	}
	log, err := r.kafka.Open(ctx, pageviews.PageCounts, 0, bounds[0])
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	resolver := schemas.NewResolver(r.registry)
	dec := schemas.NewDecoder(schema.PageCountType(), resolver)
	for rec, err := log.Next(ctx); err != io.EOF; rec, err = log.Next(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		id, _, err := schemas.ParseHeader(rec.Value)
		if err == nil {
			err = resolver.Fetch(ctx, id)
		}
		var c schema.PageCount
		if err == nil {
			err = dec.Decode(rec.Value, &c)
		}
		if err != nil {
			t.Fatal(err)
		}
		last[c.Page] = c.Views
	}
	return last
}
