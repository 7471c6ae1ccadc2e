package audit

import (
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// judgeClaim compares a position record with the claims around it.
func (c *changelog) judgeClaim(rec *kgo.Record, p *record.Position) {
	switch {
	case c.prev != nil && p.Claim < c.prev.Claim:
		c.violated(Claim, rec, "epoch %d was written under claim %d, the one before it under %d",
			p.Epoch, p.Claim, c.prev.Claim)
	case p.Claim >= rec.Offset:
		c.violated(Claim, rec, "epoch %d names claim %d, which is not before it", p.Epoch, p.Claim)
	case c.claim < 0: // compacted away: a newer one follows
	case p.Claim < c.claim:
		c.violated(Claim, rec, "epoch %d was written under claim %d by %s, after %s had made "+
			"claim %d", p.Epoch, p.Claim, p.Writer, c.writer, c.claim)
	case p.Claim > c.claim:
		c.violated(Claim, rec, "epoch %d names claim %d, but no claim record stands there", p.Epoch,
			p.Claim)
	case p.Writer != c.writer:
		c.violated(Claim, rec, "epoch %d was written by %s, but claim %d is that of %s", p.Epoch,
			p.Writer, p.Claim, c.writer)
	}
}

// begin judges the first position record that is left.
func (c *changelog) begin(rec *kgo.Record, p *record.Position) {
	if p.Epoch < 1 {
		c.violated(Epoch, rec, "epoch %d; they count from 1", p.Epoch)
	}
	if p.Epoch > 1 && !c.a.layout.changelog.compacted && c.bounds.From == 0 {
		c.violated(Epoch, rec, "epoch %d is the first one, though the changelog is not compacted",
			p.Epoch)
	}
	if p.Incarnation > 0 {
		c.turn(p)
	}
	c.sound(rec, p)
}

// sound judges the ledger of a position record that is not compared with the one before.
func (c *changelog) sound(rec *kgo.Record, p *record.Position) {
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if base(in) < 0 || min(in.Processed, in.Late, in.Dead, in.Deduplicated, in.Filtered,
			in.Shed, in.Gaps) < 0 {
			c.violated(Ledger, rec, "%s: epoch %d accounts for %d records and %d gaps, but stands "+
				"at offset %d", part(in.Topic, in.Partition), p.Epoch, fates(in), in.Gaps,
				in.Offset)
		}
	}
}

// follow judges a position record by the one before it.
func (c *changelog) follow(rec *kgo.Record, was, p *record.Position) {
	if p.Epoch != was.Epoch+1 {
		c.violated(Epoch, rec, "epoch %d follows epoch %d", p.Epoch, was.Epoch)
	}
	switch p.Incarnation {
	case was.Incarnation:
	case was.Incarnation + 1:
		c.takenBack(rec, was, p)
		return
	default:
		c.violated(Position, rec, "epoch %d: incarnation %d follows %d", p.Epoch, p.Incarnation,
			was.Incarnation)
	}
	fell := func(what string, from, to int64) {
		if to < from {
			c.violated(Position, rec, "epoch %d: %s fell from %d to %d", p.Epoch, what, from, to)
		}
	}
	fell("the watermark", was.Watermark, p.Watermark)
	fell("the number of ticks", was.Ticks, p.Ticks)
	if was.Bootstrapped && !p.Bootstrapped {
		c.violated(Position, rec, "epoch %d: the tables were read, and are to be read again",
			p.Epoch)
	}
	if p.Partitions != was.Partitions {
		c.violated(TopicChanged, rec, "epoch %d: the inputs had %d partitions, and have %d",
			p.Epoch, was.Partitions, p.Partitions)
	}
	for i := range p.Inputs {
		c.followInput(rec, p.Epoch, &was.Inputs[i], &p.Inputs[i], fell)
	}
}

// takenBack judges a position record with which the task was taken back, or a replay took its
// place: it may stand anywhere, but ticks are never taken back.
func (c *changelog) takenBack(rec *kgo.Record, was, p *record.Position) {
	if p.Ticks != was.Ticks {
		c.violated(Position, rec, "epoch %d: the task was taken back, and its %d ticks became %d",
			p.Epoch, was.Ticks, p.Ticks)
	}
	for i := range p.Inputs {
		in, before := &p.Inputs[i], &was.Inputs[i]
		if in.TopicID != before.TopicID || in.Offset > before.Offset {
			c.violated(Position, rec, "epoch %d: %s was taken from offset %d (topic id %s) to %d "+
				"(%s)", p.Epoch, part(in.Topic, in.Partition), before.Offset, before.TopicID,
				in.Offset, in.TopicID)
		}
	}
	c.sound(rec, p)
	c.turn(p)
}

// turn forgets the epochs before: what they put out stands beside what is put out again.
func (c *changelog) turn(p *record.Position) {
	c.t.epochs, c.t.from, c.t.turned = epochs{}, nil, p
	c.a.report.note("task %s was taken back to incarnation %d in epoch %d: what it put out before "+
		"is not checked", c.t.name, p.Incarnation, p.Epoch)
}

func (c *changelog) followInput(rec *kgo.Record, epoch int64, was, in *record.Input,
	fell func(what string, from, to int64)) {
	name := part(in.Topic, in.Partition)
	if in.Topic != was.Topic || in.TopicID != was.TopicID || in.Partition != was.Partition {
		c.violated(TopicChanged, rec, "epoch %d: input %s (id %s) was %s (id %s)", epoch, name,
			in.TopicID, part(was.Topic, was.Partition), was.TopicID)
	}
	fell("the offset of "+name, was.Offset, in.Offset)
	if was.Offset > in.Offset {
		return
	}
	for _, n := range []struct {
		what     string
		from, to int64
	}{
		{"processed", was.Processed, in.Processed}, {"late", was.Late, in.Late},
		{"dead", was.Dead, in.Dead}, {"deduplicated", was.Deduplicated, in.Deduplicated},
		{"filtered", was.Filtered, in.Filtered}, {"shed", was.Shed, in.Shed},
		{"gaps", was.Gaps, in.Gaps},
	} {
		if n.to < n.from {
			c.violated(Ledger, rec, "%s: epoch %d: the count of %s fell from %d to %d", name, epoch,
				n.what, n.from, n.to)
			return
		}
	}
	records, gaps := fates(in)-fates(was), in.Gaps-was.Gaps
	if records+gaps != in.Offset-was.Offset {
		c.violated(Ledger, rec, "%s: epoch %d accounts for %d records and %d gaps, but goes from "+
			"offset %d to %d", name, epoch, records, gaps, was.Offset, in.Offset)
	}
}

// standing compares the last position record with the topics as they are.
func (c *changelog) standing() {
	p := c.prev
	if int(p.Partitions) != len(c.a.tasks) {
		c.violated(TopicChanged, c.prevAt, "the inputs had %d partitions, and have %d",
			p.Partitions, len(c.a.tasks))
	}
	for i, in := range p.Inputs {
		now := c.a.layout.inputs[i]
		if in.Topic != now.name || in.TopicID != now.id || in.Partition != c.t.partition {
			c.violated(TopicChanged, c.prevAt, "input %s (id %s) is %s (id %s) now; was the topic "+
				"deleted and made again?", part(in.Topic, in.Partition), in.TopicID,
				part(now.name, c.t.partition), now.id)
		}
	}
}
