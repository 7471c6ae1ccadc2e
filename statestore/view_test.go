package statestore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// TestViewIsTheModel compares views of random ranges with a model, under spills and deletions: a
// paged scan gives what the model holds, in order, whatever the limit.
func TestViewIsTheModel(t *testing.T) {
	d := openDisk(t, vfs.NewMem())
	defer d.env.Close()
	b, model := statestore.NewBuffered(d), statestore.NewMem()
	defer func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}()
	rng := rand.New(rand.NewPCG(1, 2))
	key := func(n int) statestore.Key { return statestore.Key(nil).String("t").Int(int64(n)) }
	for epoch := int64(1); epoch <= 300; epoch++ {
		var changes []statestore.Change
		for _, n := range rng.Perm(2000)[:rng.IntN(60)] {
			c := statestore.Change{Key: key(n), Ordered: rng.IntN(2) == 0}
			if rng.IntN(40) > 38*int(epoch/100%2) { // for a while nearly all are deletions
				c.Value = fmt.Appendf(nil, "%d@%d", n, epoch)
			}
			changes = append(changes, c)
		}
		for _, s := range []statestore.Store{model, b} {
			if err := s.Apply(bytesOf(changes), statestore.Mark{Offset: epoch}); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(30) == 0 {
			if err := b.Spill(); err != nil {
				t.Fatal(err)
			}
		}
		from := rng.IntN(2000)
		r := statestore.Range{From: key(from), To: key(from + rng.IntN(1500)),
			Limit: rng.IntN(20)}
		comparePaged(t, b, model, r, epoch)
		comparePoint(t, b, model, key(rng.IntN(2000)))
	}
}

func bytesOf(changes []statestore.Change) []statestore.Change {
	return append([]statestore.Change(nil), changes...) // Apply may reorder them
}

func comparePaged(t *testing.T, b *statestore.Buffered, model *statestore.Mem, r statestore.Range,
	epoch int64) {
	t.Helper()
	var got, want []string
	for next := r.From; next != nil; {
		v, err := b.View(statestore.Range{From: next, To: r.To, Limit: r.Limit})
		if err != nil {
			t.Fatal(err)
		}
		n, before := 0, next
		next, err = v.Scan(0, func(k, value []byte) bool {
			got = append(got, fmt.Sprintf("%x=%s", k, value))
			n++
			return r.Limit == 0 || n < r.Limit
		})
		if v.Mark.Offset != epoch {
			t.Fatalf("the view is of mark %d, want %d", v.Mark.Offset, epoch)
		}
		if err := v.Close(); err != nil || next != nil && bytes.Compare(next, before) <= 0 {
			t.Fatalf("page from %x leads to %x: %v", before, next, err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	_ = model.Scan(r.From, r.To, func(k, value []byte) bool { // never fails
		want = append(want, fmt.Sprintf("%x=%s", k, value))
		return true
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("epoch %d, limit %d: got %d rows, want %d\n%v\n%v", epoch, r.Limit, len(got),
			len(want), got, want)
	}
}

func comparePoint(t *testing.T, b *statestore.Buffered, model *statestore.Mem, key []byte) {
	t.Helper()
	v, err := b.View(statestore.Point(key))
	if err != nil {
		t.Fatal(err)
	}
	got, ok, err := v.Get(key)
	want, known, _ := model.Get(key) // never fails
	if err != nil || ok != known || !bytes.Equal(got, want) {
		t.Fatalf("key %x is %q %v %v, want %q %v", key, got, ok, err, want, known)
	}
	if _, _, err := v.Get([]byte("elsewhere")); err == nil {
		t.Fatal("a view gives a key that it does not hold")
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestViewIsOfOneMark has every epoch write all keys, while views look: each shows one epoch, the
// one that its mark names, also when it is read long after.
func TestViewIsOfOneMark(t *testing.T) {
	d := openDisk(t, vfs.NewMem())
	defer d.env.Close()
	b := statestore.NewBuffered(d)
	const keys, epochs = 40, 2000
	key := func(n int) []byte { return statestore.Key(nil).String("t").Int(int64(n)) }
	done := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					lookOnce(t, b, key(0), key(keys), keys)
				}
			}
		})
	}
	readers.Go(func() { // epochs are applied while others go to disk
		for {
			select {
			case <-done:
				return
			default:
				if err := b.Spill(); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for epoch := int64(1); epoch <= epochs; epoch++ {
		changes := make([]statestore.Change, keys)
		for n := range changes {
			changes[n] = statestore.Change{Key: key(n), Value: fmt.Appendf(nil, "%d", epoch),
				Ordered: n%2 == 0}
		}
		if err := b.Apply(changes, statestore.Mark{Offset: epoch}); err != nil {
			t.Fatal(err)
		}
	}
	close(done)
	readers.Wait()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

func lookOnce(t *testing.T, b *statestore.Buffered, from, to []byte, keys int) {
	v, err := b.View(statestore.Point(from), statestore.Range{From: from, To: to})
	if err != nil {
		t.Error(err)
		return
	}
	want := fmt.Sprint(v.Mark.Offset)
	n := 0
	_, err = v.Scan(1, func(_, value []byte) bool {
		n++
		if string(value) != want {
			t.Errorf("epoch %s shows a value of epoch %s", want, value)
		}
		return true
	})
	if err != nil || n != keys && want != "0" {
		t.Errorf("epoch %s shows %d keys: %v", want, n, err)
	}
	if value, ok, err := v.Get(from); err != nil || ok && string(value) != want {
		t.Errorf("epoch %s has point value %s: %v", want, value, err)
	}
	if err := v.Close(); err != nil {
		t.Error(err)
	}
}
