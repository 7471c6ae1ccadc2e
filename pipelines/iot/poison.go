package iot

import (
	"math"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/iot"
)

// poisons are the ways in which a generated reading can be broken.
const (
	poisonTruncated = iota
	poisonTrailing
	poisonMagic
	poisonShort
	poisonUnknownSchema
	poisonOtherSchema
	poisonNullValue
	poisonNullKey
	poisonOtherKey
	poisonAbsurd
	poisonFuture
	poisonBeforeEpoch
	poisons
)

// poison makes a broken record of a sound reading.
func (g *Generator) poison(r schema.SensorReading, arrival int64) loadgen.Record {
	kind := g.rand.IntN(poisons)
	switch kind {
	case poisonAbsurd:
		g.spoil(&r)
	case poisonFuture:
		r.Timestamp = time.UnixMilli(arrival).Add(g.cfg.Pipeline.MaxFutureSkew + time.Second)
	case poisonBeforeEpoch:
		r.Timestamp = time.UnixMilli(-1 - g.rand.Int64N(1_000_000))
	}
	rec := g.reading(r, arrival)
	switch kind {
	case poisonTruncated:
		rec.Value = rec.Value[:5+g.rand.IntN(len(rec.Value)-5)]
	case poisonTrailing:
		rec.Value = append(rec.Value, 0)
	case poisonMagic:
		rec.Value[0] = 1
	case poisonShort:
		rec.Value = rec.Value[:g.rand.IntN(5)]
	case poisonUnknownSchema:
		copy(rec.Value[1:5], []byte{0x7f, 0xff, 0xff, 0x00})
	case poisonOtherSchema:
		rec.Value = loadgen.Encoded(&g.slab, g.alerts, &schema.SensorAlert{SensorID: r.SensorID,
			Type: schema.AlertBattery, Severity: schema.SeverityMedium})
	case poisonNullValue:
		rec.Value = nil
	case poisonNullKey:
		rec.Key = nil
	case poisonOtherKey:
		rec.Key = g.slab.Bytes(r.SensorID + "x")
	}
	return rec
}

// spoil puts a value into a reading that cannot be measured.
func (g *Generator) spoil(r *schema.SensorReading) {
	fields := [...]struct {
		value     *float64
		low, high float64
	}{
		{&r.Temperature, temperatureLow, temperatureHigh},
		{&r.Humidity, 0, humidityHigh},
		{&r.Pressure, 0, pressureHigh},
		{&r.Location.Latitude, -latitudeHigh, latitudeHigh},
		{&r.Location.Longitude, -longitudeHigh, longitudeHigh},
		{&r.BatteryLevel, 0, 1},
	}
	f := fields[g.rand.IntN(len(fields))]
	*f.value = [...]float64{math.NaN(), math.Inf(1), math.Inf(-1), f.low - 1, f.high * 2,
		math.Nextafter(f.low, math.Inf(-1)), math.Nextafter(f.high, math.Inf(1))}[g.rand.IntN(7)]
}
