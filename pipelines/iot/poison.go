package iot

import (
	"math"

	"pawl/internal/loadgen"
	schema "pawl/schemas/iot"
)

// poison makes a broken record of a sound reading.
func (g *Generator) poison(r schema.SensorReading, arrival int64) loadgen.Record {
	own := []func(){
		func() { g.spoil(&r) },
		func() { r.Timestamp = loadgen.Future(arrival, g.cfg.Pipeline.MaxFutureSkew) },
		func() { r.Timestamp = loadgen.BeforeEpoch(g.rand) },
	}
	sound := func() loadgen.Record { return g.reading(r, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.alerts, &schema.SensorAlert{SensorID: r.SensorID,
			Type: schema.AlertBattery, Severity: schema.SeverityMedium})
	})
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
