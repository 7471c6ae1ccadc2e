package iot

import (
	"reflect"
	"testing"
	"time"

	"pawl/schemas"
)

// symbols gives an enum field a symbol, by its name in Go.
var symbols = map[string]string{"TemperatureTrend": TrendStable, "Type": AlertBattery,
	"Severity": SeverityMedium}

// fill gives every field below v a value of its own.
func fill(v reflect.Value, next *int64) {
	*next++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(*next).UTC()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
			if symbol, ok := symbols[v.Type().Field(i).Name]; ok {
				v.Field(i).SetString(symbol)
			}
		}
	case v.Kind() == reflect.String:
		v.SetString("text")
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Float64:
		v.SetFloat(float64(*next) + 0.1)
	default:
		v.SetInt(*next)
	}
}

// check wants schema and Go type to agree in every field.
func check[V any](t *testing.T, typ schemas.Type[V]) {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Error(err)
		return
	}
	var want, got V
	fill(reflect.ValueOf(&want).Elem(), new(int64))
	r := schemas.NewResolver(nil)
	if err := r.Add(1, typ.String()); err != nil {
		t.Fatal(err)
	}
	data, err := schemas.NewEncoder(typ, 1).Append(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	err = schemas.NewDecoder(typ, r).Decode(data, &got)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: read %+v, %v; wrote %+v", typ.Name(), got, err, want)
	}
}

func TestTypes(t *testing.T) {
	check(t, SensorReadingType())
	check(t, ProcessedReadingType())
	check(t, SensorStatsType())
	check(t, SensorAlertType())
	check(t, DeviceType())
	check(t, SampleType())
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
