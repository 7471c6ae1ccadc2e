package iot

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/iot"
)

// Oracle is the meaning of the pipeline for one task, as plainly as it can be said: for each
// sensor a list of readings in order of time, and a loop over a stretch of it. It shares nothing
// with the pipeline but the schemas and the settings. It implements verify.Model.
type Oracle struct {
	cfg       Config
	resolver  *schemas.Resolver
	readings  *schemas.Decoder[schema.SensorReading]
	sensors   map[string]*history
	watermark int64 // ms; the least int64 before the first reading
}

// Kept is a reading in the state.
type Kept struct {
	At     int64 // ms
	Input  int64 // which input it stands on
	Offset int64 // and where
	Sample schema.Sample
}

// history is what is known of one sensor.
type history struct {
	kept   []Kept // by time; equal ones in order of arrival
	last   int64  // when statistics were last emitted; counts while there are readings
	raised map[string]int64
}

// NewOracle returns the oracle of one task; r finds the schemas of its records.
func NewOracle(cfg Config, r *schemas.Resolver) *Oracle {
	cfg.EnsureDefaults()
	return &Oracle{cfg: cfg, resolver: r,
		readings: schemas.NewDecoder(schema.SensorReadingType(), r),
		sensors:  make(map[string]*history), watermark: math.MinInt64}
}

// Idle implements verify.Model. No timer of the pipeline has an output.
func (o *Oracle) Idle(watermark int64) []verify.Output {
	o.watermark = max(o.watermark, watermark)
	return nil
}

// Watermark implements verify.Model.
func (o *Oracle) Watermark() int64 { return o.watermark }

func dead(exception string) verify.Outcome {
	return verify.Outcome{Fate: verify.Dead, Exception: exception}
}

// Feed implements verify.Model, in the order of the contract.
func (o *Oracle) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	if in.Topic != Sensors {
		return verify.Outcome{}, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
	}
	if in.Value == nil {
		return dead("NullValue"), nil
	}
	var r schema.SensorReading
	exception, err := verify.Read(ctx, o.resolver, o.readings, in.Value, &r)
	if err != nil || exception != "" {
		return dead(exception), err
	}
	at := r.Timestamp.UnixMilli()
	switch {
	case len(in.Key) == 0:
		return dead("MissingKey"), nil
	case string(in.Key) != r.SensorID:
		return dead("KeyMismatch"), nil
	case absurd(&r):
		return dead("Rejected"), nil
	case at < 0:
		return dead("InvalidTimestamp"), nil
	case at > in.Timestamp+o.cfg.MaxFutureSkew.Milliseconds():
		return dead("FutureTimestamp"), nil
	case o.watermark != math.MinInt64 && at < o.watermark-o.cfg.Grace.Milliseconds():
		return verify.Outcome{Fate: verify.Late, Window: Window}, nil
	}
	h := o.sensors[r.SensorID]
	if h == nil {
		h = &history{raised: make(map[string]int64)}
		o.sensors[r.SensorID] = h
	}
	o.forget(h)
	o.watermark = max(o.watermark, at-o.cfg.MaxOutOfOrderness.Milliseconds())
	out := append(o.alerts(h, &r, at), o.processed(&r, at))
	first := len(h.kept) == 0
	h.add(Kept{At: at, Offset: in.Offset, Sample: schema.Sample{Temperature: r.Temperature,
		Humidity: r.Humidity, Pressure: r.Pressure, Battery: r.BatteryLevel}})
	emit := o.cfg.EmitInterval.Milliseconds()
	if first || emit == 0 || at >= h.last+emit {
		h.last = at
		out = append(out, verify.Output{Topic: Stats, Key: r.SensorID, Timestamp: at,
			Value: summary(&o.cfg, &r, h.between(at-o.cfg.Span.Milliseconds(), at))})
	}
	return verify.Outcome{Outputs: out}, nil
}

