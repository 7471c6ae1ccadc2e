package iot_test

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/iot"
	"pawl/schemas"
	schema "pawl/schemas/iot"
)

// script runs lines as in testdata/oracle.txt.
type script struct {
	oracle   *iot.Oracle
	readings *schemas.Encoder[schema.SensorReading]
	offset   int64
}

// scriptConfig holds the settings of testdata/oracle.txt.
func scriptConfig() iot.Config {
	device := schema.Device{Model: "M", Firmware: "1", Site: "oil"}
	known := func(sensor string) bool { return sensor[0] == 'm' }
	return iot.Config{Span: 5 * time.Second, Grace: time.Second, EmitInterval: 2 * time.Second,
		AlertRepeat: 3 * time.Second, MaxOutOfOrderness: 200 * time.Millisecond,
		MaxFutureSkew: time.Minute, Known: func(sensor string) (schema.Device, bool) {
			return device, known(sensor)
		},
		Devices: func(_ context.Context, sensor string) (schema.Device, bool, error) {
			return device, known(sensor), nil
		}}
}

func newScript(t *testing.T, reg schemas.Registry) *script {
	t.Helper()
	r := schemas.NewResolver(reg)
	return &script{oracle: iot.NewOracle(scriptConfig(), r),
		readings: pipelinetest.Encoder(t, reg, r, iot.Sensors, schema.SensorReadingType())}
}

