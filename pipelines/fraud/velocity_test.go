package fraud

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	schema "pawl/schemas/fraud"
)

// nodeID is the key of a node in a memNodes.
type nodeID struct {
	level  int32
	bucket int64
}

// memNodes keeps the nodes in a map. Like the engine's table it hands out what it holds.
type memNodes struct {
	m       map[nodeID][]schema.Slot
	gets    int
	sets    int
	deletes int
}

func newMemNodes() *memNodes { return &memNodes{m: make(map[nodeID][]schema.Slot)} }

func (m *memNodes) get(level int32, bucket int64) []schema.Slot {
	m.gets++
	return m.m[nodeID{level, bucket}]
}

func (m *memNodes) set(level int32, bucket int64, slots []schema.Slot) {
	m.sets++
	m.m[nodeID{level, bucket}] = slots
}

func (m *memNodes) delete(level int32, bucket int64) {
	m.deletes++
	delete(m.m, nodeID{level, bucket})
}

// entry is one transaction of the model.
type entry struct{ at, cents int64 }

// model is the meaning of a window: a sorted slice and a loop.
type model struct{ all []entry }

func (m *model) add(at, cents int64) {
	i, _ := slices.BinarySearchFunc(m.all, at+1, func(e entry, at int64) int {
		return cmp.Compare(e.at, at)
	})
	m.all = slices.Insert(m.all, i, entry{at, cents})
}

func (m *model) sum(from, to int64) (sum total) {
	for _, e := range m.all {
		if e.at >= from && e.at <= to {
			sum.count++
			sum.cents = addCents(sum.cents, e.cents)
		}
	}
	return sum
}

func (m *model) expire(horizon int64) {
	m.all = slices.DeleteFunc(m.all, func(e entry) bool { return e.at <= horizon })
}

// perMs lists a window's transactions above horizon, added up per millisecond.
func perMs(w *window, n *memNodes, horizon int64) []schema.Slot {
	var flat []schema.Slot
	var walk func(level int32, base int64, slots []schema.Slot)
	walk = func(level int32, base int64, slots []schema.Slot) {
		for _, s := range slots {
			if level > 0 {
				bucket := base + s.Index
				walk(level-1, bucket<<fanBits, n.m[nodeID{level - 1, bucket}])
				continue
			}
			if s.Index += base; s.Index > horizon {
				flat = addSlot(flat, s)
			}
		}
	}
	walk(w.root.Level, w.root.Base, w.root.Slots)
	return flat
}

func (m *model) perMs() (flat []schema.Slot) {
	for _, e := range m.all {
		flat = addSlot(flat, schema.Slot{Index: e.at, Count: 1, TotalCents: e.cents})
	}
	return flat
}

// load is one way in which a user's transactions come.
type load struct {
	name         string
	span, grace  int64
	gap          func(r *rand.Rand) int64 // event time from one transaction to the next
	disorder     int64
	ops          int
	wantTree     bool
	start        int64
	flattenEvery int
}

func loads() []load {
	steady := func(n int64) func(*rand.Rand) int64 {
		return func(r *rand.Rand) int64 { return r.Int64N(2*n + 1) }
	}
	bursts := func(r *rand.Rand) int64 {
		if r.IntN(400) == 0 {
			return 200_000 + r.Int64N(600_000)
		}
		return r.Int64N(200)
	}
	seldom := func(r *rand.Rand) int64 { return r.Int64N(120) / 119 }
	const now = 1_790_000_000_123
	return []load{
		{name: "few", span: 300_000, grace: 10_000, gap: steady(30_000), disorder: 12_000,
			ops: 20_000, start: now},
		{name: "hot", span: 300_000, grace: 10_000, gap: steady(100), disorder: 12_000,
			ops: 10_000, start: now, wantTree: true},
		{name: "same millisecond", span: 1_000, grace: 0, gap: seldom, disorder: 0,
			ops: 3_000, start: now, wantTree: true},
		{name: "bursts", span: 300_000, grace: 10_000, gap: bursts, disorder: 12_000,
			ops: 30_000, start: now, wantTree: true, flattenEvery: 97},
		{name: "second", span: 1_000, grace: 100, gap: steady(2), disorder: 300,
			ops: 20_000, start: now, wantTree: true, flattenEvery: 501},
		{name: "week", span: 7 * 86_400_000, grace: 3_600_000, gap: steady(400_000),
			disorder: 7_200_000, ops: 10_000, start: now, wantTree: true},
		{name: "from zero", span: 5_000, grace: 1_000, gap: steady(20), disorder: 500,
			ops: 5_000, start: 0, wantTree: true},
	}
}

