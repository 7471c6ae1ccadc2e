//go:build synctests

package processortest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pawl/internal/loadgen"
	"pawl/processor"
	"pawl/schemas"
)

// tape plays a test's records as the load of a simulation, whose registry gives schemas other ids.
type tape struct {
	records []loadgen.Record
	schemas []loadgen.Schema
	names   map[int32]string // of the schemas, by their id in the test's registry
	ids     map[int32]int32  // from the test's registry to the simulation's
	next    int
}

// newTape encodes the records. The last record's topic is the one that counts, or those after its
// last would not be played.
func newTape(set settings, p *processor.Pipeline, records []Record) (*tape, error) {
	app, err := processor.NewOffline(set.engine, max(set.partitions, 1), p)
	if err != nil {
		return nil, err
	}
	t := &tape{names: make(map[int32]string)}
	for i, r := range records {
		id, known := app.SchemaID(r.Topic)
		if !known {
			return nil, fmt.Errorf("record %d: %s is no topic of the pipeline", i, r.Topic)
		}
		rec, err := encode(app, r)
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		t.records = append(t.records, loadgen.Record{Topic: r.Topic, Key: rec.Key,
			Value: rec.Value, Timestamp: r.Time.UnixMilli()})
		if i == len(records)-1 {
			text, _ := app.Resolver().Text(id) // the pipeline was bound to it
			t.schemas = append(t.schemas, loadgen.Schema{Topic: r.Topic, Text: text})
		}
	}
	return t, t.collect(set.engine.Registry)
}

// collect has all schemas of the test's registry known in the simulation too, under subjects that
// nobody asks for.
func (t *tape) collect(registry schemas.Registry) error {
	memory, ok := registry.(*schemas.Memory)
	if !ok {
		return fmt.Errorf("the registry is a %T; give Registry a *schemas.Memory", registry)
	}
	texts := make(map[int32]string)
	for _, subject := range memory.Subjects() {
		for _, v := range memory.Versions(subject) {
			texts[v.ID] = v.Schema
		}
	}
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		t.names[id] = fmt.Sprint("schema-", id)
		t.schemas = append(t.schemas, loadgen.Schema{Topic: t.names[id], Text: texts[id]})
	}
	return nil
}

// load starts from the beginning; the records have times of their own.
func (t *tape) load(uint64, time.Time) loadgen.Generator {
	t.next = 0
	return t
}

// Schemas implements loadgen.Generator.
func (t *tape) Schemas() []loadgen.Schema { return t.schemas }

// Bind implements loadgen.Generator.
func (t *tape) Bind(ids map[string]int32) {
	t.ids = make(map[int32]int32)
	for id, name := range t.names {
		t.ids[id] = ids[name]
	}
}

// Next implements loadgen.Generator. An id that the test's registry does not know stays as it is.
func (t *tape) Next() loadgen.Record {
	r := t.records[t.next]
	t.next++
	if id, _, err := schemas.ParseHeader(r.Value); err == nil {
		if other, known := t.ids[id]; known {
			r.Value = slices.Clone(r.Value)
			binary.BigEndian.PutUint32(r.Value[1:], uint32(other))
		}
	}
	return r
}

// found is a registry that comes to light when the first instance runs.
type found struct {
	mu       sync.Mutex
	registry schemas.Registry
}

func (f *found) is(r schemas.Registry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.registry = r
}

func (f *found) get() (schemas.Registry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.registry == nil {
		return nil, errors.New("no instance has run yet, so that there is no registry to ask")
	}
	return f.registry, nil
}

// Register implements schemas.Registry.
func (f *found) Register(ctx context.Context, subject, schema string) (int32, error) {
	r, err := f.get()
	if err != nil {
		return 0, err
	}
	return r.Register(ctx, subject, schema)
}

// Lookup implements schemas.Registry.
func (f *found) Lookup(ctx context.Context, subject, schema string) (int32, error) {
	r, err := f.get()
	if err != nil {
		return 0, err
	}
	return r.Lookup(ctx, subject, schema)
}

// Schema implements schemas.Registry.
func (f *found) Schema(ctx context.Context, id int32) (string, error) {
	r, err := f.get()
	if err != nil {
		return "", err
	}
	return r.Schema(ctx, id)
}
