package iot

import (
	"math"

	schema "pawl/schemas/iot"
)

// summary is the oracle's SensorStats of the readings in a window that ends with r.
func summary(cfg *Config, r *schema.SensorReading, window []Kept) schema.SensorStats {
	mean := func(list []Kept, value func(schema.Sample) float64) float64 {
		sum := 0.0
		for _, k := range list {
			sum += value(k.Sample)
		}
		return sum / float64(len(list))
	}
	temperature := func(s schema.Sample) float64 { return s.Temperature }
	out := schema.SensorStats{SensorID: r.SensorID, WindowStart: r.Timestamp.Add(-cfg.Span),
		WindowEnd: r.Timestamp, Count: int64(len(window)), MinBattery: math.Inf(1),
		AvgTemperature: mean(window, temperature), TemperatureTrend: "STABLE",
		AvgHumidity: mean(window, func(s schema.Sample) float64 { return s.Humidity }),
		AvgPressure: mean(window, func(s schema.Sample) float64 { return s.Pressure })}
	for _, k := range window {
		out.MinBattery = min(out.MinBattery, k.Sample.Battery)
	}
	if n := len(window); n >= 6 {
		first, last := mean(window[:3], temperature), mean(window[n-3:], temperature)
		moved, enough := (last-first)/math.Abs(first), max(cfg.TrendThreshold, 0)
		if first != 0 && moved > enough {
			out.TemperatureTrend = "INCREASING"
		} else if first != 0 && moved < -enough {
			out.TemperatureTrend = "DECREASING"
		}
	}
	return out
}
