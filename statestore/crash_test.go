package statestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"pawl/statestore"
)

// snapshots remembers the model's contents at every mark.
type snapshots struct {
	now     map[string]string
	at      []map[string]string // by mark offset
	flushed int64               // the mark that must survive
}

func (s *snapshots) apply(changes []statestore.Change) int64 {
	s.now = maps.Clone(s.now)
	for _, c := range changes {
		if c.Value == nil {
			delete(s.now, string(c.Key))
		} else {
			s.now[string(c.Key)] = string(c.Value)
		}
	}
	s.at = append(s.at, s.now)
	return int64(len(s.at) - 1)
}

// judge opens what a crash left and compares it with the model at exactly its mark, which it
// returns.
func (s *snapshots) judge(t *testing.T, files *statestore.MemoryDisk) int64 {
	t.Helper()
	d := openMemory(t, files)
	defer d.close(t)
	mark := d.Mark()
	if mark.Offset < s.flushed || mark.Offset >= int64(len(s.at)) {
		t.Fatalf("after the crash the store stands at %d; %d was flushed", mark.Offset, s.flushed)
	}
	want := s.at[mark.Offset]
	got := make(map[string]string)
	err := d.Scan([]byte{2}, []byte{3}, func(key, value []byte) bool {
		got[string(key)] = string(value)
		return true
	})
	if err != nil || !maps.Equal(got, want) {
		t.Fatalf("at mark %d the store has %d keys, the model %d; %v", mark.Offset, len(got),
			len(want), err)
	}
	if mark.Offset > 0 && string(mark.Position) != fmt.Sprint("position ", mark.Offset) {
		t.Fatalf("mark %d has position %q", mark.Offset, mark.Position)
	}
	return mark.Offset
}

// TestCrashKeepsDataAndMarkTogether cuts the power at random moments, losing none, some or all of
// what was not synced: whatever is left is the state of one epoch, the position included.
func TestCrashKeepsDataAndMarkTogether(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			files := statestore.NewMemoryDisk()
			d := openMemory(t, files)
			defer d.close(t)
			b := newBuffer(d)
			s := &snapshots{now: map[string]string{}, at: []map[string]string{{}}}
			for range 60 {
				changes := randomChanges(r)
				n := s.apply(changes)
				mark := statestore.Mark{Offset: n, Position: fmt.Append(nil, "position ", n)}
				if err := b.Apply(changes, mark); err != nil {
					t.Fatal(err)
				}
				switch r.IntN(12) {
				case 0:
					if err := b.Flush(); err != nil {
						t.Fatal(err)
					}
					s.flushed = n
				case 1, 2, 3, 4, 5, 6, 7, 8:
					b.spill(t)
				default:
					s.judge(t, files.Image(r, r.IntN(3)*50))
				}
			}
		})
	}
}

// TestFullMemtableKeepsThemTogether fills a memtable, which then goes to disk by itself: the epoch
// that no longer fitted must be wholly on one side.
func TestFullMemtableKeepsThemTogether(t *testing.T) {
	files := statestore.NewMemoryDisk()
	d := openMemory(t, files)
	defer d.close(t)
	s := &snapshots{now: map[string]string{}, at: []map[string]string{{}}}
	for i := range 4 { // of 3 MiB each; a memtable has 8
		changes := []statestore.Change{{Key: stateKey(true, i), Value: make([]byte, 3<<20)}}
		n := s.apply(changes)
		mark := statestore.Mark{Offset: n, Position: fmt.Append(nil, "position ", n)}
		if err := d.Apply(changes, mark); err != nil {
			t.Fatal(err)
		}
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if at := s.judge(t, files.Image(nil, 0)); at > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing went to disk by itself")
		}
	}
}

// TestDamagedStoreIsKnown spoils the files of a closed store. Opening it must say CorruptError, the
// sign to rebuild, or give an empty store, which is restored from the start as well; it must never
// serve what is left.
func TestDamagedStoreIsKnown(t *testing.T) {
	remove := func(files vfs.FS, name string) error { return files.Remove(name) }
	for _, c := range []struct {
		part    string
		act     func(files vfs.FS, name string) error
		corrupt bool
	}{
		{"MANIFEST", remove, true},
		{"MANIFEST", truncate, false}, // as after a crash: an earlier state
		{"marker.manifest", remove, false},
		{".sst", remove, true},
		{".sst", truncate, true},
	} {
		files := vfs.NewMem()
		d := openDisk(t, files)
		change := statestore.Change{Key: []byte("\x02k\x00"), Value: []byte("v")}
		err := errors.Join(d.Apply([]statestore.Change{change}, statestore.Mark{Offset: 1}),
			d.Flush())
		d.close(t)
		names, listErr := files.List("store")
		if err = errors.Join(err, listErr); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if strings.HasPrefix(name, c.part) || strings.HasSuffix(name, c.part) {
				if err := c.act(files, "store/"+name); err != nil {
					t.Fatal(err)
				}
			}
		}
		env := statestore.NewEnv(files, 1<<20, func(err error) { t.Log(err) })
		store, err := env.OpenPebble("store")
		var corrupt *statestore.CorruptError
		switch {
		case err == nil:
			if m := store.Mark(); c.corrupt || m.Offset != 0 {
				t.Errorf("%s spoilt: it opened, at %+v", c.part, m)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		case !errors.As(err, &corrupt) || corrupt.Dir != "store":
			t.Errorf("%s spoilt: error %v, want a CorruptError of the folder", c.part, err)
		}
		env.Close()
	}
}

