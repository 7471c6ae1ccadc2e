package fraud_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/processor"
	"pawl/schemas"
)

// rig is a broker and a registry in the process, with the pipeline's input topics.
type rig struct {
	opts     []kgo.Opt
	addrs    []string
	registry *schemas.Memory
	cfg      fraud.Config
}

func newRig(t *testing.T, cfg fraud.Config, partitions int32) *rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions,
		fraud.Transactions, fraud.LimitsTopic),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &rig{opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, addrs: c.ListenAddrs(),
		registry: schemas.NewMemory(), cfg: cfg}
}

// produce sends count transactions.
func (r *rig) produce(t *testing.T, load fraud.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	_, err := loadgen.Run(context.Background(), loadgen.Config{Generator: fraud.NewGenerator(load),
		Options: r.opts, Registry: r.registry, Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string) *verify.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in, err := processor.Start(ctx, processor.Config{ApplicationID: "rig", Brokers: r.addrs,
		Registry: r.registry, StateDir: dir, MaxOutOfOrderness: r.cfg.MaxOutOfOrderness},
		fraud.New(r.cfg))
	if err != nil {
		t.Fatal(err)
	}
	r.await(t, in)
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
	kafka, err := verify.NewKafka("rig", r.opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	report, err := verify.Check(ctx, verify.Options{Spec: fraud.Spec(r.cfg), ApplicationID: "rig",
		Source: kafka, Registry: r.registry})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// await waits until the group has committed the ends of all inputs.
func (r *rig) await(t *testing.T, in *processor.Instance) {
	t.Helper()
	kafka, err := verify.NewKafka("rig", r.opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		lag, err := kafka.Lag(ctx, fraud.Transactions, fraud.LimitsTopic)
		if err != nil {
			t.Fatal(err)
		}
		if lag == 0 {
			return
		}
		select {
		case <-in.Done():
			t.Fatal(errors.Join(errors.New("the instance ended"), in.Wait()))
		case <-ctx.Done():
			t.Fatalf("%d records are not processed after a minute", lag)
		case <-time.After(50 * time.Millisecond):
		}
	}
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
			report := r.drain(t, t.TempDir())
			if report.Oracle != "match" {
				t.Errorf("%+v", report)
			}
			if report.RecordsIn < count || report.RecordsOut == 0 || report.StateKeys == 0 ||
				report.DeadLettered == 0 || report.Late == 0 {
				t.Errorf("the run was no test: %+v", report)
			}
		})
	}
}
