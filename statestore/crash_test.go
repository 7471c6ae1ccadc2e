package statestore_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

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

// judge opens what a crash left and compares it with the model at exactly its mark.
func (s *snapshots) judge(t *testing.T, files *vfs.MemFS) {
	t.Helper()
	d := openDisk(t, files)
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
}

// TestCrashKeepsDataAndMarkTogether cuts the power at random moments, losing none, some or all of
// what was not synced: whatever is left is the state of one epoch, the position included.
func TestCrashKeepsDataAndMarkTogether(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			files := vfs.NewCrashableMem()
			d := openDisk(t, files)
			defer d.close(t)
			b := newBuffer(d)
			s := &snapshots{now: map[string]string{}, at: []map[string]string{{}}}
			for range 120 {
				changes := randomChanges(r)
				if r.IntN(10) == 0 { // enough of these fill a memtable, which flushes by itself
					changes = append(changes, statestore.Change{Key: []byte("\x02big\x00"),
						Value: []byte(strings.Repeat(fmt.Sprint(len(s.at)), 400_000))})
				}
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
				case 1, 2, 3:
					b.spill(t)
				case 4:
					s.judge(t, files.CrashClone(vfs.CrashCloneCfg{
						UnsyncedDataPercent: r.IntN(3) * 50, RNG: r}))
				}
			}
		})
	}
}

// TestDamagedStoreIsKnown spoils the files of a closed store: opening it must say CorruptError, the
// sign to rebuild, and not serve what is left.
func TestDamagedStoreIsKnown(t *testing.T) {
	spoil := map[string]func(fs vfs.FS, name string) error{
		"MANIFEST":        truncate,
		"marker.manifest": func(fs vfs.FS, name string) error { return fs.Remove(name) },
		".sst":            func(fs vfs.FS, name string) error { return fs.Remove(name) },
	}
	for part, act := range spoil {
		t.Run(part, func(t *testing.T) {
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
			slices.Sort(names)
			for _, name := range names {
				if strings.Contains(name, part) {
					if err := act(files, "store/"+name); err != nil {
						t.Fatal(err)
					}
				}
			}
			env := statestore.NewEnv(files, 1<<20, func(err error) { t.Log(err) })
			defer env.Close()
			store, err := env.OpenPebble("store")
			if err == nil {
				t.Errorf("it opened, at %+v, of %v", store.Mark(), names)
				err = store.Close()
			}
			var corrupt *statestore.CorruptError
			if !errors.As(err, &corrupt) || corrupt.Dir != "store" {
				t.Errorf("error %v, want a CorruptError of the folder", err)
			}
		})
	}
}

// truncate cuts a file in half.
func truncate(fs vfs.FS, name string) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	half := make([]byte, info.Size()/2)
	if _, err := f.ReadAt(half, 0); err != nil {
		return err
	}
	g, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = g.Write(half)
	return errors.Join(err, f.Close(), g.Close())
}
