package iot

import (
	"reflect"
	"testing"

	"pawl/internal/schematest"
	"pawl/schemas"
)

func TestTypes(t *testing.T) {
	schematest.RoundTrip(t, SensorReadingType())
	schematest.RoundTrip(t, ProcessedReadingType())
	schematest.RoundTrip(t, SensorStatsType(),
		schematest.Enum{Field: "TemperatureTrend", Symbol: TrendStable})
	schematest.RoundTrip(t, SensorAlertType(),
		schematest.Enum{Field: "Type", Symbol: AlertBattery},
		schematest.Enum{Field: "Severity", Symbol: SeverityMedium})
	schematest.RoundTrip(t, DeviceType())
	schematest.RoundTrip(t, SampleType())
}

// TestReadingIsPartOfProcessed wants a processed reading to begin with the reading's own fields.
func TestReadingIsPartOfProcessed(t *testing.T) {
	reading, processed := reflect.TypeFor[SensorReading](), reflect.TypeFor[ProcessedReading]()
	for i := range reading.NumField() {
		want, got := reading.Field(i), processed.Field(i)
		if got.Name != want.Name || got.Type != want.Type || got.Tag != want.Tag {
			t.Errorf("field %d of a processed reading is %v, of a reading %v", i, got, want)
		}
	}
}

// TestSymbols holds the constants to the schemas' symbols, in their order.
func TestSymbols(t *testing.T) {
	stats := schemas.NewEncoder(SensorStatsType(), 1)
	for i, trend := range []string{TrendIncreasing, TrendDecreasing, TrendStable} {
		data, err := stats.Append(nil, &SensorStats{TemperatureTrend: trend})
		if err != nil || data[len(data)-1] != byte(2*i) {
			t.Errorf("%s is written as %x, %v; want symbol %d", trend, data, err, i)
		}
	}
	const enums = 18 // from the end: type, severity, value, threshold
	alerts := schemas.NewEncoder(SensorAlertType(), 1)
	for i, typ := range []string{AlertTemperature, AlertHumidity, AlertBattery} {
		for k, severity := range []string{SeverityHigh, SeverityMedium} {
			data, err := alerts.Append(nil, &SensorAlert{Type: typ, Severity: severity})
			if err != nil || data[len(data)-enums] != byte(2*i) ||
				data[len(data)-enums+1] != byte(2*k) {
				t.Errorf("%s, %s are written as %x, %v; want symbols %d, %d", typ, severity, data,
					err, i, k)
			}
		}
	}
}