// TestWindowIsTheModel feeds random loads to the window and to the model, and compares every sum
// a decision would use, other ranges around slot boundaries, and the whole state now and then.
func TestWindowIsTheModel(t *testing.T) {
	for _, l := range loads() {
		for seed := range uint64(2) {
			t.Run(fmt.Sprintf("%s/%d", l.name, seed), func(t *testing.T) {
				t.Parallel()
				runLoad(t, l, rand.New(rand.NewPCG(seed, 1)))
			})
		}
	}
}

func runLoad(t *testing.T, l load, r *rand.Rand) {
	var m model
	n := newMemNodes()
	w := window{tree: tree{nodes: n}}
	clock, watermark, tree := l.start, int64(-1), false
	for op := range l.ops {
		clock += l.gap(r)
		at := max(clock-r.Int64N(l.disorder+1), 0)
		switch r.IntN(20) {
		case 0: // exactly the span above an earlier one: that one is out
			if len(m.all) > 0 {
				at = m.all[r.IntN(len(m.all))].at + l.span
				if at > clock {
					at = clock
				}
			}
		case 1: // the beginning of a slot
			at &^= 1<<(fanBits*r.Int64N(4)) - 1
		case 2: // the end of one
			at |= 1<<(fanBits*r.Int64N(2)) - 1
		}
		if watermark >= 0 && at < watermark-l.grace {
			continue // late
		}
		watermark = max(watermark, at-l.disorder/2)
		horizon := watermark - l.grace - l.span
		cents := r.Int64N(1_000_000)
		w.tree.forget()
		w.expire(horizon, recordDrops)
		w.add(at, cents)
		m.expire(horizon)
		m.add(at, cents)
		tree = tree || w.root.Level > 0
		compareRange(t, op, &w, &m, at-l.span+1, at)
		from := max(horizon+1, at-r.Int64N(l.span))
		compareRange(t, op, &w, &m, from, from+r.Int64N(l.span))
		if l.flattenEvery > 0 && op%l.flattenEvery == 0 && w.expire(horizon, timerDrops) {
			w.tree.forget()
			w.flatten()
		}
		if op%500 == 0 {
			compareState(t, op, &w, n, &m, horizon)
		}
	}
	if tree != l.wantTree {
		t.Errorf("became a tree: %v, want %v", tree, l.wantTree)
	}
	w.tree.forget()
	if !w.expire(w.last(), 1<<30) || len(n.m) != 0 || len(w.root.Slots) != 0 {
		t.Errorf("after the end of time %d nodes and %d slots are left", len(n.m),
			len(w.root.Slots))
	}
}

func compareRange(t *testing.T, op int, w *window, m *model, from, to int64) {
	t.Helper()
	if got, want := w.sum(from, to), m.sum(from, to); got != want {
		t.Fatalf("op %d, level %d: sum of [%d, %d] is %+v, want %+v", op, w.root.Level, from, to,
			got, want)
	}
}

func compareState(t *testing.T, op int, w *window, n *memNodes, m *model, horizon int64) {
	t.Helper()
	if got, want := perMs(w, n, horizon), m.perMs(); !slices.Equal(got, want) {
		t.Fatalf("op %d, level %d: state\n%v\nwant\n%v", op, w.root.Level, got, want)
	}
	for id, slots := range n.m {
		if len(slots) == 0 || len(slots) > 1<<fanBits {
			t.Fatalf("op %d: node %v has %d slots", op, id, len(slots))
		}
	}
}

