package iot

import (
	"iter"
	"math"
	"time"

	"pawl/processor"
	schema "pawl/schemas/iot"
)

// statistics sums up a sensor's window.
type statistics struct {
	cfg Config
	out *processor.Out[schema.SensorStats]
}

func newStatistics(p *processor.Pipeline, cfg Config) processor.Handler[schema.Sample] {
	s := &statistics{cfg: cfg, out: processor.Output(p, Stats, schema.SensorStatsType())}
	return processor.Sliding(p, Window, processor.SlidingWindow{Span: cfg.Span,
		Grace: max(cfg.Grace, 0), EmitEvery: max(cfg.EmitInterval, 0)}, schema.SampleType(), s.emit)
}

// sampleOf is what is kept of a reading.
func sampleOf(r schema.SensorReading) schema.Sample {
	return schema.Sample{Temperature: r.Temperature, Humidity: r.Humidity, Pressure: r.Pressure,
		Battery: r.BatteryLevel}
}

func (s *statistics) emit(ctx *processor.Context, span processor.Span,
	values iter.Seq2[time.Time, schema.Sample],
) error {
	var w sums
	for _, v := range values {
		w.add(v)
	}
	n := float64(w.count) // at least 1: the reading that led here
	s.out.Emit(ctx, ctx.Key(), schema.SensorStats{SensorID: ctx.Key(), WindowStart: span.Start,
		WindowEnd: span.End, Count: w.count, AvgTemperature: w.temperature / n,
		AvgHumidity: w.humidity / n, AvgPressure: w.pressure / n, MinBattery: w.battery,
		TemperatureTrend: w.trend(max(s.cfg.TrendThreshold, 0))})
	return nil
}

// trendSize is how many readings each end of a trend is the mean of.
const trendSize = 3

// sums is a window added up, reading by reading in the order of the window.
type sums struct {
	count       int64
	temperature float64
	humidity    float64
	pressure    float64
	battery     float64 // the least
	first       [trendSize]float64
	last        [trendSize]float64 // of reading n at n modulo trendSize
}

func (w *sums) add(v schema.Sample) {
	if w.count < trendSize {
		w.first[w.count] = v.Temperature
	}
	if w.count == 0 {
		w.battery = v.Battery
	}
	w.last[w.count%trendSize] = v.Temperature
	w.count++
	w.temperature += v.Temperature
	w.humidity += v.Humidity
	w.pressure += v.Pressure
	w.battery = min(w.battery, v.Battery)
}

// trend compares the means of the last and the first readings, which must not overlap.
func (w *sums) trend(threshold float64) string {
	if w.count < 2*trendSize {
		return schema.TrendStable
	}
	var first, last float64
	for i := range int64(trendSize) {
		first += w.first[i]
		last += w.last[(w.count+i)%trendSize]
	}
	first, last = first/trendSize, last/trendSize
	if first == 0 {
		return schema.TrendStable // there is no share of nothing
	}
	switch by := (last - first) / math.Abs(first); {
	case by > threshold:
		return schema.TrendIncreasing
	case by < -threshold:
		return schema.TrendDecreasing
	}
	return schema.TrendStable
}
