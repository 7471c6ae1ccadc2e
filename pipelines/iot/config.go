package iot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	schema "pawl/schemas/iot"
)

// Config holds the settings of the pipeline. The zero value of a field means its default, which
// EnsureDefaults fills in, however often it is called; Validate reports every fault at once.
type Config struct {
	// Span is the width of the statistics' window (iot.span). Default 5m.
	Span time.Duration
	// Grace is how far below the watermark a reading still counts (iot.grace). Default 10s;
	// negative means 0.
	Grace time.Duration
	// EmitInterval is the least event time between two statistics of a sensor
	// (iot.emit.interval). Default 30s; negative means 0: statistics for every reading.
	EmitInterval time.Duration
	// AlertRepeat is how long an alert keeps others of its sensor and type from being raised
	// (iot.alert.repeat). Default 5m; negative means 0: every anomaly is raised.
	AlertRepeat time.Duration
	// TrendThreshold is the share by which the temperature must move to be more than stable
	// (iot.trend.threshold). Default 0.02; negative means 0.
	TrendThreshold float64
	// Limits are what a reading may not go beyond. The zero Limits mean the defaults.
	Limits Limits
	// Devices finds the device behind a sensor, false when it has none; nil leaves all readings
	// without. It must give the same answer for the same sensor, as devices.Client.Find does.
	Devices func(ctx context.Context, sensor string) (d schema.Device, known bool, err error)
	// Known tells the oracle what Devices answers. Set both or none.
	Known func(sensor string) (schema.Device, bool)
	// MaxOutOfOrderness and MaxFutureSkew repeat the engine's settings of that name for the oracle
	// and the generator. Defaults 2s and 1h; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is explained at MaxOutOfOrderness.
	MaxFutureSkew time.Duration
}

// Limits are what a reading may reach, but not go beyond.
type Limits struct {
	// TemperatureMin and TemperatureMax are in degrees Celsius (iot.temperature.min, .max).
	// Defaults 0 and 40.
	TemperatureMin float64
	// TemperatureMax is explained at TemperatureMin.
	TemperatureMax float64
	// HumidityMax is in per cent (iot.humidity.max). Default 90.
	HumidityMax float64
	// BatteryMin is a share of a full one (iot.battery.min). Default 0.2.
	BatteryMin float64
}

const (
	minSpan = time.Second
	maxSpan = 7 * 24 * time.Hour
	// none is a duration that was given as 0, which alone would mean its default. It is 0 ms.
	none = time.Duration(-1)
)

// EnsureDefaults replaces zero values by their defaults.
func (c *Config) EnsureDefaults() {
	c.Span = cmp.Or(c.Span, 5*time.Minute)
	c.Grace = max(cmp.Or(c.Grace, 10*time.Second), none)
	c.EmitInterval = max(cmp.Or(c.EmitInterval, 30*time.Second), none)
	c.AlertRepeat = max(cmp.Or(c.AlertRepeat, 5*time.Minute), none)
	c.MaxOutOfOrderness = max(cmp.Or(c.MaxOutOfOrderness, 2*time.Second), none)
	c.MaxFutureSkew = max(cmp.Or(c.MaxFutureSkew, time.Hour), none)
	c.TrendThreshold = cmp.Or(c.TrendThreshold, 0.02)
	if c.Limits == (Limits{}) {
		c.Limits = Limits{TemperatureMax: 40, HumidityMax: 90, BatteryMin: 0.2}
	}
}

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	duration := func(key string, d, low, high time.Duration, why string) {
		if d = max(d, 0); d < low || d > high {
			fault(key, d, "out of range; give %v to %v%s", low, high, why)
		} else if d%time.Millisecond != 0 {
			fault(key, d, "finer than a millisecond; round it to milliseconds")
		}
	}
	number := func(key string, v, low, high float64) {
		if !(v >= low && v <= high) {
			fault(key, v, "out of range; give %v to %v", low, high)
		}
	}
	duration("iot.span", c.Span, minSpan, maxSpan, "")
	duration("iot.grace", c.Grace, 0, maxSpan, "")
	duration("iot.emit.interval", c.EmitInterval, 0, max(c.Span, minSpan),
		", which is iot.span")
	duration("iot.alert.repeat", c.AlertRepeat, 0, maxSpan, "")
	number("iot.trend.threshold", max(c.TrendThreshold, 0), 0, math.MaxFloat64)
	l := c.Limits
	number("iot.temperature.min", l.TemperatureMin, temperatureLow, temperatureHigh)
	number("iot.temperature.max", l.TemperatureMax, temperatureLow, temperatureHigh)
	if l.TemperatureMin >= l.TemperatureMax {
		fault("iot.temperature.min", l.TemperatureMin, "not below iot.temperature.max %v, so that "+
			"every reading is an anomaly; give less", l.TemperatureMax)
	}
	number("iot.humidity.max", l.HumidityMax, 0, humidityHigh)
	number("iot.battery.min", l.BatteryMin, 0, 1)
	return errors.Join(faults...)
}

// retention is how far below the watermark a reading can still be in a window, in ms.
func (c *Config) retention() int64 { return (max(c.Grace, 0) + c.Span).Milliseconds() }

// quiet is how long an alert is remembered, in ms of the watermark. A reading up to Grace below
// the watermark is still accepted, and must find what it would repeat.
func (c *Config) quiet() int64 {
	return max(c.AlertRepeat, 0).Milliseconds() + max(c.Grace, 0).Milliseconds()
}
