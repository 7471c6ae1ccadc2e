package fraud

import (
	"math"
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

func (a total) plus(s *schema.Slot) total {
	return total{count: a.count + s.Count, cents: addCents(a.cents, s.TotalCents)}
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
		var sum total
		for ; i < len(r.Slots) && (r.Base+r.Slots[i].Index)>>fanBits == bucket; i++ {
			s := r.Slots[i]
			s.Index = (r.Base + s.Index) & (1<<fanBits - 1)
			node = addSlot(node, s)
			sum = sum.plus(&s)
		}
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

// flatten turns a tree of few transactions back into one entry. Nothing at or below horizon may
// stand in a slot of its own any more.
func (w *window) flatten(horizon int64) {
	r := &w.root
	var all total
	for i := range r.Slots {
		all = all.plus(&r.Slots[i])
	}
	if r.Level == 0 || all.count > flatAgain {
		return
	}
	var flat []schema.Slot
	for i := range r.Slots {
		flat = w.tree.take(flat, r.Level-1, r.Base+r.Slots[i].Index)
	}
	flat = flat[after(flat, horizon):]
	r.Level, r.Base, r.Slots = 0, 0, flat
	if len(flat) > 0 {
		r.Base = flat[0].Index
		for i := range flat {
			flat[i].Index -= r.Base
		}
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

// after returns where in slots, which are ordered, the ones above index begin. It looks from the
// end, where nearly all records belong.
func after(slots []schema.Slot, index int64) int {
	n := len(slots)
	for probes := 0; n > 0 && slots[n-1].Index > index; probes++ {
		if probes == 8 {
			i, _ := slices.BinarySearchFunc(slots[:n], index+1, func(s schema.Slot, x int64) int {
				if s.Index < x {
					return -1
				}
				return 1
			})
			return i
		}
		n--
	}
	return n
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
