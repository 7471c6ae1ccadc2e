package replay

import (
	"bytes"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
)

// pair puts both sides of the scratch together and counts.
func (s *session) pair(ctx context.Context, c *scratch, r *Report) error {
	if err := c.flush(); err != nil {
		return err
	}
	p := &pairing{s: s, ctx: ctx, kinds: c.kinds, values: newValues(s.resolver), report: r}
	for _, t := range s.shown() {
		d := &Difference{Examples: []Example{}}
		r.Topics[t.Name] = d
		p.topics = append(p.topics, t.Name)
		p.counts = append(p.counts, d)
	}
	err := c.store.Scan(firstKey, lastKey, func(k, v []byte) bool {
		if !bytes.Equal(p.group, k[:groupSize]) {
			p.settle()
			p.group = bytes.Clone(k[:groupSize])
		}
		side := k[groupSize]
		p.sides[side] = append(p.sides[side], decodeKept(k, bytes.Clone(v)))
		return p.err == nil && ctx.Err() == nil
	})
	if err != nil {
		return err
	}
	p.settle()
	if p.err == nil {
		p.err = context.Cause(ctx)
	}
	return p.err
}

// pairing is the walk over the scratch. A group is the records of one cause on one topic.
type pairing struct {
	s      *session
	ctx    context.Context
	kinds  []string
	topics []string
	counts []*Difference
	values *values
	report *Report
	group  []byte
	sides  [2][]kept
	err    error
}

// settle compares the records of a group.
func (p *pairing) settle() {
	ours, theirs := p.sides[sideReplay], p.sides[sideProduction]
	for i := range max(len(ours), len(theirs)) {
		switch {
		case i >= len(theirs):
			o := &ours[i]
			p.counts[o.topic].Extra++
			p.example(o, "extra", "", nil, o)
		case i >= len(ours):
			o := &theirs[i]
			if o.edge {
				continue
			}
			p.counts[o.topic].Missing++
			p.example(o, "missing", "", o, nil)
		default:
			p.compare(&theirs[i], &ours[i])
		}
	}
	p.sides[0], p.sides[1] = ours[:0], theirs[:0]
}

func (p *pairing) compare(theirs, ours *kept) {
	what := ""
	a, b := theirs.rec, ours.rec
	switch {
	case theirs.partition != ours.partition:
		what = fmt.Sprintf("partition %d, replay %d", theirs.partition, ours.partition)
	case !same(a.Key, b.Key):
		what = fmt.Sprintf("key %q, replay %q", a.Key, b.Key)
	case !a.Timestamp.Equal(b.Timestamp):
		what = fmt.Sprintf("timestamp %d, replay %d", a.Timestamp.UnixMilli(),
			b.Timestamp.UnixMilli())
	case !same(a.Value, b.Value):
		what = "value"
	default:
		what = headersDiffer(a, b)
	}
	if what == "" {
		p.counts[ours.topic].Same++
		return
	}
	p.counts[ours.topic].Different++
	p.example(ours, "different", what, theirs, ours)
}

func headersDiffer(a, b *kgo.Record) string {
	if len(a.Headers) != len(b.Headers) {
		return fmt.Sprintf("%d headers, replay %d", len(a.Headers), len(b.Headers))
	}
	for i, h := range a.Headers {
		if g := b.Headers[i]; g.Key != h.Key || !same(g.Value, h.Value) {
			return fmt.Sprintf("header %s=%q, replay %s=%q", h.Key, h.Value, g.Key, g.Value)
		}
	}
	return ""
}

// same tells nil from empty.
func same(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

// example adds a record to the report, while there are few of its kind.
func (p *pairing) example(o *kept, kind, what string, theirs, ours *kept) {
	d := p.counts[o.topic]
	if d.full(kind) {
		return
	}
	e := Example{Kind: kind, What: what, Key: shownKey(o.rec.Key), From: p.origin(o)}
	dead := p.kinds[o.topic] != processor.TopicOutput
	if theirs != nil {
		e.Offset = fmt.Sprintf("%s-%d@%d", p.topics[o.topic], theirs.partition, theirs.offset)
		e.Production = p.values.show(p.ctx, theirs.rec.Value, dead)
	}
	if ours != nil {
		e.Replay = p.values.show(p.ctx, ours.rec.Value, dead)
	}
	if theirs != nil && ours != nil {
		e.Fields = fields(e.Production, e.Replay)
	}
	d.Examples = append(d.Examples, e)
}

// origin names what led to a record.
func (p *pairing) origin(o *kept) string {
	t := p.s.tasks[o.task]
	switch {
	case p.kinds[o.topic] == processor.TopicLate:
		return "task " + t.name
	case o.at.input >= len(t.inputs):
		return fmt.Sprintf("%s-%d tick %d ordinal %d", p.s.ticks, o.task, o.at.offset, o.at.ordinal)
	}
	return fmt.Sprintf("%s-%d offset %d ordinal %d", t.inputs[o.at.input].Topic, o.at.partition,
		o.at.offset, o.at.ordinal)
}
