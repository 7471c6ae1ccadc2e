// Package iot holds the schemas of the iot pipeline and their Go types: what stands on its topics
// and in its store is what the .avsc files here say.
//
// SensorReading, ProcessedReading, SensorStats, SensorAlert and Device are generated from their
// schemas (`go generate`), with time.Time for times. Sample, the state, is written by hand.
//
// Files: *_gen.go (generated from the schemas), symbols.go (symbols of the enums), state.go (the
// state's Go type), types.go (the schemas as types to declare a pipeline with), *.avsc.
package iot

//go:generate -command avrogen go run github.com/hamba/avro/v2/cmd/avrogen@v2.31.0 -pkg iot
//go:generate avrogen -tags json:snake -o readings_gen.go sensor_reading.avsc processed_reading.avsc
//go:generate avrogen -tags json:snake -o sensor_stats_gen.go sensor_stats.avsc
//go:generate avrogen -tags json:snake -o sensor_alert_gen.go sensor_alert.avsc
//go:generate avrogen -tags json:snake -o device_gen.go device.avsc
