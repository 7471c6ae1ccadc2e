package iot

import (
	"time"

	"pawl/processor"
	schema "pawl/schemas/iot"
)

// Names of the topics and tables. The late topic is `<application.id>-sensor-late`.
const (
	// Name is the pipeline's name.
	Name = "iot"
	// Window is the name of the sliding window: of its late topic, and of the table of readings
	// that a window can still need.
	Window = "sensor"
	// Sensors is the input topic.
	Sensors = "iot-sensors"
	// Alerts is the output topic with one SensorAlert per anomaly.
	Alerts = "iot-alerts"
	// Processed is the output topic with one ProcessedReading per reading.
	Processed = "processed-iot-data"
	// Stats is the output topic with SensorStats.
	Stats = "iot-stats"
	// AlertsCounter is the metric of alerts by type.
	AlertsCounter = "iot_alerts_total"
	// LastTable holds when a sensor's statistics were last emitted.
	LastTable = Window + "-last"
	// AlertsTable holds when a sensor's alerts were last raised.
	AlertsTable = "alerts-last"
)

// New describes the pipeline. cfg should be valid; zero fields mean their defaults.
func New(cfg Config) *processor.Pipeline {
	cfg.EnsureDefaults()
	p := processor.New(Name).Linger(100 * time.Millisecond)
	alarms := newAlarms(p, cfg)
	merge := newMerger(p)
	stats := newStatistics(p, cfg)
	source := processor.Input(p, Sensors, schema.SensorReadingType(),
		processor.Branch(alarms.judge, merge.emit, processor.Map(sampleOf, stats))).
		EventTime(func(r schema.SensorReading) time.Time { return r.Timestamp }).
		Key(func(r schema.SensorReading) string { return r.SensorID }).
		Check(check).
		Late(Window, max(cfg.Grace, 0))
	merge.ask(source, cfg)
	return p
}
