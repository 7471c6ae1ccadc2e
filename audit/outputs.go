package audit

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/twmb/franz-go/pkg/kgo"
)

// cause is what an output says that it came from. The input after the last one stands for the
// ticks.
type cause struct {
	input     int
	partition int32
	offset    int64
	ordinal   int64 // among all outputs of the same cause
	// incarnation of the task, which is 0 until it is taken back for the first time.
	incarnation int64
}

// compare orders causes of the same input by what was taken first.
func (c cause) compare(d cause) int {
	return cmp.Or(cmp.Compare(c.offset, d.offset), cmp.Compare(c.ordinal, d.ordinal))
}

// causeOf reads the header pawl.src.
func (a *auditor) causeOf(rec *kgo.Record) (cause, string) {
	b := header(rec, "pawl.src")
	if b == nil {
		return cause{}, "it has no header pawl.src: no epoch accounts for it"
	}
	var n [4]uint64
	for i := range n {
		var size int
		if n[i], size = binary.Uvarint(b); size <= 0 {
			return cause{}, fmt.Sprintf("its header pawl.src %x is cut off",
				header(rec, "pawl.src"))
		}
		b = b[size:]
	}
	incarnation := uint64(0)
	if len(b) > 0 {
		var size int
		if incarnation, size = binary.Uvarint(b); size == len(b) && incarnation > 0 {
			b = nil
		}
	}
	if len(b) > 0 || n[0] > uint64(len(a.layout.inputs)) || n[1] >= uint64(len(a.tasks)) ||
		n[2] > math.MaxInt64 || n[3] > maxOrdinal {
		return cause{}, fmt.Sprintf("its header pawl.src names input %d, partition %d, offset %d, "+
			"ordinal %d, which there cannot be", n[0], n[1], n[2], n[3])
	}
	return cause{int(n[0]), int32(n[1]), int64(n[2]), int64(n[3]), int64(incarnation)}, ""
}

// header returns the value of the last header with the given key; nil when there is none.
func header(rec *kgo.Record, key string) []byte {
	for i := len(rec.Headers) - 1; i >= 0; i-- {
		if rec.Headers[i].Key == key {
			return rec.Headers[i].Value
		}
	}
	return nil
}

// source names the topic of an input, or of the ticks.
func (a *auditor) source(input int) string {
	if input == len(a.layout.inputs) {
		return a.layout.ticks.name
	}
	return a.layout.inputs[input].name
}

// readOutputs reads all output topics, and then judges what the tasks' records led to.
func (a *auditor) readOutputs(ctx context.Context) error {
	if a.o.NoProvenance {
		a.report.note("outputs do not say what led to them (provenance.header=false); they are " +
			"only counted")
	}
	for _, out := range a.layout.outputs {
		if out.compacted {
			a.report.note("%s is compacted: which outputs are missing cannot be told", out.name)
		}
		for p, b := range a.bounds[out.name] {
			if b.From > 0 {
				a.report.note("%s: its beginning is gone", out.name)
			}
			l := &lane{a: a, topic: out, cut: b.From > 0, of: make([]from, a.causes())}
			if err := a.each(ctx, out.name, int32(p), b, l.take); err != nil {
				return err
			}
			l.end()
		}
	}
	for _, t := range a.tasks {
		for i := range t.seen {
			a.judgeSeen(t, i)
		}
	}
	return nil
}

// causes is how many kinds of cause there are: inputs and ticks of every task.
func (a *auditor) causes() int { return len(a.tasks) * (len(a.layout.inputs) + 1) }

// lane is one partition of an output topic.
type lane struct {
	a     *auditor
	topic topic
	cut   bool   // its beginning is gone
	of    []from // by task and input
}

// from is what a lane holds from one input partition.
type from struct {
	some  bool
	first int64 // offset of the first cause
	last  cause
	row   int // the latest epoch; of the first input only
}

