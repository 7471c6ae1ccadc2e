package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/checkpoint"
	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/statestore"
)

// foldBatch bounds the changes held between two writes to a store, in bytes.
const foldBatch = 8 << 20

// restoreFault adds what mends a checkpoint whose damage only reading it has shown.
func restoreFault(err error) error {
	var damaged *checkpoint.DamagedError
	if errors.As(err, &damaged) {
		return fmt.Errorf("%w; pawl checkpoint verify --discard deletes what is damaged, and a "+
			"replay passes over what is incomplete", err)
	}
	return err
}

// build makes the store of a start in the folder name, empty or not there before.
func (s *session) build(ctx context.Context, t *task, st *start, name string) (*statestore.Pebble,
	error) {
	dir := filepath.Join(s.dir, name)
	if err := s.env.Remove(dir); err != nil {
		return nil, err
	}
	if m := st.base; m != nil {
		series, err := checkpoint.NewSeries(s.o.Checkpoints, s.o.Config.ApplicationID, t.name)
		if err != nil {
			return nil, err
		}
		told := func(done, total int64) { s.o.Progress("restoring "+t.name, done, total) }
		if err := series.Restore(ctx, m, dir, s.o.Limits, told); err != nil {
			return nil, restoreFault(err)
		}
	}
	store, err := s.env.OpenPebble(dir)
	if err != nil {
		return nil, err
	}
	if st.known {
		f := &folding{s: s, store: store, mark: store.Mark()}
		f.mark.Topic = s.off.ChangelogID()
		err = f.fold(ctx, t, st.bounds(t.log))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("build the state of task %s: %w", t.name, err),
			store.Close())
	}
	return store, nil
}

// today is the start that leads to where a task stands now.
func (s *session) today(ctx context.Context, t *task) (start, error) {
	st := start{to: t.last, position: t.last.Position, known: true}
	c := &chooser{s: s, t: t, anyLine: true}
	for _, in := range t.last.Inputs {
		c.places = append(c.places, in.Offset)
	}
	if err := c.fromCheckpoint(ctx); err != nil {
		return st, err
	}
	// A checkpoint that a task was taken back from fits by its epoch, whatever its offsets.
	if m := c.best.base; m != nil && !s.stale(m) && m.Changelog.Offset <= t.last.at+1 {
		st.base = m
	}
	if st.base != nil && st.base.Changelog.Offset == t.last.at+1 {
		st.to = nil
	}
	return st, nil
}

// folding brings a part of a changelog into a store.
type folding struct {
	s       *session
	store   *statestore.Pebble
	mark    statestore.Mark
	pending []statestore.Change
	size    int
	known   map[statestore.Schema]bool // without texts
}

func (f *folding) fold(ctx context.Context, t *task, b verify.Bounds) error {
	have, err := statestore.Schemas(f.store)
	if err != nil {
		return err
	}
	f.known = make(map[statestore.Schema]bool)
	for _, k := range have {
		f.known[statestore.Schema{ID: k.ID, Table: k.Table}] = true
	}
	err = f.s.each(ctx, f.s.changelog, t.partition, b, func(rec *kgo.Record) error {
		return f.take(ctx, rec)
	})
	if err != nil {
		return err
	}
	if err := f.apply(); err != nil {
		return err
	}
	return f.store.Flush()
}

// take adds a record. Changes may reach the store before the position record that they belong to:
// a store that was not finished is built anew.
func (f *folding) take(ctx context.Context, rec *kgo.Record) error {
	f.mark.Offset, f.mark.Time = rec.Offset+1, rec.Timestamp.UnixMilli()
	switch {
	case string(rec.Key) == statestore.PositionKey:
		f.mark.Position = rec.Value
	case statestore.Internal(rec.Key):
		return nil
	default:
		if err := f.meet(ctx, rec); err != nil {
			return fmt.Errorf("changelog %s-%d offset %d: %w", rec.Topic, rec.Partition,
				rec.Offset, err)
		}
		f.pending = append(f.pending, statestore.Change{Key: rec.Key, Value: rec.Value})
		f.size += len(rec.Key) + len(rec.Value) + 64
	}
	if f.size > foldBatch {
		return f.apply()
	}
	return nil
}

// meet keeps the writer schema of a value in the store.
func (f *folding) meet(ctx context.Context, rec *kgo.Record) error {
	if rec.Value == nil {
		return nil
	}
	id, _, err := schemas.ParseHeader(rec.Value)
	if err != nil {
		return err
	}
	end := 1 + bytes.IndexByte(rec.Key[1:], 0) // the key begins with the table's name
	k := statestore.Schema{ID: id, Table: string(rec.Key[1:end])}
	if f.known[k] {
		return nil
	}
	f.known[k] = true
	if k.Text, err = f.s.o.Config.Registry.Schema(ctx, id); err != nil {
		return fmt.Errorf("state schema %d: %w", id, err)
	}
	f.pending = append(f.pending, statestore.SchemaChange(k))
	return nil
}

// apply writes what was read; of equal keys the newest, for a batch keeps no order between them.
func (f *folding) apply() error {
	latest := make(map[string]int, len(f.pending))
	for i, c := range f.pending {
		latest[string(c.Key)] = i
	}
	changes := make([]statestore.Change, 0, len(latest))
	for _, i := range latest {
		changes = append(changes, f.pending[i])
	}
	f.pending, f.size = f.pending[:0], 0
	return f.store.Apply(changes, f.mark)
}

// Tables' keys lie between these.
var (
	firstKey = []byte{1}
	lastKey  = []byte{0xFF}
)

// compare walks through two states side by side and calls fn for each key: a nil value stands for
// none. It returns the first error of fn.
func compare(a, b statestore.Store, fn func(key, inA, inB []byte) error) error {
	type entry struct{ key, value []byte }
	other := make(chan entry, 256)
	done := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		defer close(other)
		ended <- b.Scan(firstKey, lastKey, func(k, v []byte) bool {
			select {
			case other <- entry{bytes.Clone(k), clone(v)}:
				return true
			case <-done:
				return false
			}
		})
	}()
	head, ok := <-other
	var failed error
	err := a.Scan(firstKey, lastKey, func(k, v []byte) bool {
		for ok && bytes.Compare(head.key, k) < 0 {
			if failed = fn(head.key, nil, head.value); failed != nil {
				return false
			}
			head, ok = <-other
		}
		var beside []byte
		if ok && bytes.Equal(head.key, k) {
			beside = head.value
			head, ok = <-other
		}
		failed = fn(k, clone(v), beside)
		return failed == nil
	})
	for ; ok && err == nil && failed == nil; head, ok = <-other {
		failed = fn(head.key, nil, head.value)
	}
	close(done)
	return errors.Join(err, failed, <-ended)
}

// clone is never nil: an empty value is one.
func clone(v []byte) []byte { return append([]byte{}, v...) }
