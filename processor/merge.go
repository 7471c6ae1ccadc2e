package processor

import (
	"cmp"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// merge decides which record of a task's inputs comes next: the one with the least Kafka
// timestamp; on ties tables come first, then streams in the order of the pipeline. Where an input
// has nothing to offer because it is read to its end, the others go on; a record that then arrives
// too late to keep the order is a deviation, which is logged, so that a replay can repeat the very
// order that was chosen.
type merge struct {
	inputs []mergeInput
	boot   bool // the tables are still being read for the first time
	last   int  // the input that yields to all others on ties
}

// mergeInput is one input partition's fetched records, oldest first.
type mergeInput struct {
	table   bool
	batches [][]*kgo.Record
	at      int   // index into batches[0]
	end     int64 // the partition's last known end, exclusive
	next    int64 // offset after the newest fetched record
	bytes   int64
	waived  bool  // its end could not be reached for long; do not wait for it
	passed  int64 // greatest timestamp of another input's record taken while empty; -1 for none
	target  int64 // for tables: the end to reach before the first stream record
}

// newMerge starts at the task's position, with the ends of all inputs known.
func newMerge(b *binding, pos *record.Position, ends []int64) *merge {
	m := &merge{inputs: make([]mergeInput, len(b.inputs)), boot: !pos.Bootstrapped}
	for i := range m.inputs {
		m.inputs[i] = mergeInput{table: b.inputs[i].table, end: ends[i], target: ends[i],
			next: pos.Inputs[i].Offset, passed: pos.Inputs[i].Passed}
		if !b.inputs[i].table {
			m.last = i
		}
	}
	return m
}

// push adds fetched records; end is the partition's end as the fetch saw it.
func (m *merge) push(input int, recs []*kgo.Record, end int64) {
	in := &m.inputs[input]
	in.end = max(in.end, end)
	if len(recs) == 0 {
		return
	}
	in.batches = append(in.batches, recs)
	in.next = recs[len(recs)-1].Offset + 1
	in.waived = false
	for _, r := range recs {
		in.bytes += recordBytes(r)
	}
}

// recordBytes estimates what a fetched record holds in memory.
func recordBytes(r *kgo.Record) int64 { return int64(len(r.Key)+len(r.Value)) + 200 }

func (in *mergeInput) head() *kgo.Record {
	if len(in.batches) == 0 {
		return nil
	}
	return in.batches[0][in.at]
}

// from gives the fetched records that were not taken, from an offset on, until yield says no.
func (in *mergeInput) from(offset int64, yield func(*kgo.Record) bool) {
	at := in.at
	for _, recs := range in.batches {
		recs = recs[at:]
		at = 0
		if recs[len(recs)-1].Offset < offset {
			continue
		}
		first, _ := slices.BinarySearchFunc(recs, offset, func(r *kgo.Record, o int64) int {
			return cmp.Compare(r.Offset, o)
		})
		for _, r := range recs[first:] {
			if !yield(r) {
				return
			}
		}
	}
}

func (in *mergeInput) pop() {
	in.bytes -= recordBytes(in.batches[0][in.at])
	in.at++
	if in.at == len(in.batches[0]) {
		in.batches[0] = nil
		in.batches, in.at = in.batches[1:], 0
	}
}

// exhausted says that the input has nothing to offer and nothing to wait for.
func (in *mergeInput) exhausted() bool { return in.waived || in.next >= in.end }

// choice is the next record to process, or the reason why there is none.
type choice struct {
	input     int
	rec       *kgo.Record
	deviation bool // log the order before processing
	booted    bool // the tables are read: log it before going on
	waiting   bool // an input is behind its known end; its records will come
}

// next chooses without popping: call take once the record was processed.
func (m *merge) next() choice {
	if m.boot {
		if c := m.nextBoot(); c.rec != nil || c.waiting {
			return c
		}
		return choice{booted: true}
	}
	if len(m.inputs) == 1 {
		return choice{rec: m.inputs[0].head()}
	}
	best, stamp := -1, int64(0)
	for i := range m.inputs {
		in := &m.inputs[i]
		r := in.head()
		if r == nil {
			if !in.exhausted() {
				return choice{waiting: true, input: i}
			}
			continue
		}
		if r.Attrs.IsControl() { // its time is the broker's, and no replay gets to see it
			return choice{input: i, rec: r}
		}
		at := r.Timestamp.UnixMilli()
		if best < 0 || at < stamp || at == stamp && in.table && !m.inputs[best].table {
			best, stamp = i, at
		}
	}
	if best < 0 {
		return choice{}
	}
	in := &m.inputs[best]
	late := stamp < in.passed || stamp == in.passed && best != m.last
	return choice{input: best, rec: in.head(), deviation: late}
}

// nextBoot offers the tables' records up to the ends seen at the start, one table after another.
func (m *merge) nextBoot() choice {
	for i := range m.inputs {
		in := &m.inputs[i]
		if !in.table {
			continue
		}
		if r := in.head(); r != nil {
			if r.Offset < in.target {
				return choice{input: i, rec: r}
			}
			continue
		}
		if in.next < in.target && !in.waived {
			return choice{waiting: true, input: i}
		}
	}
	return choice{}
}

// take pops the chosen record and notes in pos which empty inputs it passed.
func (m *merge) take(c choice, pos *record.Position) {
	stamp := c.rec.Timestamp.UnixMilli()
	m.inputs[c.input].pop()
	if m.boot || len(m.inputs) == 1 || c.rec.Attrs.IsControl() {
		return
	}
	for i := range m.inputs {
		in := &m.inputs[i]
		switch {
		case i == c.input:
			in.passed = -1
		case in.head() == nil:
			in.passed = max(in.passed, stamp)
		}
		pos.Inputs[i].Passed = in.passed
	}
}

// clear forgets all fetched records, for a rewind to pos.
func (m *merge) clear(pos *record.Position) {
	for i := range m.inputs {
		in := &m.inputs[i]
		*in = mergeInput{table: in.table, end: in.end, target: in.target,
			next: pos.Inputs[i].Offset, passed: pos.Inputs[i].Passed}
	}
	m.boot = !pos.Bootstrapped
}
