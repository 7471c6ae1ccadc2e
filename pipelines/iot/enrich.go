package iot

import (
	"context"
	"fmt"

	"pawl/processor"
	schema "pawl/schemas/iot"
)

// merger sends a reading on with its device.
type merger struct {
	out     *processor.Out[schema.ProcessedReading]
	devices func(ctx context.Context, sensor string) (schema.Device, bool, error)
}

func newMerger(p *processor.Pipeline) *merger {
	return &merger{out: processor.Output(p, Processed, schema.ProcessedReadingType())}
}

// ask has the device of each reading looked up.
func (m *merger) ask(_ *processor.Source[schema.SensorReading], cfg Config) {
	m.devices = cfg.Devices
}

func (m *merger) emit(ctx *processor.Context, r schema.SensorReading) error {
	out := schema.ProcessedReading{SensorID: r.SensorID, Timestamp: r.Timestamp,
		Temperature: r.Temperature, Humidity: r.Humidity, Pressure: r.Pressure,
		Location: r.Location, BatteryLevel: r.BatteryLevel}
	if m.devices != nil {
		d, known, err := m.devices(context.Background(), r.SensorID)
		if err != nil {
			return fmt.Errorf("find the device of sensor %q: %w", r.SensorID, err)
		}
		if known {
			out.Model, out.Firmware, out.Site, out.Enriched = d.Model, d.Firmware, d.Site, true
		}
	}
	m.out.Emit(ctx, r.SensorID, out)
	return nil
}
