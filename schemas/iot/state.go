package iot

// Sample is what the statistics need of a reading.
type Sample struct {
	Temperature float64 `avro:"temperature"`
	Humidity    float64 `avro:"humidity"`
	Pressure    float64 `avro:"pressure"`
	Battery     float64 `avro:"battery"`
}
