package iot

import (
	"math"
	"time"

	"pawl/processor"
	schema "pawl/schemas/iot"
	"pawl/schemas/record"
	"pawl/statestore"
)

// alarms raises the alerts, and remembers them while they can be repeated.
type alarms struct {
	cfg    Config
	out    *processor.Out[schema.SensorAlert]
	last   *processor.Table[record.Timer]
	timers *processor.Timers
	raised *processor.Counter
}

func newAlarms(p *processor.Pipeline, cfg Config) *alarms {
	a := &alarms{cfg: cfg, out: processor.Output(p, Alerts, schema.SensorAlertType())}
	a.last = processor.Keyed(p, AlertsTable, record.TimerType())
	a.timers = processor.NewTimers(p, "alerts", a.forget)
	a.raised = processor.Count(p, AlertsCounter,
		"Anomalies of sensors that raised an alert, by type.", "type",
		schema.AlertTemperature, schema.AlertHumidity, schema.AlertBattery)
	return a
}

// judge compares a reading with the limits.
func (a *alarms) judge(ctx *processor.Context, r schema.SensorReading) error {
	l := &a.cfg.Limits
	switch {
	case r.Temperature > l.TemperatureMax:
		a.raise(ctx, schema.AlertTemperature, schema.SeverityHigh, r.Temperature, l.TemperatureMax)
	case r.Temperature < l.TemperatureMin:
		a.raise(ctx, schema.AlertTemperature, schema.SeverityHigh, r.Temperature, l.TemperatureMin)
	}
	if r.Humidity > l.HumidityMax {
		a.raise(ctx, schema.AlertHumidity, schema.SeverityMedium, r.Humidity, l.HumidityMax)
	}
	if r.BatteryLevel < l.BatteryMin {
		a.raise(ctx, schema.AlertBattery, schema.SeverityMedium, r.BatteryLevel, l.BatteryMin)
	}
	return nil
}

// raise emits an alert, unless it would repeat one. One that arrives after a later one repeats it
// too: the later one has told already.
func (a *alarms) raise(ctx *processor.Context, typ, severity string, value, threshold float64) {
	sensor, at := ctx.Key(), ctx.Time().UnixMilli()
	if repeat := a.cfg.AlertRepeat.Milliseconds(); repeat > 0 {
		key := alertKey(sensor, typ)
		if last, known := a.last.GetAt(ctx, key); known && at-last.At < repeat {
			return
		}
		a.last.SetAt(ctx, key, record.Timer{At: at})
		a.timers.Set(ctx, time.UnixMilli(at+min(a.cfg.quiet(), math.MaxInt64-at)))
	}
	a.raised.Inc(ctx, typ)
	a.out.Emit(ctx, sensor, schema.SensorAlert{SensorID: sensor, Timestamp: ctx.Time(), Type: typ,
		Severity: severity, Value: value, Threshold: threshold})
}

// forget is the timer's handler. A sensor's alerts of several types may share a timer, and an
// alert that was raised again since has another one.
func (a *alarms) forget(ctx *processor.Context) error {
	for _, typ := range [...]string{schema.AlertTemperature, schema.AlertHumidity,
		schema.AlertBattery} {
		key := alertKey(ctx.Key(), typ)
		last, known := a.last.GetAt(ctx, key)
		if known && ctx.Time().UnixMilli()-last.At >= a.cfg.quiet() {
			a.last.DeleteAt(ctx, key)
		}
	}
	return nil
}

func alertKey(sensor, typ string) statestore.Key {
	return statestore.Key(nil).String(sensor).String(typ)
}
