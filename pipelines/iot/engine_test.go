package iot_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/iot"
	"pawl/pipelines/iot/devices"
)

// rig runs the pipeline in the process.
type rig struct {
	*pipelinetest.Rig
	cfg iot.Config
}

func newRig(t *testing.T, cfg iot.Config, partitions int32) *rig {
	t.Helper()
	r := &rig{pipelinetest.NewRig(t, partitions, iot.Sensors), cfg}
	r.Engine.MaxOutOfOrderness = cfg.MaxOutOfOrderness
	r.Engine.MaxFutureSkew = cfg.MaxFutureSkew
	return r
}

// produce sends count readings.
func (r *rig) produce(t *testing.T, load iot.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	r.Load(t, iot.NewGenerator(load), count)
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string, spec verify.Spec) *verify.Report {
	t.Helper()
	return r.Drain(t, dir, iot.New(r.cfg), spec)
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
			pipelinetest.Match(t, report, count, count, 1)
		})
	}
}

// TestScriptMatchesOracle runs testdata/oracle.txt through the engine: the edge of every rule.
func TestScriptMatchesOracle(t *testing.T) {
	t.Parallel()
	r := newRig(t, scriptConfig(), 1)
	s := newScript(t, r.Registry)
	lines := pipelinetest.Lines(t, "testdata/oracle.txt", 100)
	var records []verify.Input
	for _, l := range lines {
		records = append(records, s.input(t, strings.Fields(l.Record)))
	}
	r.Send(t, records...)
	report := r.drain(t, t.TempDir(), iot.Spec(r.cfg))
	if report.Oracle != "match" || report.RecordsIn != int64(len(lines)) {
		t.Errorf("%+v", report)
	}
}
