package fraud_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// rig runs the pipeline in the process.
type rig struct {
	*pipelinetest.Rig
	cfg fraud.Config
}

func newRig(t *testing.T, cfg fraud.Config, partitions int32) *rig {
	t.Helper()
	r := &rig{pipelinetest.NewRig(t, partitions, fraud.Transactions, fraud.LimitsTopic), cfg}
	r.Engine.MaxOutOfOrderness = cfg.MaxOutOfOrderness
	return r
}

// produce sends count transactions.
func (r *rig) produce(t *testing.T, load fraud.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	r.Load(t, fraud.NewGenerator(load), count)
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string, spec verify.Spec) *verify.Report {
	t.Helper()
	return r.Drain(t, dir, fraud.New(r.cfg), spec)
}

// TestPipelineMatchesOracle runs generated load of every kind through the engine.
func TestPipelineMatchesOracle(t *testing.T) {
	loads := map[string]struct {
		cfg  fraud.Config
		load fraud.LoadConfig
	}{
		"many users": {load: fraud.LoadConfig{Users: 3_000, Poison: 0.01, LimitsEvery: 50}},
		"few hot users": {load: fraud.LoadConfig{Users: 40, Skew: 1.2, Rate: 2_000,
			LimitsEvery: 200}},
		"short span, users come and go": {cfg: fraud.Config{Span: 2 * time.Second,
			Grace: 500 * time.Millisecond, NoDecisions: true, MaxTotalCents: 100_000},
			load: fraud.LoadConfig{Users: 3_000, Rate: 500, Bursts: 0.02}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, 2)
			const count = 30_000
			l.load.Seed = 5
			l.load.Start = time.Now().Add(-time.Hour)
			r.produce(t, l.load, count)
			report := r.drain(t, t.TempDir(), fraud.Spec(l.cfg))
			pipelinetest.Match(t, report, count, 1, 1)
		})
	}
}

// TestStateHoldsOnlyTheLiving counts what is really in the changelog once users have gone idle:
// one entry and one timer for each user with a transaction that can still matter.
func TestStateHoldsOnlyTheLiving(t *testing.T) {
	cfg := fraud.Config{Span: 2 * time.Second, Grace: 500 * time.Millisecond}
	r := newRig(t, cfg, 1)
	r.produce(t, fraud.LoadConfig{Seed: 3, Users: 20_000, Rate: 500,
		Start: time.Now().Add(-time.Hour)}, 20_000)
	spec := fraud.Spec(cfg)
	canonical := spec.Canonical
	spec.Canonical = func(ctx context.Context, state map[string][]byte, res *schemas.Resolver,
		watermark int64,
	) (map[string]any, error) {
		out, err := canonical(ctx, state, res, watermark)
		living := 0
		for name := range out {
			if strings.HasPrefix(name, fraud.VelocityTable+"/") {
				living++
			}
		}
		for _, table := range []string{fraud.VelocityTable, "timers-expiry"} {
			n := 0
			for key := range state {
				if strings.HasPrefix(key, string(statestore.Key(nil).String(table))) {
					n++
				}
			}
			if n != living || n < 500 || n > 3_000 {
				t.Errorf("table %s has %d keys, %d users are living", table, n, living)
			}
		}
		return out, err
	}
	if report := r.drain(t, t.TempDir(), spec); report.Oracle != "match" {
		t.Errorf("%+v", report)
	}
}

// TestLateLimits gives limits with old timestamps to instances that have gone past them. The order
// in which they were taken is no longer that of the timestamps; the oracle follows the ticks.
func TestLateLimits(t *testing.T) {
	r := newRig(t, fraud.Config{}, 2)
	dir := t.TempDir()
	start := time.Now().Add(-2 * time.Hour)
	for phase, load := range []fraud.LoadConfig{
		{Start: start.Add(time.Hour), LimitsEvery: -1},
		{Start: start, LimitsEvery: 2}, // its transactions are late, its limits too
		{Start: start.Add(time.Hour + time.Second), LimitsEvery: 3},
	} {
		load.Seed, load.Users, load.Rate = uint64(phase), 50, 1_000
		r.produce(t, load, 2_000)
		report := r.drain(t, dir, fraud.Spec(r.cfg))
		if report.Oracle != "match" {
			t.Fatalf("phase %d: %+v", phase, report)
		}
		if n := r.deviations(t); (n > 0) != (phase > 0) {
			t.Errorf("phase %d: %d records are logged as taken out of order", phase, n)
		}
	}
}

// deviations counts the records logged as taken out of order.
func (r *rig) deviations(t *testing.T) (n int) {
	t.Helper()
	for _, tick := range pipelinetest.Values(t, r.Rig, "rig-ticks", record.TickType()) {
		if tick.Kind == record.TickDeviation {
			n++
		}
	}
	return n
}
