package iot

import (
	"context"
	"time"

	"pawl/processor"
	schema "pawl/schemas/iot"
)

// DevicesName is the name of the enrichment with devices.
const DevicesName = "devices"

// deviceCache is how long the answer about a sensor serves its other readings.
const deviceCache = 10 * time.Minute

// merger sends a reading on with its device.
type merger struct {
	out    *processor.Out[schema.ProcessedReading]
	device *processor.Enriched[answer] // nil: no device is known
}

// answer is what is known of a sensor. That it has no device is an answer, too.
type answer struct {
	device schema.Device
	known  bool
}

func newMerger(p *processor.Pipeline) *merger {
	return &merger{out: processor.Output(p, Processed, schema.ProcessedReadingType())}
}

// ask has the device of each reading looked up ahead of it. While nobody can tell, readings wait:
// one that went on without its device could not be told from one that has none.
func (m *merger) ask(source *processor.Source[schema.SensorReading], cfg Config) {
	if cfg.Devices == nil {
		return
	}
	m.device = processor.Enrich(source, processor.Enrichment[schema.SensorReading, answer]{
		Name: DevicesName,
		Call: func(ctx context.Context, r schema.SensorReading) (answer, error) {
			d, known, err := cfg.Devices(ctx, r.SensorID)
			return answer{d, known}, err
		},
		Key:      func(r schema.SensorReading) string { return r.SensorID },
		CacheFor: deviceCache,
	})
}

func (m *merger) emit(ctx *processor.Context, r schema.SensorReading) error {
	out := schema.ProcessedReading{SensorID: r.SensorID, Timestamp: r.Timestamp,
		Temperature: r.Temperature, Humidity: r.Humidity, Pressure: r.Pressure,
		Location: r.Location, BatteryLevel: r.BatteryLevel}
	if m.device != nil {
		if a, _ := m.device.Get(ctx); a.known {
			d := a.device
			out.Model, out.Firmware, out.Site, out.Enriched = d.Model, d.Firmware, d.Site, true
		}
	}
	m.out.Emit(ctx, r.SensorID, out)
	return nil
}
