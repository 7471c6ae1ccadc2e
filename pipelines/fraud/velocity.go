package fraud

import (
	"math"
	"math/bits"
	"slices"

	schema "pawl/schemas/fraud"
)

const (
	// fanBits is the logarithm of the slots per node: a slot of level k stands for 64^k ms.
	fanBits = 6
	// maxSlots is how many slots a user's own entry holds before it moves a level up. At the
	// default span level 2 needs 77 slots of 4,096 ms, so that two levels of nodes stand below.
	maxSlots = 96
	// maxLevel bounds the tree: 96 slots of level 10 stand for more than 63 bits of ms.
	maxLevel = 10
	// flatAgain is how few transactions turn a tree back into one entry, when its timer fires.
	flatAgain = 32
	// maxIndex is when indexes are counted from a new base, so that they stay short varints.
	maxIndex = 1 << 20
	// recordDrops and timerDrops bound how many nodes one record and one timer may delete. A record
	// adds at most one node per level, so what is expired shrinks whenever there is more of it.
	recordDrops = 64
	timerDrops  = 4096
)

// total is how many transactions there are and what they sum up to.
type total struct{ count, cents int64 }

// plus adds the slots. The sum of cents is carried in 128 bits.
func (a total) plus(slots []schema.Slot) total {
	count, high, low := a.count, uint64(0), uint64(a.cents)
	for i := range slots {
		count += slots[i].Count
		var carry uint64
		low, carry = bits.Add64(low, uint64(slots[i].TotalCents), 0)
		high += carry
	}
	if high > 0 || low > math.MaxInt64 {
		low = math.MaxInt64
	}
	return total{count: count, cents: int64(low)}
}

// plusRest adds the slot without a part of it.
func (a total) plusRest(slot *schema.Slot, part total) total {
	return total{count: a.count + slot.Count - part.count,
		cents: addCents(a.cents, slot.TotalCents-part.cents)}
}

// addCents adds two amounts ≥ 0 and stays at the largest int64 rather than wrap: such a sum is
// above every limit, whichever order it was added in.
func addCents(a, b int64) int64 {
	if sum := a + b; sum >= 0 {
		return sum
	}
	return math.MaxInt64
}

// window is one user's velocity while a record is processed: the user's entry, and the nodes
// below it when it is a tree.
type window struct {
	root schema.Velocity
	tree tree
}

// add counts a transaction.
func (w *window) add(t, cents int64) {
	r := &w.root
	if len(r.Slots) == 0 {
		r.Level, r.Base = 0, t
	}
	one := schema.Slot{Index: t>>shift(r.Level) - r.Base, Count: 1, TotalCents: cents}
	if r.Level == 0 {
		i := after(r.Slots, one.Index)
		r.Slots = slices.Insert(r.Slots, i, one)
	} else {
		r.Slots = addSlot(r.Slots, one)
		w.tree.add(r.Level-1, t, cents)
	}
	for len(r.Slots) > maxSlots && r.Level < maxLevel {
		w.raise()
	}
}

// raise moves the root's slots into nodes and leaves one slot for each node.
func (w *window) raise() {
	r := &w.root
	raised := r.Slots[:0] // never longer than what was read
	first := (r.Base + r.Slots[0].Index) >> fanBits
	for i := 0; i < len(r.Slots); {
		bucket := (r.Base + r.Slots[i].Index) >> fanBits
		var node []schema.Slot
		for ; i < len(r.Slots) && (r.Base+r.Slots[i].Index)>>fanBits == bucket; i++ {
			s := r.Slots[i]
			s.Index = (r.Base + s.Index) & (1<<fanBits - 1)
			node = addSlot(node, s)
		}
		sum := total{}.plus(node)
		w.tree.set(r.Level, bucket, node)
		raised = append(raised,
			schema.Slot{Index: bucket - first, Count: sum.count, TotalCents: sum.cents})
	}
	r.Level, r.Base, r.Slots = r.Level+1, first, raised
}

// sum adds up the transactions with from ≤ timestamp ≤ to.
func (w *window) sum(from, to int64) total {
	return w.tree.sum(total{}, w.root.Level, w.root.Base, w.root.Slots, from, to)
}

// expire forgets what is at or below horizon, with at most budget nodes deleted, and reports
// whether all of it is forgotten.
func (w *window) expire(horizon int64, budget int) bool {
	r := &w.root
	keep := (horizon + 1) >> shift(r.Level) // least bucket that may hold something above
	n, done := 0, true
	for n < len(r.Slots) && r.Base+r.Slots[n].Index < keep {
		if r.Level > 0 && !w.tree.drop(r.Level-1, r.Base+r.Slots[n].Index, &budget) {
			done = false
			break
		}
		n++
	}
	if n > 0 {
		r.Slots = append(r.Slots[:0], r.Slots[n:]...)
	}
	if len(r.Slots) > 0 && r.Slots[0].Index > maxIndex {
		by := r.Slots[0].Index
		r.Base += by
		for i := range r.Slots {
			r.Slots[i].Index -= by
		}
	}
	return done
}

// flatten turns a tree of few transactions back into one entry. What is expired may be among them:
// the next record drops it.
func (w *window) flatten() {
	r := &w.root
	if r.Level == 0 || (total{}).plus(r.Slots).count > flatAgain {
		return
	}
	var flat []schema.Slot
	for i := range r.Slots {
		flat = w.tree.take(flat, r.Level-1, r.Base+r.Slots[i].Index)
	}
	r.Level, r.Base, r.Slots = 0, 0, flat
	if len(flat) > 0 {
		r.Base = flat[0].Index
	}
	for i := range flat {
		flat[i].Index -= r.Base
	}
}

// last is the timestamp of the newest transaction, or a bound above it when the root has no finer
// slots. There must be one.
func (w *window) last() int64 {
	r := &w.root
	bucket := r.Base + r.Slots[len(r.Slots)-1].Index
	return bucket<<shift(r.Level) | (1<<shift(r.Level) - 1)
}

// shift is the logarithm of the milliseconds in a slot of level.
func shift(level int32) uint { return uint(level) * fanBits }

// after returns where in slots, which are ordered, the ones above index begin.
func after(slots []schema.Slot, index int64) int {
	n := len(slots)
	if n == 0 || slots[n-1].Index <= index {
		return n // where nearly all records belong
	}
	low, high := 0, n-1 // slots[high] is above index, those before low are not
	// Where no index is missing and none is there twice, it tells its place.
	if at := index - slots[0].Index; at >= 0 && at < int64(high) && slots[at].Index == index {
		low = int(at) + 1
		if slots[low].Index > index {
			return low
		}
	}
	for low < high {
		if mid := (low + high) / 2; slots[mid].Index <= index {
			low = mid + 1
		} else {
			high = mid
		}
	}
	return low
}

// addSlot adds s to the slot of its index, making it if there is none.
func addSlot(slots []schema.Slot, s schema.Slot) []schema.Slot {
	i := after(slots, s.Index)
	if i > 0 && slots[i-1].Index == s.Index {
		slots[i-1].Count += s.Count
		slots[i-1].TotalCents = addCents(slots[i-1].TotalCents, s.TotalCents)
		return slots
	}
	return slices.Insert(slots, i, s)
}
