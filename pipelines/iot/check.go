package iot

import (
	"pawl/processor"
	schema "pawl/schemas/iot"
)

// What can be measured at all. Values beyond are a broken sensor's, not an anomaly.
const (
	temperatureLow  = -273.15
	temperatureHigh = 1000
	humidityHigh    = 100
	// pressureHigh is far above any pressure on earth in any unit in use, and so small that a
	// window's sum is finite.
	pressureHigh  = 1e9
	latitudeHigh  = 90
	longitudeHigh = 180
)

// check refuses what no sensor can measure.
func check(r schema.SensorReading) error {
	for _, f := range [...]struct {
		name             string
		value, low, high float64
	}{
		{"temperature", r.Temperature, temperatureLow, temperatureHigh},
		{"humidity", r.Humidity, 0, humidityHigh},
		{"pressure", r.Pressure, 0, pressureHigh},
		{"location.latitude", r.Location.Latitude, -latitudeHigh, latitudeHigh},
		{"location.longitude", r.Location.Longitude, -longitudeHigh, longitudeHigh},
		{"battery_level", r.BatteryLevel, 0, 1},
	} {
		// Not the opposite comparisons: NaN is neither below nor above anything.
		if !(f.value >= f.low && f.value <= f.high) {
			return processor.Reject("%s %v is absurd; it must be from %v to %v", f.name, f.value,
				f.low, f.high)
		}
	}
	if r.Pressure == 0 {
		return processor.Reject("pressure %v is absurd; it must be above 0", r.Pressure)
	}
	return nil
}
