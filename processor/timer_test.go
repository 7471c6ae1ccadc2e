package processor

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pawl/statestore"
)

// firing is one timer as it fired, or as the model says that it must.
type firing struct {
	at  int64
	key string
}

// due lists what the watermark has reached, in order of time and key.
func due(set map[firing]bool, watermark int64) []firing {
	var out []firing
	for f := range set {
		if f.at <= watermark {
			out = append(out, f)
		}
	}
	slices.SortFunc(out, func(a, b firing) int {
		if a.at != b.at {
			return int(a.at - b.at)
		}
		return slices.Compare([]byte(a.key), []byte(b.key))
	})
	return out
}

// TestTimersFireOnceInOrder sets timers at random, some in the past, some twice, over commits,
// drops and restarts, and compares every firing with a model that sorts a set.
func TestTimersFireOnceInOrder(t *testing.T) {
	for seed := range uint64(10) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		var log []firing
		p := New("p")
		var timers *Timers
		timers = NewTimers(p, "x", func(ctx *Context) error {
			log = append(log, firing{ctx.Time().UnixMilli(), ctx.Key()})
			if ctx.Time().UnixMilli()%5 == 0 {
				timers.Set(ctx, ctx.Time().Add(7*time.Millisecond)) // a timer may set the next one
			}
			return nil
		})
		Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
			timers.Set(ctx, time.UnixMilli(v.At))
			return nil
		}).EventTime(func(v sample) time.Time { return time.UnixMilli(v.At / 2) })
		store := statestore.NewMem()
		r := newRig(t, p, store)
		open, saved := map[firing]bool{}, map[firing]bool{}
		var clock, savedClock int64
		for range 300 {
			act := rnd.IntN(20)
			switch {
			case act == 0:
				r.seal()
				r.commit(int64(rnd.IntN(2)) * 1000)
				saved, savedClock = cloneSet(open), clock
			case act == 1:
				r.rewind()
				open, clock = cloneSet(saved), savedClock
			case act == 2:
				r = newRig(t, p, store)
				open, clock = cloneSet(saved), savedClock
			default:
				log = nil
				v := sample{fmt.Sprint("k", rnd.IntN(4)), 2*clock + int64(rnd.IntN(60)) - 25}
				v.At = max(v.At, 0)
				if err := r.step(v); err != nil {
					t.Fatal(err)
				}
				clock = max(clock, v.At/2)
				open[firing{v.At, v.Key}] = true
				if want := expect(open, clock); !slices.Equal(log, want) {
					t.Fatalf("seed %d: at %d fired %v, want %v", seed, clock, log, want)
				}
			}
		}
	}
}

// expect takes the first due timer again and again: each may set another that is due before the
// rest.
func expect(open map[firing]bool, clock int64) []firing {
	var out []firing
	for {
		first := due(open, clock)
		if len(first) == 0 {
			return out
		}
		f := first[0]
		out = append(out, f)
		delete(open, f)
		if f.at%5 == 0 {
			open[firing{f.at + 7, f.key}] = true
		}
	}
}

// TestManyTimersFireInOrder has more timers than are held in memory, set in any order, some while
// others fire, with a rewind and a restart in between.
func TestManyTimersFireInOrder(t *testing.T) {
	const n = 3 * timerAhead
	rnd := rand.New(rand.NewPCG(1, 1))
	var fired []firing
	p := New("p")
	timers := NewTimers(p, "x", func(ctx *Context) error {
		fired = append(fired, firing{ctx.Time().UnixMilli(), ctx.Key()})
		return nil
	})
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		timers.Set(ctx, time.UnixMilli(v.At))
		return nil
	}).EventTime(func(v sample) time.Time { return time.UnixMilli(v.At / 1000) })
	store := statestore.NewMem()
	r := newRig(t, p, store)
	want := make(map[firing]bool)
	put := func(at int64, key string) {
		if err := r.step(sample{key, at}); err != nil {
			t.Fatal(err)
		}
		want[firing{at, key}] = true
	}
	for i := range n {
		put(1000+int64(rnd.IntN(n)), fmt.Sprint("k", rnd.IntN(50)))
		if i%(n/3) == n/6 {
			r.seal()
			r.commit(0)
		}
	}
	r.seal()
	r.commit(0)
	if len(fired) != 0 {
		t.Fatalf("%d timers fired early", len(fired))
	}
	r = newRig(t, p, store)
	for step := int64(1); step <= 4; step++ {
		put(1000*(1000+step*n/4), "late") // moves the event time over a quarter of the timers
	}
	all := due(want, 1000+n)
	if !slices.Equal(fired, all) {
		t.Fatalf("%d timers fired, want %d, or in another order", len(fired), len(all))
	}
	r.seal()
	r.commit(0)
	digest, left := hashed(t, store)
	if pos := r.position(); uint64(pos.Digest) != digest || left != len(want)-len(all) {
		t.Errorf("%d timers are left, want %d; rolling digest %x, from scratch %x", left,
			len(want)-len(all), pos.Digest, digest)
	}
}

func cloneSet(m map[firing]bool) map[firing]bool {
	out := make(map[firing]bool, len(m))
	for f := range m {
		out[f] = true
	}
	return out
}
