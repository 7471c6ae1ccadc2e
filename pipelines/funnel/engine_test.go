package funnel_test

import (
	"context"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/funnel"
)

// rig runs the pipeline in the process.
type rig struct {
	*pipelinetest.Rig
	cfg funnel.Config
}

func newRig(t *testing.T, cfg funnel.Config, partitions int32) *rig {
	t.Helper()
	r := &rig{pipelinetest.NewRig(t, partitions, funnel.UserEvents, funnel.AdClicks), cfg}
	r.Engine.MaxOutOfOrderness = cfg.MaxOutOfOrderness
	r.Engine.IdleTimeout = -1
	return r
}

// produce sends count events, and the clicks that come with them.
func (r *rig) produce(t *testing.T, load funnel.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	r.Load(t, funnel.NewGenerator(load), count)
}

// drain runs one instance until all input is committed, and until what else there is to wait for.
func (r *rig) drain(t *testing.T, dir string,
	until ...func(context.Context) (bool, error),
) *verify.Report {
	t.Helper()
	return r.Drain(t, dir, funnel.New(r.cfg), funnel.Spec(r.cfg), until...)
}

// TestPipelineMatchesOracle runs generated load of every kind through the engine.
func TestPipelineMatchesOracle(t *testing.T) {
	loads := map[string]struct {
		cfg        funnel.Config
		load       funnel.LoadConfig
		partitions int32
	}{
		"as deployed": {partitions: 2,
			load: funnel.LoadConfig{Users: 3_000, Poison: 0.01, PauseEvery: 5_000}},
		"few users, sessions merge": {partitions: 2,
			cfg: funnel.Config{Gap: 3 * time.Second, Grace: 5 * time.Second,
				Within: 20 * time.Second},
			load: funnel.LoadConfig{Users: 60, Visitors: 10, Skew: 1.1, Rate: 20, Disorder: 0.4,
				Straggle: 0.1, Late: 0.02}},
		// Whole seconds, or just beside: the edges of gap, grace and within are hit all the time.
		"on the edges": {partitions: 1,
			cfg: funnel.Config{Gap: 4 * time.Second, Grace: 3 * time.Second,
				Within: 8 * time.Second},
			load: funnel.LoadConfig{Users: 40, Visitors: 8, Rate: 12, Grain: time.Second,
				Disorder: 0.4, Straggle: 0.2, Late: 0.05, Clicks: 0.8}},
		"no grace, in order": {partitions: 1,
			cfg: funnel.Config{Gap: 2 * time.Second, Grace: -1, Within: 5 * time.Second,
				MaxOutOfOrderness: -1},
			load: funnel.LoadConfig{Users: 100, Visitors: 20, Rate: 30, Grain: 500 *
				time.Millisecond, Late: 0.02}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, l.partitions)
			const count = 20_000
			l.load.Seed = 5
			l.load.Start = time.Now().Add(-2 * time.Hour)
			r.produce(t, l.load, count)
			report := r.drain(t, t.TempDir())
			pipelinetest.Match(t, report, count, count/50, 1)
		})
	}
}

// TestRestartGoesOn stops the instance within sessions and lets another one go on, with the state
// on disk and without.
func TestRestartGoesOn(t *testing.T) {
	r := newRig(t, funnel.Config{Gap: 5 * time.Second, Within: 30 * time.Second}, 2)
	start := time.Now().Add(-time.Hour)
	dirs := []string{t.TempDir(), t.TempDir()}
	for phase, dir := range []string{dirs[0], dirs[0], dirs[1]} {
		r.produce(t, funnel.LoadConfig{Seed: uint64(phase), Users: 50, Visitors: 20, Rate: 50,
			Start: start.Add(time.Duration(phase) * 41 * time.Second)}, 2_000)
		report := r.drain(t, dir)
		if report.Oracle != "match" || report.StateKeys == 0 {
			t.Fatalf("phase %d: %+v", phase, report)
		}
	}
}

// TestQuietInputClosesSessions sends what takes less event time than a session's gap: only idle
// ticks can close anything.
func TestQuietInputClosesSessions(t *testing.T) {
	r := newRig(t, funnel.Config{Gap: 2 * time.Second, Grace: -1, Within: time.Second,
		MaxOutOfOrderness: time.Second}, 2)
	r.Engine.IdleTimeout = 200 * time.Millisecond
	r.produce(t, funnel.LoadConfig{Seed: 9, Users: 500, Rate: 2_000, Late: -1,
		Start: time.Now().Add(-time.Hour)}, 2_000)
	report := r.drain(t, t.TempDir(), r.Holds(funnel.Conversions))
	if report.Oracle != "match" || report.RecordsOut < 100 {
		t.Errorf("%+v", report)
	}
}
