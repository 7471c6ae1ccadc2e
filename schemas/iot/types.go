package iot

import (
	_ "embed"

	"pawl/schemas"
)

// The schemas, as they are registered.
var (
	//go:embed sensor_reading.avsc
	sensorReadingSchema string
	//go:embed processed_reading.avsc
	processedReadingSchema string
	//go:embed sensor_stats.avsc
	sensorStatsSchema string
	//go:embed sensor_alert.avsc
	sensorAlertSchema string
	//go:embed device.avsc
	deviceSchema string
	//go:embed sample.avsc
	sampleSchema string
)

// SensorReadingType returns how a SensorReading is written and read.
func SensorReadingType() schemas.Type[SensorReading] {
	return schemas.Avro[SensorReading](sensorReadingSchema)
}

// ProcessedReadingType returns how a ProcessedReading is written and read.
func ProcessedReadingType() schemas.Type[ProcessedReading] {
	return schemas.Avro[ProcessedReading](processedReadingSchema)
}

// SensorStatsType returns how SensorStats are written and read.
func SensorStatsType() schemas.Type[SensorStats] {
	return schemas.Avro[SensorStats](sensorStatsSchema)
}

// SensorAlertType returns how a SensorAlert is written and read.
func SensorAlertType() schemas.Type[SensorAlert] {
	return schemas.Avro[SensorAlert](sensorAlertSchema)
}

// DeviceType returns how a Device is written and read.
func DeviceType() schemas.Type[Device] { return schemas.Avro[Device](deviceSchema) }

// SampleType returns how a Sample is written and read.
func SampleType() schemas.Type[Sample] { return schemas.Avro[Sample](sampleSchema) }
