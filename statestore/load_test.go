package statestore_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// TestLoadIsApply brings the same changes into a store by runs, as files and in the memtable, and
// into the model one by one. A run has many changes of one key, over whatever is there already.
func TestLoadIsApply(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			d := openDisk(t, vfs.NewMem())
			defer d.close(t)
			model := statestore.NewMem()
			load := statestore.NewLoad(d.Pebble, 1)
			for n := int64(1); n < 80; n++ {
				mark := randomMark(r, n)
				load.BulkFrom([]int{0, 1 << 20}[r.IntN(2)])
				for range r.IntN(6) {
					changes := randomChanges(r)
					if err := model.Apply(changes, mark); err != nil {
						t.Fatal(err)
					}
					for _, c := range changes {
						load.Add(c.Key, c.Value)
						clear(c.Key) // a load keeps nothing of the caller's
					}
				}
				if err := model.Apply(nil, mark); err != nil {
					t.Fatal(err)
				}
				if err := load.Write(mark); err != nil {
					t.Fatal(err)
				}
				if got := load.Bytes(); got != 0 {
					t.Fatalf("%d bytes are left of a run that was written", got)
				}
				if r.IntN(10) == 0 {
					if err := d.Flush(); err != nil {
						t.Fatal(err)
					}
					d.reopen(t)
					load = statestore.NewLoad(d.Pebble, 1)
				}
				compare(t, r, d, model)
			}
			from, to := []byte{2}, []byte{3}
			got := contents(t, d, from, to, 1000)
			if want := contents(t, model, from, to, 1000); got != want {
				t.Errorf("the store holds\n%s\nand the model\n%s", got, want)
			}
		})
	}
}

// TestLoadSortsAnyKeys has keys that are prefixes of each other, share much or nothing, and hold
// zero bytes, which a sort by leading bytes could take for their end.
func TestLoadSortsAnyKeys(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	for range 50 {
		d := openDisk(t, vfs.NewMem())
		model := statestore.NewMem()
		load := statestore.NewLoad(d.Pebble, 1)
		load.BulkFrom(0)
		prefix := make([]byte, r.IntN(12))
		for range 200 {
			key := append([]byte{2}, prefix...)
			for range r.IntN(12) {
				key = append(key, byte(r.IntN(2)))
			}
			var value []byte
			if r.IntN(4) > 0 {
				value = binary.AppendUvarint(nil, r.Uint64())
			}
			load.Add(key, value)
			change := []statestore.Change{{Key: key, Value: value}}
			if err := model.Apply(change, statestore.Mark{Offset: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if err := load.Write(statestore.Mark{Offset: 1}); err != nil {
			t.Fatal(err)
		}
		got := contents(t, d, []byte{2}, []byte{3}, 1000)
		if want := contents(t, model, []byte{2}, []byte{3}, 1000); got != want {
			t.Fatalf("the store holds\n%s\nand the model\n%s", got, want)
		}
		d.close(t)
	}
}

// TestPowerCutInALoad cuts the power at any moment of a load, also within the write of a run: what
// is left stands at the end of a run, at least of the last one that was written as a file, and a
// load that goes on from there brings the rest.
func TestPowerCutInALoad(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 1))
			files := statestore.NewMemoryDisk()
			s := &snapshots{now: map[string]string{}, at: []map[string]string{{}}}
			var log [][]statestore.Change // what the changelog has
			for range 40 {
				changes := randomChanges(r)
				s.apply(changes)
				log = append(log, changes)
			}
			for at := int64(0); at < int64(len(log)); {
				files, at = loadUntilCut(t, r, files, s, log)
			}
		})
	}
}

// loadUntilCut loads what is missing and cuts the power meanwhile. It returns the disk as it then
// is, and where its store stands.
func loadUntilCut(t *testing.T, r *rand.Rand, files *statestore.MemoryDisk,
	s *snapshots, log [][]statestore.Change) (*statestore.MemoryDisk, int64) {
	t.Helper()
	d := openMemory(t, files)
	at := d.Mark().Offset
	load := statestore.NewLoad(d.Pebble, 1)
	cutAt := at + r.Int64N(12)
	chance := rand.New(rand.NewPCG(r.Uint64(), 2))
	var image *statestore.MemoryDisk
	cut := func() {
		image = files.Image(chance, chance.IntN(3)*50)
	}
	for image == nil && at < int64(len(log)) {
		changes := log[at]
		at++
		for _, c := range changes {
			load.Add(c.Key, c.Value)
		}
		if r.IntN(3) == 0 && at < int64(len(log)) && at < cutAt {
			continue // a run of several epochs
		}
		file := r.IntN(3) > 0
		load.BulkFrom(1 << 20)
		if file {
			load.BulkFrom(0)
		}
		mark := statestore.Mark{Offset: at, Position: fmt.Append(nil, "position ", at)}
		done := make(chan struct{})
		if at >= cutAt {
			go func() { defer close(done); cut() }()
		} else {
			close(done)
		}
		if err := load.Write(mark); err != nil {
			t.Fatal(err)
		}
		<-done
		if file && image == nil { // else the cut was before the write, after it or in it
			s.flushed = at
		}
	}
	if image == nil {
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		s.flushed = at
		cut()
	}
	d.close(t)
	return image, s.judge(t, image)
}

// TestHalfALoadIsRemoved leaves a table that was not finished, as a death does.
func TestHalfALoadIsRemoved(t *testing.T) {
	files := vfs.NewMem()
	openDisk(t, files).close(t)
	f, err := files.Create("store/"+statestore.LoadFile, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = f.Write([]byte("half"))
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	openDisk(t, files).close(t)
	if _, err := files.Stat("store/" + statestore.LoadFile); err == nil {
		t.Error("it is still there")
	}
}

// BenchmarkLoad brings a million entries of about a hundred bytes into a store on the real disk, in
// runs of both kinds.
func BenchmarkLoad(b *testing.B) {
	const entries, run = 1_000_000, 32 << 20
	for name, limits := range map[string][2]int{"files": {run, 0}, "memtable": {8 << 20, 1 << 30}} {
		b.Run(name, func(b *testing.B) {
			value := make([]byte, 70)
			for b.Loop() {
				env := statestore.NewEnv(nil, 64<<20, func(err error) { b.Error(err) })
				s, err := env.OpenPebble(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				r := rand.New(rand.NewPCG(1, 1))
				load := statestore.NewLoad(s, int64(limits[0]))
				load.BulkFrom(limits[1])
				for i := range entries {
					for j := 0; j+8 <= len(value); j += 8 {
						binary.LittleEndian.PutUint64(value[j:], r.Uint64())
					}
					key := statestore.Key(nil).String("counts").
						String(fmt.Sprintf("key-%09d", r.IntN(entries)))
					load.Add(key, value)
					if load.Full() || i == entries-1 {
						if err := load.Write(statestore.Mark{Offset: int64(i)}); err != nil {
							b.Fatal(err)
						}
					}
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
				env.Close()
			}
		})
	}
}