// input makes the record of one line.
func (s *script) input(t *testing.T, words []string) verify.Input {
	t.Helper()
	number := func(word string) float64 { return pipelinetest.Float(t, word) }
	in := verify.Input{Topic: iot.Sensors, Timestamp: int64(number(words[0])), Offset: s.offset,
		Key: []byte(words[1])}
	s.offset++
	var err error
	if words[1] == "raw" {
		in.Value = pipelinetest.Raw(t, words[2])
	} else {
		r := schema.SensorReading{SensorID: words[1],
			Timestamp:   time.UnixMilli(int64(number(words[2]))),
			Temperature: number(words[3]), Humidity: number(words[4]),
			Pressure: number(words[5]), BatteryLevel: number(words[6])}
		for _, word := range words[7:] {
			switch name, value, _ := strings.Cut(word, "="); name {
			case "key":
				in.Key = []byte(value)
			case "lat":
				r.Location.Latitude = number(value)
			case "lon":
				r.Location.Longitude = number(value)
			default:
				t.Fatalf("unknown word %q", word)
			}
		}
		in.Value, err = s.readings.Append(nil, &r)
	}
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// feed gives one line's record to the oracle.
func (s *script) feed(t *testing.T, line string) (verify.Input, verify.Outcome) {
	t.Helper()
	in := s.input(t, strings.Fields(line))
	out, err := s.oracle.Feed(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return in, out
}

// outcome prints what became of a record.
func outcome(out verify.Outcome) string {
	if len(out.Outputs) == 0 {
		return pipelinetest.Fate(out)
	}
	var words []string
	for _, o := range out.Outputs {
		switch v := o.Value.(type) {
		case schema.SensorAlert:
			words = append(words, fmt.Sprintf("%s(%s %v %v)", v.Type, v.Severity, v.Value,
				v.Threshold))
		case schema.ProcessedReading:
			words = append(words, "+")
			if v.Enriched || v.Model+v.Firmware+v.Site != "" {
				words[len(words)-1] += v.Model + "/" + v.Firmware + "/" + v.Site
			}
		case schema.SensorStats:
			words = append(words, fmt.Sprintf("[%d %v %v %v %v %s]", v.Count, v.AvgTemperature,
				v.AvgHumidity, v.AvgPressure, v.MinBattery, v.TemperatureTrend))
		default:
			words = append(words, fmt.Sprintf("%T", v))
		}
	}
	return strings.Join(words, " ")
}

// TestOracleScript runs testdata/oracle.txt line by line.
func TestOracleScript(t *testing.T) {
	t.Parallel()
	s := newScript(t, schemas.NewMemory())
	pipelinetest.RunScript(t, "testdata/oracle.txt", 100, func(record string) string {
		_, out := s.feed(t, record)
		return outcome(out)
	})
}

// TestOracleOutputs looks at every field of the outputs of one reading.
func TestOracleOutputs(t *testing.T) {
	t.Parallel()
	s := newScript(t, schemas.NewMemory())
	s.feed(t, "10000 m 10000 20 40 1000 0.5")
	_, out := s.feed(t, "12500 m 12500 41 50 1010 0.75 lat=50 lon=-20")
	at := time.UnixMilli(12_500).UTC()
	want := []verify.Output{
		{Topic: "iot-alerts", Key: "m", Timestamp: 12_500, Value: schema.SensorAlert{SensorID: "m",
			Timestamp: at, Type: "TEMPERATURE_OUT_OF_RANGE", Severity: "HIGH", Value: 41,
			Threshold: 40}},
		{Topic: "processed-iot-data", Key: "m", Timestamp: 12_500,
			Value: schema.ProcessedReading{SensorID: "m", Timestamp: at, Temperature: 41,
				Humidity: 50, Pressure: 1010, BatteryLevel: 0.75,
				Location: schema.Location{Latitude: 50, Longitude: -20}, Model: "M", Firmware: "1",
				Site: "oil", Enriched: true}},
		{Topic: "iot-stats", Key: "m", Timestamp: 12_500, Value: schema.SensorStats{SensorID: "m",
			WindowStart: time.UnixMilli(7_500).UTC(), WindowEnd: at, Count: 2,
			AvgTemperature: 30.5, AvgHumidity: 45, AvgPressure: 1005, MinBattery: 0.5,
			TemperatureTrend: "STABLE"}},
	}
	if !reflect.DeepEqual(out.Outputs, want) {
		t.Errorf("got  %+v\nwant %+v", out.Outputs, want)
	}
}

// TestOracleState forgets what no reading can need any more, exactly when the watermark says so.
func TestOracleState(t *testing.T) {
	t.Parallel()
	s := newScript(t, schemas.NewMemory())
	for _, line := range []string{"10000 a 10000 50 1 2 1", "10000 a 10000 3 4 5 1",
		"12000 a 12000 20 95 1000 0.1", "12100 b 12100 20 50 1000 1"} {
		s.feed(t, line)
	}
	state := func(watermark int64, want string) {
		t.Helper()
		if out := s.oracle.Idle(watermark); len(out) > 0 {
			t.Errorf("idling led to %v", out)
		}
		if got := fmt.Sprint(s.oracle.State()); got != "map["+want+"]" {
			t.Errorf("state at %d: %s\nwant %s", watermark, got, want)
		}
	}
	const b = " sensor-last/b:12100 sensor/b:[{12100 0 3 {20 50 1000 1}}]"
	const later = "alerts-last/a/HIGH_HUMIDITY:12000 alerts-last/a/LOW_BATTERY:12000 "
	all := "sensor-last/a:12000" + strings.Replace(b, " sensor/", " sensor/a:[{10000 0 0 "+
		"{50 1 2 1}} {10000 0 1 {3 4 5 1}} {12000 0 2 {20 95 1000 0.1}}] sensor/", 1)
	state(math.MinInt64, later+"alerts-last/a/TEMPERATURE_OUT_OF_RANGE:10000 "+all)
	state(13_999, later+"alerts-last/a/TEMPERATURE_OUT_OF_RANGE:10000 "+all)
	state(14_000, later+all) // 10000 + 3000 + 1000
	state(15_999, later+all)
	state(16_000, // 10000 + 5000 + 1000; 12000 + 3000 + 1000
		"sensor-last/a:12000"+strings.Replace(b, " sensor/",
			" sensor/a:[{12000 0 2 {20 95 1000 0.1}}] sensor/", 1))
	state(17_999, "sensor-last/a:12000"+strings.Replace(b, " sensor/",
		" sensor/a:[{12000 0 2 {20 95 1000 0.1}}] sensor/", 1))
	state(18_000, b[1:])
	state(18_100, "")
	// Nothing is left to keep statistics back.
	_, out := s.feed(t, "18000 a 18000 20 50 1000 1")
	if got := outcome(out); got != "+ [1 20 50 1000 1 STABLE]" {
		t.Errorf("a sensor that comes back: %s", got)
	}
}