// take judges one output.
func (l *lane) take(rec *kgo.Record) error {
	a := l.a
	if a.o.NoProvenance {
		a.report.Outputs++
		return nil
	}
	c, bad := a.causeOf(rec)
	if bad != "" {
		a.report.violated(OutputUnaccounted, at(rec), "%s", bad)
		return nil
	}
	t := a.tasks[c.partition]
	if c.incarnation < t.incarnation() {
		return nil // it was taken back since
	}
	n := len(a.layout.inputs) + 1
	group := l.of[int(c.partition)*n : int(c.partition)*n+n]
	f := &group[c.input]
	begins, ends := t.extent(c.input)
	if c.incarnation > t.incarnation() {
		ends = begins // of no epoch
	}
	if c.offset >= ends || c.offset < begins {
		if !a.report.Live || c.offset < begins {
			a.report.violated(OutputUnaccounted, at(rec), "it came from %s, but the epochs of "+
				"task %s cover offsets from %d to %d", a.origin(c), t.name, begins, ends)
		}
		return nil
	}
	a.report.Outputs++
	if !f.some {
		f.first = c.offset
	}
	again := !t.seen[c.input].add(c.offset, uint64(c.ordinal))
	row, known := t.epochs.of(c.input, c.offset)
	switch {
	case again:
		a.report.violated(OutputTwice, at(rec), "there is another one from %s", a.origin(c))
		return nil
	case f.some && f.last.compare(c) > 0:
		a.report.violated(OutputOrder, at(rec), "it came from %s, but stands after one from %s",
			a.origin(c), a.origin(f.last))
	case row < group[0].row:
		a.report.violated(OutputOrder, at(rec), "it came from %s in epoch %d, but stands after "+
			"one of epoch %d", a.origin(c), t.epochs.rows[row].epoch,
			t.epochs.rows[group[0].row].epoch)
	case known && t.epochs.rows[row].by != writerOf(rec):
		a.report.violated(OutputUnaccounted, at(rec), "it came from %s, but not with the "+
			"transaction of epoch %d, which covers that", a.origin(c), t.epochs.rows[row].epoch)
	case c.input == len(a.layout.inputs) && t.idle != nil && !t.idle.Contains(uint64(c.offset)):
		a.report.violated(OutputUnaccounted, at(rec), "it came from %s, which is no idle tick",
			a.origin(c))
	}
	f.some, f.last, group[0].row = true, c, max(group[0].row, row)
	return nil
}

// origin names a cause.
func (a *auditor) origin(c cause) string {
	return fmt.Sprintf("%s offset %d ordinal %d", part(a.source(c.input), c.partition), c.offset,
		c.ordinal)
}

// extent is which offsets of an input a task accounts for; of the ticks it is their numbers.
func (t *task) extent(input int) (from, to int64) {
	switch {
	case t.last == nil:
		return 0, 0
	case t.turned != nil && input == len(t.last.Inputs):
		return t.turned.Ticks, t.last.Ticks
	case t.turned != nil:
		return t.turned.Inputs[input].Offset, t.last.Inputs[input].Offset
	case input == len(t.last.Inputs):
		return 0, t.last.Ticks
	}
	return t.epochs.base[input], t.last.Inputs[input].Offset
}

// incarnation is how often the task was taken back.
func (t *task) incarnation() int64 {
	if t.last == nil {
		return 0
	}
	return t.last.Incarnation
}

// end notes what the lane cannot tell: of a cut one, nothing below the first cause that is left.
func (l *lane) end() {
	if !l.cut && !l.topic.compacted {
		return
	}
	n := len(l.a.layout.inputs) + 1
	for i, f := range l.of {
		whole := &l.a.tasks[i/n].whole[i%n]
		if !f.some || l.topic.compacted {
			*whole = math.MaxInt64
		} else {
			*whole = max(*whole, f.first+1)
		}
	}
}

// judgeSeen looks for what is missing among the outputs of one input partition.
func (a *auditor) judgeSeen(t *task, input int) {
	s := &t.seen[input]
	s.gaps(t.whole[input], func(offset, ordinal int64) {
		a.report.violated(OutputGap, part(a.source(input), t.partition),
			"offset %d led to outputs with greater ordinals, but there is none with ordinal %d",
			offset, ordinal)
	})
	if s.offsets() == nil || input == len(a.layout.inputs) || t.last == nil {
		return
	}
	in := t.last.Inputs[input]
	led, may := s.offsets().GetCardinality(), in.Processed+in.Deduplicated+in.Filtered
	if int64(led) > may {
		a.report.violated(Ledger, t.lastAt, "%s: %d records led to outputs, but only %d were "+
			"neither late, dead nor shed", part(in.Topic, in.Partition), led, may)
	}
}