// absurd says whether a reading holds what cannot be measured.
func absurd(r *schema.SensorReading) bool {
	outside := func(v, low, high float64) bool { return math.IsNaN(v) || v < low || v > high }
	return outside(r.Temperature, -273.15, 1000) || outside(r.Humidity, 0, 100) ||
		outside(r.Pressure, math.SmallestNonzeroFloat64, 1e9) ||
		outside(r.Location.Latitude, -90, 90) || outside(r.Location.Longitude, -180, 180) ||
		outside(r.BatteryLevel, 0, 1)
}

// forget drops what the watermark has passed.
func (o *Oracle) forget(h *history) {
	if o.watermark == math.MinInt64 {
		return
	}
	h.kept = h.kept[h.above(o.watermark-o.cfg.retention()):]
	for typ, at := range h.raised {
		if at+o.cfg.quiet() <= o.watermark {
			delete(h.raised, typ)
		}
	}
}

// alerts are what a reading raises.
func (o *Oracle) alerts(h *history, r *schema.SensorReading, at int64) []verify.Output {
	var out []verify.Output
	limits, repeat := o.cfg.Limits, o.cfg.AlertRepeat.Milliseconds()
	for _, a := range []struct {
		anomaly          bool
		typ, severity    string
		value, threshold float64
	}{
		{r.Temperature > limits.TemperatureMax, "TEMPERATURE_OUT_OF_RANGE", "HIGH", r.Temperature,
			limits.TemperatureMax},
		{r.Temperature < limits.TemperatureMin, "TEMPERATURE_OUT_OF_RANGE", "HIGH", r.Temperature,
			limits.TemperatureMin},
		{r.Humidity > limits.HumidityMax, "HIGH_HUMIDITY", "MEDIUM", r.Humidity,
			limits.HumidityMax},
		{r.BatteryLevel < limits.BatteryMin, "LOW_BATTERY", "MEDIUM", r.BatteryLevel,
			limits.BatteryMin},
	} {
		if last, known := h.raised[a.typ]; !a.anomaly || known && at < last+repeat {
			continue
		}
		if repeat > 0 {
			h.raised[a.typ] = at
		}
		out = append(out, verify.Output{Topic: Alerts, Key: r.SensorID, Timestamp: at,
			Value: schema.SensorAlert{SensorID: r.SensorID, Timestamp: r.Timestamp, Type: a.typ,
				Severity: a.severity, Value: a.value, Threshold: a.threshold}})
	}
	return out
}

// processed is the reading with its device.
func (o *Oracle) processed(r *schema.SensorReading, at int64) verify.Output {
	v := schema.ProcessedReading{SensorID: r.SensorID, Timestamp: r.Timestamp,
		Temperature: r.Temperature, Humidity: r.Humidity, Pressure: r.Pressure,
		Location: r.Location, BatteryLevel: r.BatteryLevel}
	if o.cfg.Known != nil {
		if d, known := o.cfg.Known(r.SensorID); known {
			v.Model, v.Firmware, v.Site, v.Enriched = d.Model, d.Firmware, d.Site, true
		}
	}
	return verify.Output{Topic: Processed, Key: r.SensorID, Timestamp: at, Value: v}
}

// State implements verify.Model.
func (o *Oracle) State() map[string]any {
	state := make(map[string]any)
	for sensor, h := range o.sensors {
		o.forget(h)
		if len(h.kept) > 0 {
			state[Window+"/"+sensor] = h.kept
			if o.cfg.EmitInterval > 0 {
				state[LastTable+"/"+sensor] = h.last
			}
		}
		for typ, at := range h.raised {
			state[AlertsTable+"/"+sensor+"/"+typ] = at
		}
	}
	return state
}

// above is the index of the first reading later than t.
func (h *history) above(t int64) int {
	i, _ := slices.BinarySearchFunc(h.kept, t, func(k Kept, t int64) int {
		if k.At == t {
			return -1
		}
		return cmp.Compare(k.At, t)
	})
	return i
}

// add puts a reading in its place.
func (h *history) add(k Kept) { h.kept = slices.Insert(h.kept, h.above(k.At), k) }

// between are the readings in (from, to].
func (h *history) between(from, to int64) []Kept { return h.kept[h.above(from):h.above(to)] }
