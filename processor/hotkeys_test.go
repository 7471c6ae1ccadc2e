package processor

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// hotRig feeds a meter and knows what its sample has.
type hotRig struct {
	m      *hotMeter
	now    time.Time
	offset int64
	exact  map[string]int
	total  int
}

func newHotRig() *hotRig {
	now := time.Unix(1_790_000_000, 0)
	return &hotRig{m: newHotMeter([]boundInput{{}, {global: true}}, now), now: now,
		exact: make(map[string]int)}
}

func (r *hotRig) feed(n int, key func(i int) string) {
	for i := range n {
		rec := kgo.Record{Key: []byte(key(i)), Offset: r.offset}
		before := r.m.total
		r.m.take(0, &rec)
		if r.m.total > before {
			r.exact[string(rec.Key)]++
			r.total++
		}
		r.offset++
	}
}

func (r *hotRig) hot() []HotKey {
	r.m.look(r.now)
	return r.m.hot(r.now)
}

func (r *hotRig) share(key string) float64 { return float64(r.exact[key]) / float64(r.total) }

// TestHotKeysOfSkewedLoad: the keys are the right ones, and each share is what the sample has of
// the key or at most hotError less, and near what all records have.
func TestHotKeysOfSkewedLoad(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newHotRig()
		r.feed(100_000, func(int) string {
			switch n := rnd.IntN(100); {
			case n < 30:
				return "hot"
			case n < 42:
				return "warm"
			}
			return fmt.Sprint("k", rnd.IntN(20_000))
		})
		if n := float64(r.total) / 100_000; n < 0.0620 || n > 0.0630 {
			t.Errorf("seed %d: %.4f of the records are in the sample, want one of 16", seed, n)
		}
		list := r.hot()
		if len(list) != 2 || list[0].Key != "hot" || list[1].Key != "warm" {
			t.Fatalf("seed %d: hot are %v, want hot and warm", seed, list)
		}
		for i, all := range []float64{0.30, 0.12} {
			is, exact := list[i].Share, r.share(list[i].Key)
			if is > exact || is < exact-hotError || is < all-0.04 || is > all+0.03 {
				t.Errorf("seed %d: the share of %s is %.3f; the sample has %.3f, all records %.2f",
					seed, list[i].Key, is, exact, all)
			}
		}
	}
}

// TestHotKeysOfSkewEverywhere: shares keep their bound where no few keys stand out, too.
func TestHotKeysOfSkewEverywhere(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		zipf := rand.NewZipf(rnd, 1.4, 1, 50_000)
		r := newHotRig()
		r.feed(200_000, func(int) string { return fmt.Sprint(zipf.Uint64()) })
		list := r.hot()
		if len(list) != hotNamed {
			t.Fatalf("seed %d: hot are %v, want %d", seed, list, hotNamed)
		}
		for i, k := range list {
			if exact := r.share(k.Key); k.Key != fmt.Sprint(i) || k.Share > exact ||
				k.Share < exact-hotError {
				t.Errorf("seed %d: place %d has %q with %.4f; the sample has %.4f of it", seed, i,
					k.Key, k.Share, exact)
			}
		}
	}
}

// TestHotKeysOfEvenLoad: none is named, however the keys come.
func TestHotKeysOfEvenLoad(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 3))
	for _, keys := range []int{40, 64, 1024, 100_000} {
		for name, key := range map[string]func(i int) string{
			"in turns":  func(i int) string { return fmt.Sprint(i % keys) },
			"by chance": func(int) string { return fmt.Sprint(rnd.IntN(keys)) },
		} {
			r := newHotRig()
			for range 50 { // also while there are few
				r.feed(2000, key)
				if list := r.hot(); len(list) > 0 {
					t.Errorf("%d keys %s: after %d records %v are hot", keys, name, r.offset, list)
				}
			}
		}
	}
}

// TestHotKeysInTurns: a key that comes every so many records has its share, whatever the distance.
func TestHotKeysInTurns(t *testing.T) {
	for every := 2; every <= 16; every++ {
		r := newHotRig()
		r.feed(100_000, func(i int) string {
			if i%every == 0 {
				return "hot"
			}
			return fmt.Sprint("k", i)
		})
		want := 1 / float64(every)
		if list := r.hot(); len(list) != 1 || list[0].Key != "hot" ||
			list[0].Share < want-hotError-0.002 || list[0].Share > want+0.002 {
			t.Errorf("one in %d: %v are hot, want a share of %.4f", every, list, want)
		}
	}
}

// TestHotKeysComeLate: a key that puts another out is not given what that one had.
func TestHotKeysComeLate(t *testing.T) {
	r := newHotRig()
	r.feed(100_000, func(i int) string { return fmt.Sprint("k", i) })
	r.feed(20_000, func(i int) string {
		if i%2 == 0 {
			return "late"
		}
		return fmt.Sprint("l", i)
	})
	exact := r.share("late")
	if list := r.hot(); len(list) != 1 || list[0].Key != "late" || list[0].Share > exact ||
		list[0].Share < exact-hotError {
		t.Errorf("hot are %v; the sample has %.4f of late", list, exact)
	}
}

