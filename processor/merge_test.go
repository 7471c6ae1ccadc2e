package processor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// taken is a record by its place.
type taken struct {
	input  int
	offset int64
}

// feed is what a merge's inputs hold in the end, in which order it was taken, and what was logged.
type feed struct {
	inputs [][]*kgo.Record
	table  []bool
	order  []taken
	boot   map[int]int64     // offset that a table was read to first
	after  map[taken][]int64 // deviations: where every input stood
}

// newFeed draws inputs of random length whose timestamps collide often and run backwards at times.
func newFeed(r *rand.Rand, table []bool) *feed {
	f := &feed{table: table, boot: map[int]int64{}, after: map[taken][]int64{}}
	for range table {
		var recs []*kgo.Record
		at, offset := int64(r.IntN(5)), int64(0)
		for range r.IntN(12) {
			at += int64(r.IntN(4)) - 1
			offset += int64(1 + r.IntN(2)) // some offsets hold no record
			recs = append(recs, &kgo.Record{Offset: offset - 1, Timestamp: time.UnixMilli(at)})
		}
		f.inputs = append(f.inputs, recs)
	}
	return f
}

func (f *feed) start() record.Position {
	pos := record.Position{Inputs: make([]record.Input, len(f.table))}
	for i := range pos.Inputs {
		pos.Inputs[i].Passed = -1
	}
	return pos
}

// end is the offset after an input's last record.
func (f *feed) end(i int) int64 {
	if n := len(f.inputs[i]); n > 0 {
		return f.inputs[i][n-1].Offset + 1
	}
	return 0
}

// run merges the feed as its records arrive at random, with rewinds to earlier positions.
func (f *feed) run(r *rand.Rand) error {
	b := &binding{inputs: make([]boundInput, len(f.table))}
	ends := make([]int64, len(f.table))
	for i, table := range f.table {
		b.inputs[i].table = table
		ends[i] = int64(r.IntN(int(f.end(i)) + 1))
	}
	pos := f.start()
	m := newMerge(b, &pos, ends)
	saved, kept := clonePosition(pos), 0
	for quiet := 0; quiet < 200; quiet++ {
		switch i := r.IntN(len(f.table)); r.IntN(8) {
		case 0: // the epoch is committed
			saved, kept = clonePosition(pos), len(f.order)
		case 1: // or dropped
			pos, f.order = clonePosition(saved), f.order[:kept]
			m.clear(&pos)
		case 2:
			m.inputs[i].waived = true
		case 3, 4:
			rest := f.from(i, m.inputs[i].next)
			rest = rest[:r.IntN(len(rest)+1)]
			known := m.inputs[i].next
			if len(rest) > 0 {
				known = rest[len(rest)-1].Offset + 1
			}
			m.push(i, rest, known+int64(r.IntN(int(f.end(i)-known)+1)))
		default:
			if f.step(m, &pos) {
				quiet = 0
			}
		}
	}
	// In the end everything arrives and is taken.
	for i := range f.table {
		m.push(i, f.from(i, m.inputs[i].next), f.end(i))
		m.inputs[i].waived = true
	}
	for f.step(m, &pos) {
	}
	for i := range f.table {
		if len(f.inputs[i]) > 0 && pos.Inputs[i].Offset != f.end(i) {
			return fmt.Errorf("input %d was left at %d of %d", i, pos.Inputs[i].Offset, f.end(i))
		}
	}
	return nil
}

func (f *feed) from(i int, offset int64) []*kgo.Record {
	at := slices.IndexFunc(f.inputs[i], func(r *kgo.Record) bool { return r.Offset >= offset })
	if at < 0 {
		return nil
	}
	return f.inputs[i][at:]
}

// step takes one record as a task does.
func (f *feed) step(m *merge, pos *record.Position) bool {
	c := m.next()
	if c.booted {
		for i, table := range f.table {
			if table {
				f.boot[i] = pos.Inputs[i].Offset
			}
		}
		pos.Bootstrapped, m.boot = true, false
		return true
	}
	if c.rec == nil {
		return false
	}
	place := taken{c.input, c.rec.Offset}
	delete(f.after, place) // of an epoch that was dropped
	if c.deviation {
		for i := range pos.Inputs {
			f.after[place] = append(f.after[place], pos.Inputs[i].Offset)
		}
	}
	pos.Inputs[c.input].Offset = c.rec.Offset + 1
	m.take(c, pos)
	f.order = append(f.order, place)
	return true
}

func clonePosition(p record.Position) record.Position {
	p.Inputs = slices.Clone(p.Inputs)
	return p
}

