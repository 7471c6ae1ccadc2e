package processor

import (
	"errors"
	"testing"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// flaky is a store whose reads can fail.
type flaky struct {
	statestore.Store
	err error
}

// Get implements statestore.Store.
func (f *flaky) Get(k []byte) ([]byte, bool, error) {
	if f.err != nil {
		return nil, false, f.err
	}
	return f.Store.Get(k)
}

// Scan implements statestore.Store.
func (f *flaky) Scan(from, to []byte, fn func(k, v []byte) bool) error {
	if f.err != nil {
		return f.err
	}
	return f.Store.Scan(from, to, fn)
}

// TestFailedReadIsNotRemembered: a read fails → the epoch is dropped → the disk is well again. The
// retry must find what the store holds, not the key absent.
func TestFailedReadIsNotRemembered(t *testing.T) {
	type row struct {
		N int64 `avro:"n"`
	}
	typ := schemas.Avro[row](`{"type":"record","name":"Row","fields":[{"name":"n","type":"long"}]}`)
	p := New("p")
	table := Keyed(p, "table", typ)
	b := &binding{pipeline: p, resolver: schemas.NewResolver(nil), tableIDs: []int32{1}}
	if err := b.resolver.Add(1, typ.String()); err != nil {
		t.Fatal(err)
	}
	raw, err := schemas.NewEncoder(typ, 1).Append(nil, &row{7})
	if err != nil {
		t.Fatal(err)
	}
	key := statestore.Key(nil).String("k")
	store := &flaky{Store: statestore.NewMem(), err: errors.New("input/output error")}
	change := statestore.Change{Key: statestore.Key(nil).String("table").String("k"), Value: raw}
	if err := store.Apply([]statestore.Change{change}, statestore.Mark{}); err != nil {
		t.Fatal(err)
	}
	c := newCore(b, 0, store)
	if err := c.load(c.position); err != nil {
		t.Fatal(err)
	}
	if v, ok := table.GetAt(&c.ctx, key); ok || !errors.Is(c.failure, store.err) {
		t.Fatalf("a failed read gave %v, %v and the failure %v", v, ok, c.failure)
	}
	store.err = nil
	if err := c.discard(c.position); err != nil {
		t.Fatal(err)
	}
	if v, ok := table.GetAt(&c.ctx, key); !ok || v.N != 7 || c.failure != nil {
		t.Errorf("the retry reads %v, %v (%v); the store holds 7", v, ok, c.failure)
	}
}

// TestRewindForgetsWaivers: an input is waived because its log's end is hollow → the task is
// rewound. What was fetched is to be fetched again, so the waiver no longer holds.
func TestRewindForgetsWaivers(t *testing.T) {
	for _, boot := range []bool{true, false} {
		m := &merge{boot: boot, inputs: []mergeInput{
			{table: true, target: 10, end: 10, next: 5, waived: true, passed: -1}, {passed: -1}}}
		if c := m.next(); c.waiting {
			t.Fatalf("boot %v: waits for a waived input: %+v", boot, c)
		}
		m.clear(&record.Position{Inputs: make([]record.Input, 2), Bootstrapped: !boot})
		if c := m.next(); !c.waiting || c.booted || c.input != 0 {
			t.Errorf("boot %v: does not wait for the table after the rewind: %+v", boot, c)
		}
	}
}
