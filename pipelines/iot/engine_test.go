package iot_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/iot"
	"pawl/pipelines/iot/devices"
	"pawl/processor"
	"pawl/schemas"
)

// rig is a broker and a registry in the process, with the pipeline's input topic.
type rig struct {
	opts     []kgo.Opt
	addrs    []string
	registry *schemas.Memory
	cfg      iot.Config
}

func newRig(t *testing.T, cfg iot.Config, partitions int32) *rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions,
		iot.Sensors),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return &rig{opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, addrs: c.ListenAddrs(),
		registry: schemas.NewMemory(), cfg: cfg}
}

// produce sends count readings.
func (r *rig) produce(t *testing.T, load iot.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	_, err := loadgen.Run(context.Background(), loadgen.Config{Generator: iot.NewGenerator(load),
		Options: r.opts, Registry: r.registry, Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string, spec verify.Spec) *verify.Report {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in, err := processor.Start(ctx, processor.Config{ApplicationID: "rig", Brokers: r.addrs,
		Registry: r.registry, StateDir: dir, MaxOutOfOrderness: r.cfg.MaxOutOfOrderness,
		MaxFutureSkew: r.cfg.MaxFutureSkew}, iot.New(r.cfg))
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
	report, err := verify.Check(ctx, verify.Options{Spec: spec, ApplicationID: "rig",
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
		lag, err := kafka.Lag(ctx, iot.Sensors)
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
	service := httptest.NewServer(devices.NewService())
	t.Cleanup(service.Close)
	client, err := devices.NewClient(devices.ClientConfig{URL: service.URL})
	if err != nil {
		t.Fatal(err)
	}
	loads := map[string]struct {
		cfg  iot.Config
		load iot.LoadConfig
	}{
		"defaults": {load: iot.LoadConfig{Sensors: 200, Rate: 50, PauseEvery: 12_000}},
		"short spans, many sensors come and go": {cfg: iot.Config{Span: 2 * time.Second,
			Grace: 500 * time.Millisecond, EmitInterval: 100 * time.Millisecond,
			AlertRepeat: time.Second, TrendThreshold: 0.005},
			load: iot.LoadConfig{Sensors: 2_000, Skew: 0.8, Rate: 1_000, Straggle: 0.1,
				PauseEvery: 4_000, Anomalies: 0.05}},
		"no intervals, few hot sensors": {cfg: iot.Config{Span: 10 * time.Second, Grace: -1,
			EmitInterval: -1, AlertRepeat: -1, MaxOutOfOrderness: 300 * time.Millisecond,
			Limits: iot.Limits{TemperatureMin: 19, TemperatureMax: 30, HumidityMax: 60}},
			load: iot.LoadConfig{Sensors: 10, Rate: 100, Ties: 0.2, Disorder: 0.5}},
		"alerts outlive windows, with devices": {cfg: iot.Config{Span: 4 * time.Second,
			EmitInterval: 4 * time.Second, AlertRepeat: 30 * time.Second, Known: devices.Of,
			Devices: client.Find},
			load: iot.LoadConfig{Sensors: 300, Rate: 200, Anomalies: 0.02, Straggle: 0.1}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, 2)
			const count = 20_000
			l.load.Seed = 5
			l.load.Poison = 0.01
			l.load.Start = time.Now().Add(-time.Hour)
			r.produce(t, l.load, count)
			report := r.drain(t, t.TempDir(), iot.Spec(l.cfg))
			if report.Oracle != "match" {
				t.Errorf("%+v", report)
			}
			if report.RecordsIn < count || report.RecordsOut < count || report.StateKeys == 0 ||
				report.DeadLettered == 0 || report.Late == 0 {
				t.Errorf("the run was no test: %+v", report)
			}
		})
	}
}

// TestScriptMatchesOracle runs testdata/oracle.txt through the engine: the edge of every rule.
func TestScriptMatchesOracle(t *testing.T) {
	t.Parallel()
	r := newRig(t, scriptConfig(), 1)
	s := newScript(t, r.registry)
	client, err := kgo.NewClient(r.opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lines := scriptLines(t)
	var recs []*kgo.Record
	for _, line := range lines {
		record, _, _ := strings.Cut(line, "->")
		in := s.input(t, strings.Fields(record))
		recs = append(recs, &kgo.Record{Topic: in.Topic, Key: in.Key, Value: in.Value,
			Timestamp: time.UnixMilli(in.Timestamp)})
	}
	if err := client.ProduceSync(t.Context(), recs...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	report := r.drain(t, t.TempDir(), iot.Spec(r.cfg))
	if report.Oracle != "match" || report.RecordsIn != int64(len(lines)) {
		t.Errorf("%+v", report)
	}
}
