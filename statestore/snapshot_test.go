package statestore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// dump is a store's tables and schemas as lines.
func dump(t *testing.T, s Store) []string {
	t.Helper()
	var lines []string
	err := s.Scan([]byte{1}, []byte{0xff}, func(k, v []byte) bool {
		lines = append(lines, fmt.Sprintf("%x=%x", k, v))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// epochOf are changes that all carry the epoch's number.
func epochOf(n int64) []Change {
	var changes []Change
	for i := range 20 {
		changes = append(changes, Change{Key: fmt.Appendf(nil, "k%02d", i),
			Value: fmt.Appendf(nil, "%d", n)})
	}
	return changes
}

// TestCheckpointHoldsWholeEpochs takes copies while epochs are applied: each holds exactly the
// epoch that it names, and opens as a store that can be written.
func TestCheckpointHoldsWholeEpochs(t *testing.T) {
	env := NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	dir := t.TempDir()
	s, err := env.OpenPebble(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	first := append(epochOf(1), SchemaChange(Schema{ID: 7, Table: "t", Text: "\"long\""}))
	if err := s.Apply(first, Mark{Offset: 1, Position: []byte("p")}); err != nil {
		t.Fatal(err)
	}
	var applying sync.WaitGroup
	applying.Go(func() {
		for n := int64(2); n < 300; n++ {
			if err := s.Apply(epochOf(n), Mark{Offset: n, Position: []byte("p")}); err != nil {
				t.Error(err)
			}
		}
	})
	copied := filepath.Join(dir, "copy")
	for range 5 {
		snap, err := env.Checkpoint(s, copied)
		if err != nil {
			t.Fatal(err)
		}
		if len(snap.Schemas) != 1 || snap.Schemas[0].ID != 7 {
			t.Errorf("schemas %v", snap.Schemas)
		}
		if slices.Contains(names(t, copied), lockName) {
			t.Error("the copy has a lock file")
		}
		c, err := env.OpenPebble(copied)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, change := range epochOf(snap.Mark.Offset) {
			want = append(want, fmt.Sprintf("%x=%x", change.Key, change.Value))
		}
		if got := dump(t, c); !slices.Equal(got, want) || c.Mark().Offset != snap.Mark.Offset {
			t.Errorf("copy at offset %d holds %v", snap.Mark.Offset, got)
		}
		if err := c.Apply(epochOf(1000), Mark{Offset: 1000}); err != nil {
			t.Error(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	applying.Wait()
	if got := s.Mark().Offset; got != 299 {
		t.Errorf("the store stands at %d", got)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestInspectSparesTheProcess reads a copy that is damaged: an error, where a store in use would
// end the process.
func TestInspectSparesTheProcess(t *testing.T) {
	env := NewEnv(nil, 1<<20, func(err error) { t.Errorf("the process would end: %v", err) })
	defer env.Close()
	dir := t.TempDir()
	s, err := env.OpenPebble(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(epochOf(1), Mark{Offset: 1}); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, "copy")
	if _, err := env.Checkpoint(s, copied); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tables, err := filepath.Glob(filepath.Join(copied, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	b, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	b[10] ^= 0xff
	if err := os.Remove(tables[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(tables[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	err = env.Inspect(copied, func(s *Pebble) error {
		return s.Scan([]byte{0}, []byte{0xff}, func(k, v []byte) bool { return true })
	})
	if strings.Contains(fmt.Sprint(err), "\n") {
		t.Errorf("more than one line: %q", err)
	}
	var corrupt *CorruptError
	if !errors.As(err, &corrupt) && err == nil {
		t.Errorf("damage was not met: %v", err)
	}
	if slices.Contains(names(t, copied), damageNote) {
		t.Error("the copy was changed")
	}
	if _, err := env.Snapshot(filepath.Join(dir, "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}
