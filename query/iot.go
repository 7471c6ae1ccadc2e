package query

import (
	"cmp"
	"net/http"
	"slices"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

// reading is what the state keeps of a sensor's reading.
type reading struct {
	At          int64   `json:"at"`
	Temperature float64 `json:"temperature"`
	Humidity    float64 `json:"humidity"`
	Pressure    float64 `json:"pressure"`
	Battery     float64 `json:"battery_level"`
}

// shownReading is a reading as it is shown.
type shownReading struct {
	Timestamp   *time.Time `json:"timestamp"`
	Temperature float64    `json:"temperature"`
	Humidity    float64    `json:"humidity"`
	Pressure    float64    `json:"pressure"`
	Battery     float64    `json:"battery_level"`
}

// sensor answers with a sensor's readings in the window that ends with the newest of them.
func (s *server) sensor() *endpoint[[]reading] {
	key := func(q *question) statestore.Key {
		return statestore.Key(nil).String(q.r.PathValue("id"))
	}
	return &endpoint[[]reading]{
		tasks: func(q *question) ([]int32, *Problem) { return keyed(q, q.r.PathValue("id")), nil },
		ranges: func(q *question) []processor.StateRange {
			return []processor.StateRange{{Table: "sensor", From: key(q), To: key(q).End()}}
		},
		read:  func(_ *question, v View) ([]reading, error) { return readReadings(v) },
		merge: s.mergeReadings,
	}
}

func readReadings(v View) ([]reading, error) {
	var all []reading
	var failed error
	_, err := v.Scan(0, func(key statestore.Key, raw []byte) bool {
		parts, err := statestore.DecodeKey(key)
		var sample any
		if err == nil {
			sample, err = v.JSON(raw)
		}
		if failed = err; err != nil {
			return false
		}
		value := func(name string) float64 {
			f, _ := field(sample, name).(float64) // numbers that JSON has no word for are strings
			return f
		}
		all = append(all, reading{number(parts[1]), value("temperature"), value("humidity"),
			value("pressure"), value("battery")})
		return true
	})
	return all, cmp.Or(err, failed)
}

func (s *server) mergeReadings(q *question, parts [][]reading) (fields, *Problem) {
	id, all := q.r.PathValue("id"), parts[0]
	if len(all) == 0 {
		return nil, refuse(http.StatusNotFound, "sensor %.100q has no reading that its statistics "+
			"count", id)
	}
	end := all[len(all)-1].At
	start := end - s.options.IoTSpan.Milliseconds()
	var temperature, humidity, pressure float64
	battery := all[len(all)-1].Battery
	shown := []shownReading{}
	count := 0
	for _, r := range slices.Backward(all) {
		if r.At <= start {
			break
		}
		count++
		temperature += r.Temperature
		humidity += r.Humidity
		pressure += r.Pressure
		battery = min(battery, r.Battery)
		if len(shown) < q.limit {
			shown = append(shown, shownReading{timeOf(r.At), r.Temperature, r.Humidity, r.Pressure,
				r.Battery})
		}
	}
	n := float64(count)
	return fields{"sensor_id": id, "count": count, "avg_temperature": temperature / n,
		"avg_humidity": humidity / n, "avg_pressure": pressure / n, "min_battery": battery,
		"readings": shown, "window_start": timeOf(start), "window_end": timeOf(end)}, nil
}
