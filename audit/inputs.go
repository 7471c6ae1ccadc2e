package audit

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas/record"
)

// findStarts looks where the inputs begin.
func (a *auditor) findStarts(ctx context.Context) error {
	for _, in := range a.layout.inputs {
		bounds, err := a.cluster.Bounds(ctx, in.name)
		if err != nil {
			return err
		}
		a.starts = append(a.starts, bounds)
	}
	return nil
}

// account notes where the accounts of the inputs begin: where the task began to read, or, when
// retention has deleted that, at the first position record behind.
func (t *task) account(p *record.Position, starts [][]verify.Bounds) {
	for i := range p.Inputs {
		start := starts[i][t.partition].From
		if i == len(t.from) { // of the first position record
			t.from = append(t.from, record.Input{Offset: t.epochs.base[i]})
		}
		if start > t.from[i].Offset {
			t.from[i] = p.Inputs[i]
		}
	}
}

// readInputs counts what the inputs hold and compares that with the epochs.
func (a *auditor) readInputs(ctx context.Context) error {
	for _, t := range a.tasks {
		all, err := a.readAsides(ctx, t)
		if err != nil {
			return err
		}
		whole := true
		for i, in := range a.layout.inputs {
			b := a.bounds[in.name][t.partition]
			whole = whole && (b.From == 0 || t.last != nil && b.From <= t.epochs.base[i])
			if err := a.readInput(ctx, t, i, b, all); err != nil {
				return err
			}
		}
		for _, s := range all {
			s.end(whole)
		}
		a.lateEnough(t, all)
	}
	for _, l := range a.layout.late {
		if err := a.spare(ctx, l.name, Late); err != nil {
			return err
		}
	}
	if a.layout.shed != nil {
		if err := a.spare(ctx, a.layout.shed.name, Shed); err != nil {
			return err
		}
	}
	return a.spare(ctx, a.layout.dlq.name, DeadLetter)
}

// counting is one input partition being compared with the epochs of its task.
type counting struct {
	a       *auditor
	t       *task
	input   int
	topic   topic
	bounds  verify.Bounds
	row     int   // the epoch that the records belong to
	got     int64 // records of it
	records int64 // of the account
	led     roaring64.IntPeekable64
}

func (a *auditor) readInput(ctx context.Context, t *task, i int, b verify.Bounds,
	all []*aside) error {
	c := &counting{a: a, t: t, input: i, topic: a.layout.inputs[i], bounds: b}
	_, to := t.extent(i)
	if t.last != nil {
		c.begin(to)
	}
	letters, err := a.openLetters(ctx, t, i)
	if err != nil {
		return err
	}
	defer letters.close()
	until := verify.Bounds{From: b.From, To: min(to, b.To)}
	for _, s := range all {
		if a.report.Live && len(s.bag) > 0 {
			until.To = b.To // copies may be of later epochs
		}
	}
	err = a.each(ctx, c.topic.name, t.partition, until, func(rec *kgo.Record) error {
		for _, s := range all {
			s.found(rec)
		}
		if rec.Offset >= to {
			return nil
		}
		c.take(rec)
		return letters.pass(ctx, rec)
	})
	if err != nil {
		return err
	}
	if err := letters.end(ctx); err != nil {
		return err
	}
	c.end()
	return nil
}

// begin judges where the account begins and ends.
func (c *counting) begin(to int64) {
	where := part(c.topic.name, c.t.partition)
	first := c.t.epochs.base[c.input]
	if c.bounds.From < first {
		c.a.report.violated(Ledger, where, "the log begins at offset %d, but the ledger of %s at "+
			"%d", c.bounds.From, c.t.lastAt, first)
	}
	if c.bounds.From > first {
		c.a.report.note("%s: its beginning is gone; it is accounted for from the first epoch "+
			"behind", c.topic.name)
	}
	if to > c.bounds.To {
		c.a.report.violated(Position, where, "%s stands at offset %d, but the log ends at %d",
			c.t.lastAt, to, c.bounds.To)
	}
	if c.topic.compacted && c.topic.kind == processor.TopicInput {
		c.a.report.note("%s is compacted: which records stood there cannot be told", c.topic.name)
	}
	if s := c.t.seen[c.input].offsets(); s != nil && !c.topic.compacted {
		c.led = s.Iterator()
		c.led.AdvanceIfNeeded(uint64(c.bounds.From))
	}
}

func (c *counting) take(rec *kgo.Record) {
	e := &c.t.epochs
	for rec.Offset >= e.offset(c.row, c.input) {
		c.close()
	}
	c.got++
	if rec.Offset >= c.t.from[c.input].Offset {
		c.records++
	}
	for c.led != nil && c.led.HasNext() && c.led.PeekNext() <= uint64(rec.Offset) {
		if offset := c.led.Next(); offset < uint64(rec.Offset) {
			c.unfounded(offset)
		}
	}
}

func (c *counting) unfounded(offset uint64) {
	c.a.report.violated(OutputUnaccounted, part(c.topic.name, c.t.partition),
		"offset %d led to outputs, but holds no record", offset)
}

// close compares what an epoch accounts for with what was there.
func (c *counting) close() {
	e := &c.t.epochs
	n, got := c.row, c.got
	c.row, c.got = n+1, 0
	from, to := e.offset(n-1, c.input), e.offset(n, c.input)
	want := to - from - (e.gap(n, c.input) - e.gap(n-1, c.input))
	// What a compacted topic held once, nobody knows.
	if from < c.bounds.From || got == want || c.topic.compacted && got < want || to <= from {
		return
	}
	first := ""
	if n == 0 && !e.whole() {
		first = "with those before it "
	}
	c.a.report.violated(Ledger, part(c.topic.name, c.t.partition), "epoch %d %saccounts for %d "+
		"records of the offsets from %d to %d, but the log holds %d", e.rows[n].epoch, first, want,
		from, to, got)
}

// end closes the epochs that are left and writes the account.
func (c *counting) end() {
	for c.t.last != nil && c.row < len(c.t.epochs.rows) {
		c.close()
	}
	for c.led != nil && c.led.HasNext() {
		c.unfounded(c.led.Next())
	}
	account := Account{}
	if c.t.last != nil {
		from, last := &c.t.from[c.input], &c.t.last.Inputs[c.input]
		account = Account{From: from.Offset, Committed: last.Offset,
			Offsets: last.Offset - from.Offset, Records: c.records,
			Processed: last.Processed - from.Processed, Late: last.Late - from.Late,
			Dead: last.Dead - from.Dead, Deduplicated: last.Deduplicated - from.Deduplicated,
			Filtered: last.Filtered - from.Filtered, Shed: last.Shed - from.Shed,
			Gaps: last.Gaps - from.Gaps}
	} else {
		account.From, account.Committed = c.bounds.From, c.bounds.From
	}
	c.a.report.Inputs[part(c.topic.name, c.t.partition)] = account
}
