package iot_test

import (
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/iot"
	"pawl/schemas"
	schema "pawl/schemas/iot"
)

func load(seed uint64) iot.LoadConfig {
	return iot.LoadConfig{Seed: seed, Sensors: 500, Start: time.UnixMilli(1_790_000_000_000),
		Rate: 100, Poison: 0.02, PauseEvery: 30_000}
}

// TestGeneratorIsDeterministic compares two runs of a seed, and another seed.
func TestGeneratorIsDeterministic(t *testing.T) {
	t.Parallel()
	pipelinetest.Deterministic(t, 5_000, func(seed uint64) loadgen.Generator {
		return iot.NewGenerator(load(seed))
	})
}

// judged counts what the oracle makes of generated records.
type judged struct {
	seen      map[string]int
	repeats   int // anomalies that raise no alert
	outside   int // sound values that should be in the plain range, but are not
	anomalies int // readings
	ended     int // most windows that ended between two readings
}

func judge(t *testing.T, cfg iot.LoadConfig, records int) *judged {
	t.Helper()
	j := new(judged)
	var o *iot.Oracle
	model := func(r *schemas.Resolver) verify.Model {
		o = iot.NewOracle(cfg.Pipeline, r)
		return o
	}
	living, n := 0, 0
	tell := func(seen map[string]int, _ loadgen.Record, out verify.Outcome) {
		j.seen = seen
		if len(out.Outputs) == 0 {
			seen[outcome(out)]++
		}
		j.outputs(out.Outputs)
		if n%1000 == 0 {
			was := living
			living = len(o.State())
			j.ended = max(j.ended, was-living)
		}
		n++
	}
	pipelinetest.Judge(t, iot.NewGenerator(cfg), model, records, tell)
	return j
}

func (j *judged) outputs(outputs []verify.Output) {
	alerts := 0
	for _, out := range outputs {
		switch v := out.Value.(type) {
		case schema.SensorAlert:
			j.seen[v.Type]++
			alerts++
		case schema.SensorStats:
			j.seen[v.TemperatureTrend]++
		case schema.ProcessedReading:
			wrong := 0
			for _, anomaly := range []bool{v.Temperature > 40 || v.Temperature < 0,
				v.Humidity > 90, v.BatteryLevel < 0.2} {
				if anomaly {
					wrong++
				}
			}
			if wrong > 0 {
				j.anomalies++
			}
			if wrong > alerts {
				j.repeats++
			}
			if wrong == 0 && (v.Temperature < 18 || v.Temperature > 35 || v.Humidity < 30 ||
				v.Humidity > 80 || v.Pressure < 1000 || v.Pressure > 1020) {
				j.outside++
			}
		}
	}
}

// TestGeneratorMakesEverything lets the oracle judge generated records: every kind of fault, every
// alert and trend, late readings and ends of windows are among them.
func TestGeneratorMakesEverything(t *testing.T) {
	t.Parallel()
	const records = 100_000
	j := judge(t, load(1), records)
	pipelinetest.AtLeast(t, j.seen, 20, "INCREASING", "DECREASING", "STABLE",
		"TEMPERATURE_OUT_OF_RANGE", "HIGH_HUMIDITY", "LOW_BATTERY", "late sensor",
		"dead DecodeError", "dead UnknownSchema", "dead IncompatibleSchema", "dead NullValue",
		"dead MissingKey", "dead KeyMismatch", "dead Rejected", "dead FutureTimestamp",
		"dead InvalidTimestamp")
	pipelinetest.FewLate(t, j.seen["late sensor"], records)
	if j.repeats < 100 || j.ended < 300 || j.outside > 0 || j.anomalies > records/3 {
		t.Errorf("%d anomalies raise no alert, %d windows ended at a time, %d values are neither "+
			"plain nor an anomaly, %d anomalies", j.repeats, j.ended, j.outside, j.anomalies)
	}
}

// TestGeneratorLeavesOut makes only sound readings in order when it is told to, under one schema.
func TestGeneratorLeavesOut(t *testing.T) {
	t.Parallel()
	cfg := load(2)
	cfg.Poison, cfg.Late, cfg.Straggle, cfg.Disorder, cfg.Anomalies = -1, -1, -1, -1, -1
	cfg.PauseEvery = 0
	j := judge(t, cfg, 20_000)
	for kind, n := range j.seen {
		switch kind {
		case "INCREASING", "DECREASING", "STABLE", "LOW_BATTERY":
		default:
			t.Errorf("%d of %q", n, kind)
		}
	}
	if list := iot.NewGenerator(cfg).Schemas(); len(list) != 1 || list[0].Topic != iot.Sensors {
		t.Errorf("schemas of %v", list)
	}
}

// TestSensorsFallSilent wants sensors to leave gaps that their windows end in.
func TestSensorsFallSilent(t *testing.T) {
	t.Parallel()
	cfg := load(3)
	cfg.PauseEvery, cfg.Poison, cfg.Pipeline.Span = 0, -1, 10*time.Second
	g, _ := pipelinetest.Bound(t, iot.NewGenerator(cfg))
	last, silent := make(map[string]int64), make(map[string]bool)
	for range 20_000 { // 200 s, in which a sensor has a reading every 5 s
		rec := g.Next()
		sensor := string(rec.Key)
		if at, known := last[sensor]; known && rec.Timestamp-at >= 40_000 {
			silent[sensor] = true
		}
		last[sensor] = rec.Timestamp
	}
	if len(last) != 500 || len(silent) < 150 || len(silent) > 400 {
		t.Errorf("of %d sensors %d were silent for twice their span and grace", len(last),
			len(silent))
	}
}