// TestHotKeysReadAgain: what is read again after an abort counts once; an input that every task
// reads whole does not count.
func TestHotKeysReadAgain(t *testing.T) {
	r := newHotRig()
	r.feed(20_000, func(i int) string { return fmt.Sprint(i % 5) })
	before := r.hot()
	for range 10 {
		r.offset = 4000
		r.feed(16_000, func(int) string { return "again" })
	}
	for offset := range int64(10_000) {
		r.m.take(1, &kgo.Record{Key: []byte("global"), Offset: offset})
	}
	if after := r.hot(); len(before) != 3 || !reflect.DeepEqual(after, before) {
		t.Errorf("hot were %v, then %v", before, after)
	}
}

// TestHotKeysAge: yesterday's hot key gives way, bounds hold on, and without commits nothing is
// said.
func TestHotKeysAge(t *testing.T) {
	r := newHotRig()
	r.feed(50_000, func(int) string { return "old" })
	if list := r.hot(); len(list) != 1 || list[0].Share != 1 {
		t.Fatalf("hot are %v, want old alone", list)
	}
	if list := r.m.hot(r.now.Add(hotStale + 1)); list != nil {
		t.Errorf("after %v without a commit %v are hot", hotStale, list)
	}
	for range 6 {
		r.now = r.now.Add(hotHalf)
		r.feed(50_000, func(i int) string {
			if i%4 == 0 {
				return "new"
			}
			return fmt.Sprint("k", i)
		})
		r.hot()
		var sum uint32
		for i := range r.m.used {
			if sum += r.m.counts[i]; r.m.excess[i] > r.m.counts[i] {
				t.Fatalf("the excess of %s is %d of %d", r.m.keys[i].String(), r.m.excess[i],
					r.m.counts[i])
			}
		}
		if sum > r.m.total {
			t.Fatalf("counts add up to %d of %d", sum, r.m.total)
		}
	}
	list := r.hot()
	if len(list) != 1 || list[0].Key != "new" || list[0].Share < 0.22 || list[0].Share > 0.25 {
		t.Errorf("hot are %v, want new alone", list)
	}
	r.now = r.now.Add(1000 * time.Hour)
	if list := r.hot(); list != nil || r.m.used != 0 {
		t.Errorf("weeks later hot are %v, and %d counters are in use", list, r.m.used)
	}
}

// TestHotKeyText: whatever the key is, its text can be shown anywhere, and is not long.
func TestHotKeyText(t *testing.T) {
	for _, c := range []struct{ key, want string }{
		{"user-1", "user-1"},
		{"Zoë 漢", "Zoë 漢"},
		{"a\"\\\n\x1b[2J", `a\"\\\n\x1b[2J`},
		{"\x00\x00\x00\x00\x07\xff", `\x00\x00\x00\x00\a\xff`},
		{strings.Repeat("x", 100), strings.Repeat("x", 100)},
		{strings.Repeat("x", 101), strings.Repeat("x", 97) + "…"},
		{strings.Repeat("x", 96) + "漢字", strings.Repeat("x", 96) + "…"},
		{strings.Repeat("\x00", 30), strings.Repeat(`\x00`, 24) + "…"},
	} {
		n := hotName{size: len(c.key)}
		copy(n.text[:], c.key)
		if got := n.String(); got != c.want || len(got) > hotKeyBytes {
			t.Errorf("%q is shown as %q (%d bytes), want %q", c.key, got, len(got), c.want)
		}
	}
}

// TestHotKeysAllocateNothing per record.
func TestHotKeysAllocateNothing(t *testing.T) {
	recs := hotRecords(1<<16, 10_000)
	m := newHotMeter(make([]boundInput, 1), time.Now())
	i := 0
	if n := testing.AllocsPerRun(1<<16-2, func() { m.take(0, recs[i]); i++ }); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func hotRecords(n, keys int) []*kgo.Record {
	rnd := rand.New(rand.NewPCG(1, 1))
	recs := make([]*kgo.Record, n)
	for i := range recs {
		recs[i] = &kgo.Record{Key: fmt.Appendf(nil, "user-%07d", rnd.IntN(keys)), Offset: int64(i)}
	}
	return recs
}

// BenchmarkHotKeys is what the meter costs each record; with many keys nearly each of the sample
// puts another out, which costs the most.
func BenchmarkHotKeys(b *testing.B) {
	for _, keys := range []int{1, 50, 100_000} {
		b.Run(fmt.Sprint(keys), func(b *testing.B) {
			recs := hotRecords(1<<16, keys)
			m := newHotMeter(make([]boundInput, 1), time.Now())
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				rec := recs[i%len(recs)]
				rec.Offset = int64(i)
				m.take(0, rec)
			}
		})
	}
}

// BenchmarkStepHotKeys compares a record's way through a task, but for its fetch and its commit,
// without the meter and with it; the pipeline is about the smallest there can be.
func BenchmarkStepHotKeys(b *testing.B) {
	meters := map[string]*hotMeter{"off": nil, "on": newHotMeter(make([]boundInput, 1), time.Now())}
	for name, m := range meters {
		b.Run(name, func(b *testing.B) {
			r, step := traceRig(b, nil)
			recs := hotRecords(1<<16, 100_000)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := step("other"); err != nil {
					b.Fatal(err)
				}
				rec := recs[i%len(recs)]
				rec.Offset = int64(i)
				m.take(0, rec)
				if i%1000 == 999 {
					r.seal()
					r.commit(0)
					m.look(time.Now())
				}
			}
		})
	}
}
