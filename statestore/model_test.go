package statestore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// subject is a Store that can be closed and opened again.
type subject interface {
	statestore.Store
	reopen(t *testing.T)
	spill(t *testing.T)
}

// memory needs no reopening.
type memory struct{ *statestore.Mem }

func (memory) reopen(*testing.T) {}
func (memory) spill(*testing.T)  {}

// buffer is a Buffered over another subject.
type buffer struct {
	*statestore.Buffered
	below  subject
	places map[string]*statestore.Place
	n      int
}

func newBuffer(below subject) *buffer {
	return &buffer{Buffered: statestore.NewBuffered(below), below: below,
		places: make(map[string]*statestore.Place)}
}

// Apply implements statestore.Store. Most keys have a place, kept for a while.
func (b *buffer) Apply(changes []statestore.Change, m statestore.Mark) error {
	if b.n++; b.n%13 == 0 {
		clear(b.places)
	}
	for i := range changes {
		key := string(changes[i].Key)
		if b.places[key] == nil {
			b.places[key] = new(statestore.Place)
		}
		if (b.n+i)%4 != 0 {
			changes[i].Place = b.places[key]
		}
	}
	return b.Buffered.Apply(changes, m)
}

func (b *buffer) spill(t *testing.T) {
	t.Helper()
	if err := b.Spill(); err != nil {
		t.Fatal(err)
	}
}

func (b *buffer) reopen(t *testing.T) {
	t.Helper()
	b.below.reopen(t)
	b.Buffered = statestore.NewBuffered(b.below)
}

// disk is a Pebble on a file system in memory.
type disk struct {
	*statestore.Pebble
	env *statestore.Env
}

func openDisk(t *testing.T, files vfs.FS) *disk {
	t.Helper()
	return openEnv(t, statestore.NewEnv(files, 1<<20, func(err error) { t.Error(err) }))
}

func openMemory(t *testing.T, m *statestore.MemoryDisk) *disk {
	t.Helper()
	return openEnv(t, m.Env(1<<20, func(err error) { t.Error(err) }))
}

func openEnv(t *testing.T, env *statestore.Env) *disk {
	t.Helper()
	store, err := env.OpenPebble("store")
	if err != nil {
		env.Close()
		t.Fatal(err)
	}
	return &disk{store, env}
}

func (d *disk) spill(*testing.T) {}

func (d *disk) reopen(t *testing.T) {
	t.Helper()
	if err := d.Pebble.Close(); err != nil {
		t.Fatal(err)
	}
	store, err := d.env.OpenPebble("store")
	if err != nil {
		t.Fatal(err)
	}
	d.Pebble = store
}

func (d *disk) close(t *testing.T) {
	t.Helper()
	if err := d.Pebble.Close(); err != nil {
		t.Error(err)
	}
	d.env.Close()
}

// stateKey is the i-th of few keys of a table: the sorted one is scanned, the other is not.
func stateKey(sorted bool, i int) []byte {
	if sorted {
		return statestore.Key(nil).String("sorted").Int(int64(i % 7)).String(fmt.Sprint(i))
	}
	return statestore.Key(nil).String("plain").String(fmt.Sprint(i))
}

const keyCount = 60

// randomChanges sets and deletes some keys, each once.
func randomChanges(r *rand.Rand) []statestore.Change {
	var out []statestore.Change
	for _, i := range r.Perm(2 * keyCount)[:r.IntN(20)] {
		c := statestore.Change{Key: stateKey(i%2 == 0, i/2), Ordered: i%2 == 0}
		if r.IntN(3) > 0 {
			c.Value = make([]byte, r.IntN(40)) // an empty value is a value
			for j := range c.Value {
				c.Value[j] = byte(r.Uint32())
			}
		}
		out = append(out, c)
	}
	return out
}

func randomMark(r *rand.Rand, n int64) statestore.Mark {
	m := statestore.Mark{Offset: n, Time: int64(r.Uint32()), Topic: [16]byte{1, byte(n)}}
	if n%4 != 0 {
		m.Position = fmt.Appendf(nil, "position %d", n)
	}
	return m
}

