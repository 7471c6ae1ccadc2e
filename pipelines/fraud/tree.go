package fraud

import (
	"math"

	schema "pawl/schemas/fraud"
)

// nodes is where the nodes of one user's tree are kept. Slots handed out may be changed in place
// when a set of the same node follows.
type nodes interface {
	get(level int32, bucket int64) []schema.Slot
	set(level int32, bucket int64, slots []schema.Slot)
	delete(level int32, bucket int64)
}

// tree is a user's nodes while one record is processed. The node (level, bucket) holds slots of
// 64^level ms for the 64^(level+1) ms that begin at bucket · 64^(level+1).
type tree struct {
	nodes nodes
	// path keeps the node last written on each level, and side the one last read besides: the
	// right end of a record's range lies on the path that adding the record has just taken. A bit
	// of onPath and onSide for each level says whether there is one.
	path, side     [maxLevel]place
	onPath, onSide uint16
}

// place is one node as last read or written.
type place struct {
	bucket int64
	slots  []schema.Slot
}

// forget drops what is known of one user's nodes.
func (t *tree) forget() { t.onPath, t.onSide = 0, 0 }

func (t *tree) get(level int32, bucket int64) []schema.Slot {
	bit := uint16(1) << level
	if t.onPath&bit != 0 && t.path[level].bucket == bucket {
		return t.path[level].slots
	}
	p := &t.side[level]
	if t.onSide&bit == 0 || p.bucket != bucket {
		p.bucket, p.slots = bucket, t.nodes.get(level, bucket)
		t.onSide |= bit
	}
	return p.slots
}

func (t *tree) set(level int32, bucket int64, slots []schema.Slot) {
	t.onSide &^= 1 << level
	t.onPath |= 1 << level
	t.path[level] = place{bucket: bucket, slots: slots}
	t.nodes.set(level, bucket, slots)
}

func (t *tree) delete(level int32, bucket int64) {
	t.onSide &^= 1 << level
	t.onPath &^= 1 << level
	t.nodes.delete(level, bucket)
}

// add counts a transaction in the nodes from level down.
func (t *tree) add(level int32, at, cents int64) {
	for ; level >= 0; level-- {
		bucket := at >> shift(level+1)
		index := at >> shift(level) & (1<<fanBits - 1)
		t.set(level, bucket, addSlot(t.get(level, bucket),
			schema.Slot{Index: index, Count: 1, TotalCents: cents}))
	}
}

// sum adds to sum what lies between from and to, both included. Slots that lie wholly inside count
// as they are; at most the first and the last one lie partly inside and are looked into.
func (t *tree) sum(sum total, level int32, base int64, slots []schema.Slot, from, to int64) total {
	s := shift(level)
	mask := int64(1)<<s - 1
	first, last := from>>s-base, to>>s-base
	i, end := after(slots, first-1), after(slots, last)
	if i < end && slots[i].Index == first && from&mask != 0 {
		sum = t.part(sum, level, base, &slots[i], from, to)
		i++
	}
	if i < end && slots[end-1].Index == last && to&mask != mask {
		end--
		sum = t.part(sum, level, base, &slots[end], from, to)
	}
	return sum.plus(slots[i:end])
}

// part adds what lies between from and to in one slot. When more of the slot lies inside than
// outside, as at the end of a record that came in order, it takes the rest off the slot.
func (t *tree) part(sum total, level int32, base int64, slot *schema.Slot, from, to int64) total {
	s := shift(level)
	bucket := base + slot.Index
	first, last := bucket<<s, bucket<<s|(1<<s-1) // ms
	level, base = level-1, bucket<<fanBits
	below := t.get(level, bucket)
	// A sum that is at the largest int64 is one from which nothing can be taken off.
	if slot.TotalCents < math.MaxInt64 {
		s = shift(level)
		if from <= first && 2*after(below, to>>s-base) > len(below) {
			return sum.plusRest(slot, t.sum(total{}, level, base, below, to+1, last))
		}
		if to >= last && 2*after(below, from>>s-base) < len(below) {
			return sum.plusRest(slot, t.sum(total{}, level, base, below, first, from-1))
		}
	}
	return t.sum(sum, level, base, below, from, to)
}

// drop deletes the node and all below it while budget lasts, oldest first, and reports whether
// all are gone; it may go beyond budget by one node per level. The sums above a node that is gone
// in part stay: no range that may still be asked for contains the slots they stand in.
func (t *tree) drop(level int32, bucket int64, budget *int) bool {
	if level > 0 {
		slots := t.get(level, bucket)
		for n := range slots {
			if t.drop(level-1, bucket<<fanBits|slots[n].Index, budget) {
				continue
			}
			if n > 0 {
				t.set(level, bucket, append(slots[:0], slots[n:]...))
			}
			return false
		}
	}
	if level == 0 && *budget <= 0 {
		return false // above, a node without children goes whatever the budget
	}
	*budget--
	t.delete(level, bucket)
	return true
}

// take deletes the node and all below it, and appends the transactions it stood for to flat, one
// slot per millisecond, its index the timestamp.
func (t *tree) take(flat []schema.Slot, level int32, bucket int64) []schema.Slot {
	for _, s := range t.nodes.get(level, bucket) {
		s.Index |= bucket << fanBits
		if level == 0 {
			flat = append(flat, s)
		} else {
			flat = t.take(flat, level-1, s.Index)
		}
	}
	t.delete(level, bucket)
	return flat
}
