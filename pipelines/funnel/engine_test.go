package funnel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/funnel"
	"pawl/processor"
	"pawl/schemas"
)

// rig is a broker and a registry in the process, with the pipeline's input topics.
type rig struct {
	opts     []kgo.Opt
	addrs    []string
	registry *schemas.Memory
	cfg      funnel.Config
	idle     time.Duration
}

func newRig(t *testing.T, cfg funnel.Config, partitions int32) *rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions,
		funnel.UserEvents, funnel.AdClicks),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &rig{opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, addrs: c.ListenAddrs(),
		registry: schemas.NewMemory(), cfg: cfg, idle: -1}
}

// produce sends count events, and the clicks that come with them.
func (r *rig) produce(t *testing.T, load funnel.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	_, err := loadgen.Run(context.Background(), loadgen.Config{
		Generator: funnel.NewGenerator(load), Options: r.opts, Registry: r.registry, Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// drain runs one instance until all input is committed and until says so, then lets the oracle
// judge.
func (r *rig) drain(t *testing.T, dir string,
	until func(*verify.Kafka) (bool, error),
) *verify.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in, err := processor.Start(ctx, processor.Config{ApplicationID: "rig", Brokers: r.addrs,
		Registry: r.registry, StateDir: dir, MaxOutOfOrderness: r.cfg.MaxOutOfOrderness,
		IdleTimeout: r.idle}, funnel.New(r.cfg))
	if err != nil {
		t.Fatal(err)
	}
	kafka, err := verify.NewKafka("rig", r.opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	await(t, in, func() (bool, error) {
		lag, err := kafka.Lag(ctx, funnel.UserEvents, funnel.AdClicks)
		if err != nil || lag > 0 || until == nil {
			return lag == 0, err
		}
		return until(kafka)
	})
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Check(ctx, verify.Options{Spec: funnel.Spec(r.cfg), ApplicationID: "rig",
		Source: kafka, Registry: r.registry})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// await polls until done says so.
func await(t *testing.T, in *processor.Instance, done func() (bool, error)) {
	t.Helper()
	limit := time.After(2 * time.Minute)
	for {
		ok, err := done()
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-in.Done():
			t.Fatal(errors.Join(errors.New("the instance ended"), in.Wait()))
		case <-limit:
			t.Fatal("the input is not processed after two minutes")
		case <-time.After(50 * time.Millisecond):
		}
	}
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
			report := r.drain(t, t.TempDir(), nil)
			if report.Oracle != "match" {
				t.Errorf("%+v", report)
			}
			if report.RecordsIn < count || report.RecordsOut < count/50 ||
				report.StateKeys == 0 || report.DeadLettered == 0 || report.Late == 0 {
				t.Errorf("the run was no test: %+v", report)
			}
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
		report := r.drain(t, dir, nil)
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
	r.idle = 200 * time.Millisecond
	r.produce(t, funnel.LoadConfig{Seed: 9, Users: 500, Rate: 2_000, Late: -1,
		Start: time.Now().Add(-time.Hour)}, 2_000)
	report := r.drain(t, t.TempDir(), func(kafka *verify.Kafka) (bool, error) {
		bounds, err := kafka.Bounds(context.Background(), funnel.Conversions)
		closed := len(bounds) > 0
		for _, b := range bounds {
			closed = closed && b.To > b.From
		}
		return closed, err
	})
	if report.Oracle != "match" || report.RecordsOut < 100 {
		t.Errorf("%+v", report)
	}
}