// contents reads a range by scanning, up to a number of keys.
func contents(t *testing.T, s statestore.Store, from, to []byte, limit int) string {
	t.Helper()
	var b bytes.Buffer
	err := s.Scan(from, to, func(key, value []byte) bool {
		fmt.Fprintf(&b, "%x=%x\n", key, value)
		limit--
		return limit > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// compare checks one store against the model: its mark, a key, and a range of the scanned table.
func compare(t *testing.T, r *rand.Rand, got, want statestore.Store) {
	t.Helper()
	if g, w := got.Mark(), want.Mark(); !reflect.DeepEqual(g, w) {
		t.Fatalf("mark %+v, want %+v", g, w)
	}
	for range 5 {
		key := stateKey(r.IntN(2) == 0, r.IntN(keyCount))
		g, gok, err := got.Get(key)
		w, wok, _ := want.Get(key)
		if err != nil || gok != wok || !bytes.Equal(g, w) {
			t.Fatalf("key %x: %x, %v, %v; want %x, %v", key, g, gok, err, w, wok)
		}
	}
	from, to := stateKey(true, r.IntN(keyCount)), stateKey(true, r.IntN(keyCount))
	if r.IntN(2) == 0 {
		table := statestore.Key(nil).String("sorted")
		from, to = table, table.End()
	}
	limit := 1 + r.IntN(2*keyCount)
	if g, w := contents(t, got, from, to, limit), contents(t, want, from, to, limit); g != w {
		t.Fatalf("from %x to %x, at most %d:\n%s\nwant:\n%s", from, to, limit, g, w)
	}
}

// TestStoresAgree drives every kind of Store through the same random acts as the model.
func TestStoresAgree(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			model := statestore.NewMem()
			plain, below := openDisk(t, vfs.NewMem()), openDisk(t, vfs.NewMem())
			defer plain.close(t)
			defer below.close(t)
			subjects := []subject{newBuffer(memory{statestore.NewMem()}), plain, newBuffer(below)}
			for n := range int64(150) {
				changes, mark := randomChanges(r), randomMark(r, n+1)
				act := r.IntN(10)
				for _, s := range append(subjects, memory{model}) {
					mine := append([]statestore.Change(nil), changes...)
					if err := s.Apply(mine, mark); err != nil {
						t.Fatal(err)
					}
					if act == 0 {
						s.spill(t)
					}
					if act <= 2 && act > 0 {
						if err := s.Flush(); err != nil {
							t.Fatal(err)
						}
					}
					if act == 1 {
						s.reopen(t)
					}
				}
				for _, s := range subjects {
					compare(t, rand.New(rand.NewPCG(seed, uint64(n))), s, model)
				}
			}
		})
	}
}

// watched calls back while a batch is on its way to the store below.
type watched struct {
	statestore.Store
	writing func()
}

// Apply implements statestore.Store.
func (w *watched) Apply(changes []statestore.Change, m statestore.Mark) error {
	w.writing()
	return w.Store.Apply(changes, m)
}

// TestSpilledIsSeenWhileItIsWritten reads in the middle of a spill, over and under newer changes.
func TestSpilledIsSeenWhileItIsWritten(t *testing.T) {
	base := &watched{Store: statestore.NewMem()}
	s := statestore.NewBuffered(base)
	set := func(i int, value string, offset int64) {
		c := statestore.Change{Key: stateKey(true, i), Ordered: true}
		if value != "" {
			c.Value = []byte(value)
		}
		if err := s.Apply([]statestore.Change{c}, statestore.Mark{Offset: offset}); err != nil {
			t.Fatal(err)
		}
	}
	base.writing = func() {}
	set(0, "below", 1)
	set(7, "below", 2)
	if err := s.Spill(); err != nil {
		t.Fatal(err)
	}
	set(0, "written", 3)
	set(7, "", 4)
	set(14, "written", 5)
	calls := 0
	base.writing = func() {
		calls++
		set(14, "newer", 6)
		for i, want := range map[int]string{0: "written", 7: "", 14: "newer"} {
			if v, ok, err := s.Get(stateKey(true, i)); err != nil || ok != (want != "") ||
				string(v) != want {
				t.Errorf("key %d is %q, %v, %v; want %q", i, v, ok, err, want)
			}
		}
		table := statestore.Key(nil).String("sorted")
		want := fmt.Sprintf("%x=%x\n%x=%x\n", stateKey(true, 0), "written", stateKey(true, 14),
			"newer")
		if got := contents(t, s, table, table.End(), 9); got != want {
			t.Errorf("scanned:\n%swant:\n%s", got, want)
		}
		if s.Mark().Offset != 6 || s.Bytes() == 0 || s.Spill() == nil {
			t.Error("the mark, the bytes or the guard against a second spill is wrong")
		}
	}
	if err := s.Spill(); err != nil || calls != 1 {
		t.Fatal(calls, err)
	}
	if m := base.Mark(); m.Offset != 5 {
		t.Errorf("the store below stands at %d, want the spilled 5", m.Offset)
	}
}

// TestReadsDuringSpill reads a value that every Apply raises, while it is spilled and flushed: a
// reader must never see it fall back.
func TestReadsDuringSpill(t *testing.T) {
	d := openDisk(t, vfs.NewMem())
	defer d.close(t)
	s := statestore.NewBuffered(d)
	key := stateKey(true, 1)
	var wg sync.WaitGroup
	done := make(chan struct{})
	watch := func(read func() string) {
		wg.Go(func() {
			for last := ""; ; {
				now := read()
				if now < last {
					t.Errorf("read %q after %q", now, last)
					return
				}
				last = now
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	watch(func() string { v, _, _ := s.Get(key); return string(v) })
	watch(func() string {
		got := ""
		_ = s.Scan(key, append(key, 0), func(_, v []byte) bool { got = string(v); return true })
		return got
	})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				if err := s.Flush(); err != nil {
					t.Error(err)
					return
				}
			}
		}
	})
	for n := range 3000 {
		c := statestore.Change{Key: key, Value: fmt.Appendf(nil, "%06d", n), Ordered: true}
		mark := statestore.Mark{Offset: int64(n + 1)}
		if err := s.Apply([]statestore.Change{c}, mark); err != nil {
			t.Error(err)
		}
	}
	close(done)
	wg.Wait()
}
