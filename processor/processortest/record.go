package processortest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// Record is a record of a topic.
type Record struct {
	Topic string
	Key   string // "" stands for none
	// Value is of the topic's type. A []byte stands for wire bytes as they are, so that a test can
	// send what no encoder would write, and nil for a null value.
	Value any
	Time  time.Time // the Kafka timestamp
}

// Epoch is where the times of At, Idle and scripts begin. It is the start of a minute, an
// hour, a day and a year.
var Epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// Time is the time so long after Epoch, for fields of values.
func Time(d time.Duration) time.Time { return Epoch.Add(d) }

// encode makes r a Kafka record, without place.
func encode(app *processor.Offline, r Record) (*kgo.Record, error) {
	rec := &kgo.Record{Topic: r.Topic, Timestamp: r.Time}
	if r.Key != "" {
		rec.Key = []byte(r.Key)
	}
	switch v := r.Value.(type) {
	case nil:
	case []byte:
		rec.Value = v
	default:
		b, err := app.Encode(r.Topic, v)
		if err != nil {
			return nil, err
		}
		rec.Value = b
	}
	return rec, nil
}

// output is a committed record of an output, dead-letter, late or ticks topic.
type output struct {
	rec  *kgo.Record
	task string // that wrote it
	kind string // of its topic, as in processor.TopicPlan
}

// header is the value of the last header of that name.
func (o *output) header(name string) string {
	value := ""
	for _, h := range o.rec.Headers {
		if h.Key == name {
			value = string(h.Value)
		}
	}
	return value
}

// valueText is a value as JSON, by its writer schema, or in hexadecimal.
func valueText(app *processor.Offline, value []byte) string {
	if value == nil {
		return "null"
	}
	if v, err := schemas.ToJSON(value, app.Resolver()); err == nil {
		if b, err := json.Marshal(v); err == nil {
			return string(b)
		}
	}
	return fmt.Sprintf("0x%x", value)
}

// difference says in what two values differ: their fields, or all of them.
func difference(app *processor.Offline, got, want []byte) string {
	g, errGot := schemas.ToJSON(got, app.Resolver())
	w, errWant := schemas.ToJSON(want, app.Resolver())
	gotFields, ok1 := g.(map[string]any)
	wantFields, ok2 := w.(map[string]any)
	if errGot != nil || errWant != nil || !ok1 || !ok2 {
		return fmt.Sprintf("got %s, want %s", valueText(app, got), valueText(app, want))
	}
	var parts []string
	for _, name := range sorted(wantFields) {
		a, b := plainText(gotFields[name]), plainText(wantFields[name])
		if a != b {
			parts = append(parts, fmt.Sprintf("%s: got %s, want %s", name, a, b))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("got %s, want %s", valueText(app, got), valueText(app, want))
	}
	return strings.Join(parts, "; ")
}

func plainText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(b)
}

// offsetText is a time as At takes it.
func offsetText(t time.Time) string { return t.Sub(Epoch).String() }