// TestDamageMetInUse spoils a file that opening does not read: whoever reads it gets an error, the
// process is told to end, and the next open knows.
func TestDamageMetInUse(t *testing.T) {
	files := vfs.NewMem()
	d := openDisk(t, files)
	r := rand.New(rand.NewPCG(1, 1))
	var changes []statestore.Change
	for i := range 200 { // many blocks; the mark is in the first
		value := make([]byte, 4096)
		for j := range value {
			value[j] = byte(r.Uint32())
		}
		changes = append(changes, statestore.Change{Key: stateKey(true, i), Value: value})
	}
	err := errors.Join(d.Apply(changes, statestore.Mark{Offset: 2}), d.Flush())
	d.close(t)
	names, listErr := files.List("store")
	if err = errors.Join(err, listErr); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".sst") {
			if err := flip(files, "store/"+name); err != nil {
				t.Fatal(err)
			}
		}
	}
	var told atomic.Pointer[error]
	env := statestore.NewEnv(files, 1<<20, func(err error) { told.Store(&err) })
	defer env.Close()
	store, err := env.OpenPebble("store")
	if err != nil || store.Mark().Offset != 2 {
		t.Fatal("opening met the damage already: ", err)
	}
	failed := 0
	for _, c := range changes {
		v, ok, err := store.Get(c.Key)
		if err != nil {
			failed++
		} else if !ok || !bytes.Equal(v, c.Value) {
			t.Fatalf("key %x reads as %.20x, %v", c.Key, v, ok)
		}
	}
	if failed == 0 {
		t.Error("no read met the damage")
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
	var corrupt *statestore.CorruptError
	if e := told.Load(); e == nil || !errors.As(*e, &corrupt) {
		t.Errorf("the process was not told to end: %v", e)
	}
	if _, err := env.OpenPebble("store"); !errors.As(err, &corrupt) {
		t.Errorf("opened again: %v, want a CorruptError", err)
	}
}

// TestRefusedReadIsNoDamage fails every read of a healthy store: it must not be taken for damaged,
// which would have it deleted.
func TestRefusedReadIsNoDamage(t *testing.T) {
	files := vfs.NewMem()
	d := openDisk(t, files)
	change := statestore.Change{Key: []byte("\x02k\x00"), Value: []byte("v")}
	err := errors.Join(d.Apply([]statestore.Change{change}, statestore.Mark{Offset: 1}), d.Flush())
	d.close(t)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string][]errorfs.OpReadWrite{
		".sst":     {errorfs.OpIsRead, errorfs.OpIsWrite},
		"OPTIONS":  {errorfs.OpIsRead, errorfs.OpIsWrite},
		"MANIFEST": {errorfs.OpIsRead},
		"marker":   {errorfs.OpIsRead},
	}
	for part := range kinds {
		// Writes to the MANIFEST and its marker are not among them: if they fail Pebble demands the
		// end of the process (Fatalf), and the store stays as it is.
		for _, kind := range kinds[part] {
			broken := errorfs.Wrap(files, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == kind && strings.Contains(op.Path, part) {
					return &fs.PathError{Op: "act", Path: op.Path, Err: syscall.EIO}
				}
				return nil
			}))
			env := statestore.NewEnv(broken, 1<<20, func(err error) { t.Log(err) })
			store, err := env.OpenPebble("store")
			var corrupt *statestore.CorruptError
			if errors.As(err, &corrupt) {
				t.Errorf("%s of %s fails: taken for damage: %v", kind, part, err)
			}
			if err == nil {
				err = store.Close()
			}
			t.Log(err)
			env.Close()
		}
	}
	d = openDisk(t, files)
	defer d.close(t)
	if d.Mark().Offset != 1 {
		t.Errorf("the store stands at %+v", d.Mark())
	}
}

// truncate cuts a file in half.
func truncate(files vfs.FS, name string) error {
	return rewrite(files, name, func(b []byte) []byte { return b[:len(b)/2] })
}

// flip changes some bytes in the middle of a file.
func flip(files vfs.FS, name string) error {
	return rewrite(files, name, func(b []byte) []byte {
		for i := range 100 {
			b[len(b)/2+i] ^= 0xFF
		}
		return b
	})
}

func rewrite(files vfs.FS, name string, change func([]byte) []byte) error {
	f, err := files.Open(name)
	if err != nil {
		return err
	}
	data, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	g, err := files.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = g.Write(change(data))
	return errors.Join(err, g.Close())
}
