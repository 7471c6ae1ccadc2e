package checkpoint

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"pawl/schemas/record"
	"pawl/statestore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testApplication = "shop"
	testTask        = "fraud-0"
)

// liveStore is a task's store that checkpoints are taken of.
type liveStore struct {
	t     *testing.T
	env   *statestore.Env
	store *statestore.Pebble
	dir   string
	claim int64
	epoch int64
	want  map[int64][]string // what the store held after each epoch
}

func newLiveStore(t *testing.T) *liveStore {
	t.Helper()
	l := &liveStore{t: t, dir: t.TempDir(), claim: 1, want: make(map[int64][]string)}
	l.env = statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	var err error
	if l.store, err = l.env.OpenPebble(filepath.Join(l.dir, "store")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.store.Close(); err != nil {
			t.Error(err)
		}
		l.env.Close()
	})
	return l
}

// step applies one more epoch.
func (l *liveStore) step() {
	l.t.Helper()
	l.epoch++
	changes := []statestore.Change{
		{Key: []byte("last"), Value: fmt.Append(nil, l.epoch)},
		{Key: fmt.Appendf(nil, "epoch-%04d", l.epoch), Value: fmt.Append(nil, l.epoch*l.epoch)},
		statestore.SchemaChange(statestore.Schema{ID: 7, Table: "t", Text: `"long"`}),
	}
	mark := statestore.Mark{Offset: l.epoch * 10, Time: 1e12, Topic: [16]byte{1, 2, 3, 4, 5},
		Position: fmt.Append(nil, l.epoch)}
	if err := l.store.Apply(changes, mark); err != nil {
		l.t.Fatal(err)
	}
	l.want[l.epoch] = dumpStore(l.t, l.store)
}

// copy gives a folder with a copy of the store, and what it says of itself.
func (l *liveStore) copy() (string, Description) {
	l.t.Helper()
	dir := filepath.Join(l.dir, "copy")
	snap, err := l.env.Checkpoint(l.store, dir)
	if err != nil {
		l.t.Fatal(err)
	}
	return dir, l.describe(snap)
}

func (l *liveStore) describe(snap statestore.Snapshot) Description {
	pos := record.Position{Epoch: snap.Mark.Offset / 10, Claim: l.claim, Writer: "shop-a",
		Partitions: 4, Watermark: 17, Digest: -1, Inputs: []record.Input{
			{Topic: "transactions", TopicID: "AAAAAAAAAAAAAAAAAAAAAQ==", Offset: 5, Processed: 5,
				Passed: -1}}}
	d := Describe(Origin{Application: testApplication, Pipeline: "fraud", Task: testTask,
		Changelog: "shop-fraud-changelog", Version: "test",
		PositionSchema: Schema{ID: 3, Text: `"bytes"`}}, snap, pos)
	d.Created = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	return d
}

// aCopy is a folder with a copy of the store at an epoch.
type aCopy struct {
	dir string
	Description
}

// copies gives copies of the next n epochs.
func (l *liveStore) copies(n int) []aCopy {
	l.t.Helper()
	var all []aCopy
	for range n {
		l.step()
		dir, d := l.copy()
		kept := filepath.Join(l.dir, fmt.Sprint("copy-", l.epoch))
		if err := os.Rename(dir, kept); err != nil {
			l.t.Fatal(err)
		}
		all = append(all, aCopy{kept, d})
	}
	return all
}

// writeAll writes checkpoints of copies.
func writeAll(t *testing.T, w *Writer, copies []aCopy) {
	t.Helper()
	for _, c := range copies {
		if _, err := w.Write(context.Background(), c.dir, c.Description, nil); err != nil {
			t.Fatal(err)
		}
	}
}

// write steps and writes a checkpoint.
func (l *liveStore) write(w *Writer) Written {
	l.t.Helper()
	l.step()
	dir, d := l.copy()
	written, err := w.Write(context.Background(), dir, d, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return written
}

// holds checks that the folder opens as the store of an epoch.
func (l *liveStore) holds(dir string, epoch int64) {
	l.t.Helper()
	s, err := l.env.OpenPebble(dir)
	if err != nil {
		l.t.Fatal(err)
	}
	got := dumpStore(l.t, s)
	if s.Mark().Offset != epoch*10 || !slices.Equal(got, l.want[epoch]) {
		l.t.Errorf("restored store stands at %d and holds\n%s\nwant epoch %d\n%s", s.Mark().Offset,
			strings.Join(got, "\n"), epoch, strings.Join(l.want[epoch], "\n"))
	}
	if err := s.Close(); err != nil {
		l.t.Error(err)
	}
}

// dumpStore is all that a store holds, its schemas and mark included.
func dumpStore(t *testing.T, s statestore.Store) []string {
	t.Helper()
	var lines []string
	err := s.Scan([]byte{0}, []byte{0xff}, func(k, v []byte) bool {
		lines = append(lines, fmt.Sprintf("%q=%q", k, v))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func newTestSeries(t *testing.T, target Target) *Series {
	t.Helper()
	s, err := NewSeries(target, testApplication, testTask)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listed gives a target's keys of a kind.
func listed(t *testing.T, target Target, kind string) []string {
	t.Helper()
	var keys []string
	err := target.List(context.Background(), kind+"/", func(o Object) error {
		keys = append(keys, o.Key)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	return keys
}

// absent checks that nothing is at a path.
func absent(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("%s is there: %v", path, err)
	}
}