// TestSlotBoundaries asks for every range whose ends lie around the edges of slots of any level.
func TestSlotBoundaries(t *testing.T) {
	const start = 1 << (4 * fanBits)
	var edges []int64
	for level := range int32(4) {
		for k := range int64(3) {
			for d := int64(-1); d <= 1; d++ {
				edges = append(edges, start+k<<shift(level)+d)
			}
		}
	}
	var m model
	w := window{tree: tree{nodes: newMemNodes()}}
	for i, at := range edges {
		for range 4 { // enough to become a tree
			w.add(at, int64(i+1))
			m.add(at, int64(i+1))
		}
	}
	for k := range int64(200) { // and a deep one
		w.add(start+k<<10, 1000)
		m.add(start+k<<10, 1000)
	}
	if w.root.Level < 2 {
		t.Fatalf("level %d, want a deeper tree", w.root.Level)
	}
	for _, from := range edges {
		for _, to := range edges {
			if from <= to {
				compareRange(t, 0, &w, &m, from, to)
			}
		}
	}
}

// TestWorkPerRecord counts node accesses of a user with very many transactions in the window.
func TestWorkPerRecord(t *testing.T) {
	n := newMemNodes()
	w := window{tree: tree{nodes: n}}
	const span, grace = 300_000, 10_000
	at := int64(1_790_000_000_000)
	for range 200_000 { // 2 per ms, so that the window holds far more nodes than 1,000
		at += 2
		judgeOne(&w, at, span, grace)
	}
	n.gets, n.sets, n.deletes = 0, 0, 0
	const records = 10_000
	for range records {
		at += 2
		judgeOne(&w, at, span, grace)
	}
	depth := int(w.root.Level)
	// One node per level is read and written at t; one per level is read at t − span; and the
	// nodes that are dropped are read once, and written once more at most.
	if limit := records * 2 * depth * 11 / 10; n.gets > limit {
		t.Errorf("%d records read %d nodes, want at most %d", records, n.gets, limit)
	}
	if limit := records * depth * 11 / 10; n.sets > limit {
		t.Errorf("%d records wrote %d nodes, want at most %d", records, n.sets, limit)
	}
	if live := len(n.m); live > 5_100 {
		t.Errorf("%d nodes are kept, want about (span + grace) / 64 ms", live)
	}
}

// judgeOne is what a record in order does to its user's window.
func judgeOne(w *window, at, span, grace int64) total {
	w.tree.forget()
	w.expire(at-2_000-grace-span, recordDrops)
	w.add(at, 100)
	return w.sum(at-span+1, at)
}

// TestExpireIsBounded drops a large tree by small budgets and finds it whole at every step.
func TestExpireIsBounded(t *testing.T) {
	n := newMemNodes()
	w := window{tree: tree{nodes: n}}
	for i := range int64(30_000) {
		w.add(1_790_000_000_000+i*10, 1)
	}
	before := len(n.m)
	for steps := 0; len(w.root.Slots) > 0; steps++ {
		n.deletes = 0
		w.tree.forget()
		w.expire(1_790_000_400_000, 100)
		if n.deletes > 100+maxLevel {
			t.Fatalf("step %d deleted %d nodes, want about 100", steps, n.deletes)
		}
		if steps > before/100+1 {
			t.Fatalf("%d of %d nodes are left after %d steps", len(n.m), before, steps)
		}
	}
	if len(n.m) != 0 {
		t.Errorf("%d nodes are left", len(n.m))
	}
}

// TestSumsDoNotWrap fills a window beyond what 64 bits hold.
func TestSumsDoNotWrap(t *testing.T) {
	w := window{tree: tree{nodes: newMemNodes()}}
	const huge = 1 << 61
	for i := range int64(500) {
		w.add(i, huge)
		want := total{count: i + 1, cents: addCents(i*huge, huge)}
		if i >= 3 {
			want.cents = 1<<63 - 1
		}
		if got := w.sum(0, i); got != want {
			t.Fatalf("sum of %d: %+v, want %+v", i+1, got, want)
		}
	}
}
