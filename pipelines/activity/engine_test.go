package activity_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/schemas"
)

// rig runs the pipeline in the process.
type rig struct {
	*pipelinetest.Rig
	cfg activity.Config
}

func newRig(t *testing.T, cfg activity.Config, partitions int32) *rig {
	t.Helper()
	r := &rig{pipelinetest.NewRig(t, partitions, activity.UserEvents), cfg}
	r.Engine.MaxOutOfOrderness = cfg.MaxOutOfOrderness
	r.Engine.MaxFutureSkew = cfg.MaxFutureSkew
	r.Engine.CommitInterval = 20 * time.Millisecond
	return r
}

// produce sends count events.
func (r *rig) produce(t *testing.T, load activity.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	r.Load(t, activity.NewGenerator(load), count)
}

// send produces records written as in testdata/oracle.txt to the only partition.
func (r *rig) send(t *testing.T, lines ...string) {
	t.Helper()
	events := encoder(t, r.Registry, schemas.NewResolver(r.Registry))
	var records []verify.Input
	for _, line := range lines {
		records = append(records, input(t, events, line))
	}
	r.Send(t, records...)
}

// judged is a model that counts what it says.
type judged struct {
	verify.Model
	fates map[verify.Fate]int64
}

func (j judged) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	out, err := j.Model.Feed(ctx, in)
	j.fates[out.Fate]++
	return out, err
}

// spec counts what becomes of the input.
func (r *rig) spec() (verify.Spec, map[verify.Fate]int64) {
	fates := make(map[verify.Fate]int64)
	spec := activity.Spec(r.cfg)
	model := spec.NewModel
	spec.NewModel = func(res *schemas.Resolver) verify.Model { return judged{model(res), fates} }
	return spec, fates
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string) (*verify.Report, map[verify.Fate]int64) {
	t.Helper()
	spec, fates := r.spec()
	return r.Drain(t, dir, activity.New(r.cfg), spec), fates
}

// TestPipelineMatchesOracle runs generated load of every kind through the engine.
func TestPipelineMatchesOracle(t *testing.T) {
	loads := map[string]struct {
		cfg  activity.Config
		load activity.LoadConfig
	}{
		"many users": {load: activity.LoadConfig{Users: 2_000, Rate: 30, Poison: 0.01}},
		"few hot users": {load: activity.LoadConfig{Users: 30, Skew: 1.2, Rate: 20,
			Duplicates: 0.3, Disorder: 0.5}},
		"no grace, short memory, every event a batch": {
			cfg: activity.Config{Grace: -1, DedupeHorizon: 20 * time.Second, BatchSize: 1,
				MaxOutOfOrderness: -1},
			load: activity.LoadConfig{Users: 200, Rate: 20, Duplicates: 0.2, Late: 0.05}},
		"grace beyond the windows, no pauses": {
			cfg: activity.Config{Grace: 7 * time.Minute, DedupeHorizon: time.Minute, BatchSize: 7},
			load: activity.LoadConfig{Users: 500, Rate: 20, Straggle: 0.3, Late: 0.02,
				PauseEvery: -1}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, 2)
			const count = 20_000
			l.load.Seed = 5
			l.load.Start = time.Now().Add(-time.Hour)
			r.produce(t, l.load, count)
			report, fates := r.drain(t, t.TempDir())
			pipelinetest.Match(t, report, count, 500, 100)
			if fates[verify.Deduplicated] < 100 {
				t.Errorf("the run was no test: %v", fates)
			}
		})
	}
}

// TestRestartGoesOn stops with windows open, batches begun and ids remembered, and goes on: with
// the same store, with none, and with none again. Each phase sends the same ids; every other one
// does so while they are remembered.
func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, activity.Config{DedupeHorizon: time.Minute, BatchSize: 10}, 2)
	start := time.Now().Add(-time.Hour)
	dir := t.TempDir()
	before := int64(0)
	for phase, seconds := range []time.Duration{0, 40, 160, 200} {
		if phase >= 2 {
			dir = t.TempDir()
		}
		r.produce(t, activity.LoadConfig{Seed: 9, Users: 100, Rate: 20, Duplicates: -1,
			Start: start.Add(seconds * time.Second)}, 2_000)
		report, fates := r.drain(t, dir)
		if report.Oracle != "match" || report.StateKeys < 100 {
			t.Fatalf("phase %d: %+v", phase, report)
		}
		duplicates := fates[verify.Deduplicated] - before
		if again := phase%2 == 1; again != (duplicates > 1_900) || !again && duplicates > 100 {
			t.Errorf("phase %d: %d duplicates in 2000 events", phase, duplicates)
		}
		before += duplicates
	}
}

// TestScriptThroughEngine runs testdata/oracle.txt, whose records stand on every edge there is.
func TestScriptThroughEngine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/oracle.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if record, _, ok := strings.Cut(line, "->"); ok && line[0] != '#' {
			lines = append(lines, record)
		}
	}
	r := newRig(t, scriptConfig(), 1)
	r.send(t, lines...)
	report, _ := r.drain(t, t.TempDir())
	if report.Oracle != "match" || report.RecordsIn != int64(len(lines)) || len(lines) < 40 {
		t.Errorf("%d records: %+v", len(lines), report)
	}
}

// TestQuietInputClosesWindows has windows closed by the clock, so that what comes then is late.
func TestQuietInputClosesWindows(t *testing.T) {
	t.Parallel()
	r := newRig(t, activity.Config{Grace: -1, MaxOutOfOrderness: -1}, 1)
	r.Engine.IdleTimeout = 100 * time.Millisecond
	end := time.Now().Add(-time.Hour).Truncate(5 * time.Minute) // of a minute and of five
	event := func(id string, before, value int64) string {
		at := end.UnixMilli() - before
		return fmt.Sprintln(at, "ann", id, at, value)
	}
	in := r.Start(t, t.TempDir(), activity.New(r.cfg))
	r.send(t, event("a", 1, 1), event("b", 1_000, 2))
	r.Await(t, in, "the windows to close", r.Holds(activity.ProcessedEvents,
		activity.UserAggregates))
	r.send(t, event("a", 1, 3), event("c", 1, 4))
	r.Await(t, in, "all input to be committed", r.Committed)
	spec, fates := r.spec()
	report := r.Stop(t, in, spec)
	if report.Oracle != "match" {
		t.Errorf("%+v", report)
	}
	if report.RecordsOut != 2 || report.Late != 2 || fates[verify.Processed] != 3 ||
		fates[verify.Deduplicated] != 1 {
		t.Errorf("the run was no test: %+v, %v", report, fates)
	}
}
