package processor

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// lineRig is a rig of one timeline, all of whose values it is told to hold.
func lineRig(t testing.TB, store statestore.Store, retention int64) *rig {
	p := New("p")
	line := NewTimeline(p, "t", millis(retention), sampleType())
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		line.Add(ctx, v)
		return nil
	}).EventTime(func(v sample) time.Time { return time.UnixMilli(v.At) })
	return newRig(t, p, store)
}

// lines lists the values of a table, or the times of its timers, by key.
func lines[V any](r *rig, table int, of func(V) int64) map[string][]int64 {
	r.t.Helper()
	all := make(map[string][]int64)
	c := r.core.tables[table].(*cache[V])
	c.scan(statestore.Key{0}, statestore.Key{0xFF}, func(key string, v V) bool {
		parts, err := statestore.DecodeKey([]byte(key))
		if err != nil {
			r.t.Fatal(err)
		}
		name, ok := parts[0].(string)
		if !ok {
			name = parts[1].(string)
		}
		all[name] = append(all[name], of(v))
		return true
	})
	if r.core.failure != nil {
		r.t.Fatal(r.core.failure)
	}
	return all
}

// TestTimelineForgets compares, after each record, with all values that are above the horizon:
// whatever was late, evicted from the cache or dropped with its epoch.
func TestTimelineForgets(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		store := statestore.NewMem()
		const retention = 200
		r := lineRig(t, store, retention)
		at := func(v sample) int64 { return v.At }
		due := func(v record.Timer) int64 { return v.At }
		var taken []sample // by offset
		most, clock := 0, int64(1_000)
		for range 3_000 {
			switch n := rnd.IntN(60); {
			case n == 0:
				r.seal()
				r.commit(int64(rnd.IntN(2) * 5_000))
				continue
			case n == 1 && rnd.IntN(3) == 0:
				r.rewind()
				taken = taken[:r.offset]
				continue
			case n == 3:
				clock += rnd.Int64N(300)
			}
			clock += rnd.Int64N(4)
			v := sample{Key: string(rune('a' + rnd.IntN(3))), At: clock - rnd.Int64N(100)}
			taken = append(taken, v)
			if err := r.step(v); err != nil {
				t.Fatal(err)
			}
			want := make(map[string][]int64)
			for _, v := range taken {
				if v.At > r.core.watermark-retention {
					want[v.Key] = append(want[v.Key], v.At)
				}
			}
			for key := range want {
				slices.Sort(want[key])
				most = max(most, len(want[key]))
			}
			if got := lines(r, 0, at); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: %d records, watermark %d:\n%v\nwant\n%v", seed, len(taken),
					r.core.watermark, got, want)
			}
			for key, times := range lines(r, 2, due) {
				if slices.Min(times) > want[key][0]+retention {
					t.Fatalf("seed %d: the first timer of %s is at %d, its first value at %d",
						seed, key, slices.Min(times), want[key][0])
				}
			}
		}
		if most < 20 {
			t.Errorf("seed %d: no key had more than %d values", seed, most)
		}
	}
}

// TestTimelineForgetsMany at once: more than it looks up at a time.
func TestTimelineForgetsMany(t *testing.T) {
	r := lineRig(t, statestore.NewMem(), 5_000)
	at := func(v sample) int64 { return v.At }
	for ms := range int64(3*spotsGone + 10) {
		if err := r.step(sample{Key: "a", At: ms}); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ at, first int64 }{
		{8_072, 3_073 - 1}, {8_082, 0}, {20_000, 0},
	} {
		if err := r.step(sample{Key: "b", At: step.at}); err != nil {
			t.Fatal(err)
		}
		got := lines(r, 0, at)["a"]
		if step.first == 0 && len(got) > 0 || step.first > 0 && got[0] != step.first+1 {
			t.Errorf("at %d there are %d values, from %v", step.at, len(got), got)
		}
	}
}

// TestTimelineRetentionMayChange: values that were to be kept longer go with the next that goes.
func TestTimelineRetentionMayChange(t *testing.T) {
	for _, change := range [][2]int64{{500, 90}, {90, 500}} {
		store := statestore.NewMem()
		var last int64
		for _, retention := range change {
			r := lineRig(t, store, retention)
			for range 100 {
				last += 7
				if err := r.step(sample{Key: "a", At: last}); err != nil {
					t.Fatal(err)
				}
			}
			r.seal()
			r.commit(0)
		}
		r := lineRig(t, store, change[1])
		if err := r.step(sample{Key: "a", At: last + 1}); err != nil {
			t.Fatal(err)
		}
		got := lines(r, 0, func(v sample) int64 { return v.At })["a"]
		if n := change[1]/7 + 1; got[0] <= last+1-change[1] || int64(len(got)) < min(n, 100) {
			t.Errorf("from %d to %d: at %d the first of %d is %d", change[0], change[1], last+1,
				len(got), got[0])
		}
	}
}

// BenchmarkTimeline adds a value, and so forgets another one, with each record: of one key after
// the other, each with rows values.
func BenchmarkTimeline(b *testing.B) {
	for _, shape := range []struct{ keys, rows int64 }{{1, 2_000}, {1_000, 50}} {
		b.Run(fmt.Sprintf("keys=%d/rows=%d", shape.keys, shape.rows), func(b *testing.B) {
			env := statestore.NewMemoryDisk().Env(64<<20, func(err error) { b.Error(err) })
			defer env.Close()
			base, err := env.OpenPebble("store")
			if err != nil {
				b.Fatal(err)
			}
			defer base.Close()
			store := statestore.NewBuffered(base)
			r := lineRig(b, store, shape.keys*shape.rows)
			at := int64(0)
			add := func() {
				at++
				v := sample{Key: fmt.Sprint("key-", at%shape.keys), At: at}
				if err := r.step(v); err != nil {
					b.Fatal(err)
				}
				if at%500 != 0 {
					return
				}
				r.seal()
				r.commit(32 << 20)
				if at%20_000 == 0 {
					if err := store.Spill(); err != nil {
						b.Fatal(err)
					}
				}
			}
			for range 2 * shape.keys * shape.rows {
				add()
			}
			b.ReportAllocs()
			for b.Loop() {
				add()
			}
		})
	}
}
