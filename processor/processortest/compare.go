package processortest

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

// outcome is what a run left for good.
type outcome struct {
	app       *processor.Offline
	outputs   map[string][]output          // by partition and task, in order
	state     map[string]map[string][]byte // by task: key to value
	positions map[string]record.Position   // by task
	counted   map[processor.Counted]int64  // by counter and value
}

// outcome reads logs and disks. Disk and changelog must agree.
func (c *cluster) outcome() (*outcome, error) {
	out := &outcome{app: c.app, outputs: make(map[string][]output),
		state: make(map[string]map[string][]byte), positions: make(map[string]record.Position),
		counted: maps.Clone(c.counted)}
	for _, o := range c.outputs {
		// Tasks write to one partition in any order; each for itself keeps its own.
		at := fmt.Sprintf("%s-%d, task %s", o.rec.Topic, o.rec.Partition, o.task)
		out.outputs[at] = append(out.outputs[at], o)
	}
	for _, m := range c.members {
		name := m.task.Name()
		out.positions[name] = m.position()
		folded := m.folded()
		stored, err := m.stored()
		if err != nil {
			return nil, err
		}
		if text := differentState(c.app, stored, folded); text != "" {
			return nil, fmt.Errorf("task %s: its store differs from its changelog: %s", name, text)
		}
		out.state[name] = folded
	}
	return out, nil
}

// folded is the state that the changelog holds.
func (m *member) folded() map[string][]byte {
	state := make(map[string][]byte)
	for _, r := range m.changelog {
		switch {
		case statestore.Internal(r.Key):
		case r.Value == nil:
			delete(state, string(r.Key))
		default:
			state[string(r.Key)] = r.Value
		}
	}
	return state
}

// stored is the state that the store holds, all of it on disk.
func (m *member) stored() (map[string][]byte, error) {
	if err := m.task.Store().Flush(); err != nil {
		return nil, err
	}
	state := make(map[string][]byte)
	err := m.task.Store().Scan([]byte{1}, []byte{0xFF}, func(key, value []byte) bool {
		state[string(key)] = slices.Clone(value)
		return true
	})
	return state, err
}

// diff is the first difference from what another run left; "" when there is none.
func (o *outcome) diff(want *outcome) string {
	for _, at := range sorted(o.outputs, want.outputs) {
		got, want := o.outputs[at], want.outputs[at]
		for i := range max(len(got), len(want)) {
			if text := differentOutput(o.app, got, want, i); text != "" {
				return fmt.Sprintf("record %d of %s: %s", i+1, at, text)
			}
		}
	}
	if !maps.Equal(o.counted, want.counted) {
		return fmt.Sprintf("counters: got %v, want %v", o.counted, want.counted)
	}
	for _, task := range sorted(want.state) {
		if text := differentState(o.app, o.state[task], want.state[task]); text != "" {
			return fmt.Sprintf("state of task %s: %s", task, text)
		}
		if text := differentPosition(o.positions[task], want.positions[task]); text != "" {
			return fmt.Sprintf("position of task %s: %s", task, text)
		}
	}
	return ""
}

func differentOutput(app *processor.Offline, got, want []output, i int) string {
	if i >= len(got) {
		return "missing: " + outputText(app, want[i])
	}
	if i >= len(want) {
		return "too much: " + outputText(app, got[i])
	}
	g, w := got[i].rec, want[i].rec
	switch {
	case !bytes.Equal(g.Key, w.Key):
		return fmt.Sprintf("got %s, want %s", outputText(app, got[i]), outputText(app, want[i]))
	case !bytes.Equal(g.Value, w.Value):
		return fmt.Sprintf("key %q: %s", w.Key, difference(app, g.Value, w.Value))
	case !g.Timestamp.Equal(w.Timestamp):
		return fmt.Sprintf("key %q, timestamp: got %s, want %s", w.Key, g.Timestamp.UTC(),
			w.Timestamp.UTC())
	}
	if a, b := headersText(g.Headers), headersText(w.Headers); a != b {
		return fmt.Sprintf("key %q, headers: got %s, want %s", w.Key, a, b)
	}
	return ""
}

func outputText(app *processor.Offline, o output) string {
	return fmt.Sprintf("key %q, value %s", o.rec.Key, valueText(app, o.rec.Value))
}

// headersText lists headers, but for those that tell of the process.
func headersText(headers []kgo.RecordHeader) string {
	var b strings.Builder
	for _, h := range headers {
		if h.Key != "pawl.epoch" && h.Key != "pawl.attempt" {
			fmt.Fprintf(&b, " %s=%q", h.Key, h.Value)
		}
	}
	return b.String()
}

func differentState(app *processor.Offline, got, want map[string][]byte) string {
	for _, key := range sorted(got, want) {
		g, inGot := got[key]
		w, inWant := want[key]
		switch {
		case !inGot:
			return fmt.Sprintf("key %s is missing, want %s", keyText(key), valueText(app, w))
		case !inWant:
			return fmt.Sprintf("key %s is too much: %s", keyText(key), valueText(app, g))
		case !bytes.Equal(g, w):
			return fmt.Sprintf("key %s: %s", keyText(key), difference(app, g, w))
		}
	}
	return ""
}

func keyText(key string) string {
	parts, err := statestore.DecodeKey([]byte(key))
	if err != nil {
		return fmt.Sprintf("%x", key)
	}
	return fmt.Sprint(parts)
}

func differentPosition(got, want record.Position) string {
	for i := range want.Inputs {
		if !reflect.DeepEqual(got.Inputs[i], want.Inputs[i]) {
			return fmt.Sprintf("ledger: got %+v, want %+v", got.Inputs[i], want.Inputs[i])
		}
	}
	got.Inputs, want.Inputs = nil, nil
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		return fmt.Sprintf("got %s, want %s", g, w)
	}
	return ""
}

// sorted are the keys of all maps, in order.
func sorted[K cmp.Ordered, V any](all ...map[K]V) []K {
	keys := make(map[K]bool)
	for _, m := range all {
		for k := range m {
			keys[k] = true
		}
	}
	return slices.Sorted(maps.Keys(keys))
}