// replay merges the whole inputs by the rules and the log alone.
func (f *feed) replay() []taken {
	var order []taken
	next := make([]int, len(f.inputs))
	at := make([]int64, len(f.inputs))
	take := func(i int) {
		rec := f.inputs[i][next[i]]
		order = append(order, taken{i, rec.Offset})
		next[i]++
		at[i] = rec.Offset + 1
	}
	for i := range f.inputs {
		for f.table[i] && at[i] < f.boot[i] {
			take(i)
		}
	}
	for {
		best := -1
		for i := range f.inputs {
			if next[i] == len(f.inputs[i]) || f.held(taken{i, f.inputs[i][next[i]].Offset}, at) {
				continue
			}
			if best < 0 || f.before(f.inputs[i][next[i]], i, f.inputs[best][next[best]], best) {
				best = i
			}
		}
		if best < 0 {
			return order
		}
		take(best)
	}
}

// canonical orders what was read before the first stream record by table: tables are read one
// beside another then, and nothing depends on which is first.
func (f *feed) canonical(order []taken) []taken {
	out := slices.Clone(order)
	n := slices.IndexFunc(out, func(p taken) bool {
		return !f.table[p.input] || p.offset >= f.boot[p.input]
	})
	if n < 0 {
		n = len(out)
	}
	slices.SortStableFunc(out[:n], func(a, b taken) int { return a.input - b.input })
	return out
}

// held says that a record was taken only after others had come further.
func (f *feed) held(p taken, at []int64) bool {
	for i, offset := range f.after[p] {
		if i != p.input && at[i] < offset {
			return true
		}
	}
	return false
}

func (f *feed) before(a *kgo.Record, i int, b *kgo.Record, j int) bool {
	if c := a.Timestamp.Compare(b.Timestamp); c != 0 {
		return c < 0
	}
	return f.table[i] && !f.table[j] || f.table[i] == f.table[j] && i < j
}

// TestMergeCanBeReplayed checks that whatever way records arrived and epochs were dropped, the
// rules and the logged deviations alone give the order that was taken.
func TestMergeCanBeReplayed(t *testing.T) {
	deviations := 0
	for seed := range uint64(5000) {
		r := rand.New(rand.NewPCG(seed, 0))
		table := [][]bool{{false, true}, {true, false}, {true, false, false}, {false, false},
			{false, true, true}, {true, true, true, false},
			{true, false, true, true, false}}[r.IntN(7)]
		f := newFeed(r, table)
		if err := f.run(r); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		deviations += len(f.after)
		if got := f.replay(); !slices.Equal(f.canonical(got), f.canonical(f.order)) {
			for i, recs := range f.inputs {
				for _, rec := range recs {
					t.Logf("input %d (table %v) offset %d at %d", i, table[i], rec.Offset,
						rec.Timestamp.UnixMilli())
				}
			}
			t.Fatalf("seed %d: took %v, replayed %v, with %v after %v", seed, f.order, got, f.boot,
				f.after)
		}
	}
	if deviations == 0 {
		t.Error("no deviation in all seeds: nothing was tested")
	}
}

// TestMergeOfExtremes gives timestamps at the ends of the range: they must be taken like others.
func TestMergeOfExtremes(t *testing.T) {
	f := &feed{table: []bool{true, false}, boot: map[int]int64{}, after: map[taken][]int64{}}
	for range f.table {
		f.inputs = append(f.inputs, []*kgo.Record{
			{Offset: 0, Timestamp: time.UnixMilli(math.MinInt64)},
			{Offset: 1, Timestamp: time.UnixMilli(-1)},
			{Offset: 2, Timestamp: time.UnixMilli(math.MaxInt64)}})
	}
	if err := f.run(rand.New(rand.NewPCG(1, 1))); err != nil {
		t.Fatal(err)
	}
	if got := f.replay(); !slices.Equal(f.canonical(got), f.canonical(f.order)) {
		t.Errorf("took %v, replayed %v", f.order, got)
	}
}

// TestMergeWaits checks when an empty input is waited for: not when it is read to its known end,
// and not when its end was waived.
func TestMergeWaits(t *testing.T) {
	pos := record.Position{Bootstrapped: true,
		Inputs: []record.Input{{Passed: -1}, {Passed: -1}}}
	m := newMerge(&binding{inputs: make([]boundInput, 2)}, &pos, []int64{0, 1})
	rec := &kgo.Record{Timestamp: time.UnixMilli(5)}
	m.push(0, []*kgo.Record{rec}, 1)
	if c := m.next(); !c.waiting || c.input != 1 || c.rec != nil {
		t.Fatalf("%+v, want to wait for input 1", c)
	}
	m.inputs[1].waived = true
	c := m.next()
	if c.rec != rec || c.deviation {
		t.Fatalf("%+v, want the only record", c)
	}
	m.take(c, &pos)
	early := &kgo.Record{Timestamp: time.UnixMilli(4)}
	m.push(1, []*kgo.Record{early}, 1)
	if c := m.next(); c.rec != early || !c.deviation || pos.Inputs[1].Passed != 5 {
		t.Fatalf("%+v, passed %d: want a deviation", c, pos.Inputs[1].Passed)
	}
}
