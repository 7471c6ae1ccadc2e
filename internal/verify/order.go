package verify

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
)

// decided is what a task's ticks say about the order in which it took its inputs.
type decided struct {
	boot map[int]int64    // input → offset to which it was read before all else
	late map[place][]mark // records taken out of order, with what stood before them
	idle []idle           // in the order in which they happened
}

// part is one partition that a task reads: its own of an input, or any of a global one.
type part struct {
	task      int32
	input     int // of the spec
	partition int32
	bounds    Bounds // to the task's committed offset
}

// parts are what a task reads, in the order of its position record.
func (c *check) parts(task int32, pos *record.Position) []part {
	var all []part
	for i, in := range c.spec.Inputs {
		for p, b := range c.inputs[i] {
			switch {
			case in.Global:
				at := b.From
				for k := 0; pos != nil && k < len(pos.Inputs); k++ {
					if pos.Inputs[k].Topic == in.Name && pos.Inputs[k].Partition == int32(p) {
						at = pos.Inputs[k].Offset
					}
				}
				c.report.Unprocessed += b.To - at
				all = append(all, part{task, i, int32(p), Bounds{min(b.From, at), at}})
			case int32(p) == task:
				all = append(all, part{task, i, task, b})
			}
		}
	}
	return all
}

// place is a record of one of the task's parts.
type place struct {
	input  int
	offset int64
}

// mark is the next offset of one part.
type mark struct {
	input  int
	offset int64
}

// idle is a watermark that moved without a record.
type idle struct {
	number    int64 // of all the task's ticks, from 0
	after     []mark
	watermark int64
}

// readTicks reads the decisions of one task.
func (c *check) readTicks(ctx context.Context, partition int32, parts []part) (*decided, error) {
	d := &decided{boot: make(map[int]int64), late: make(map[place][]mark)}
	bounds := c.ticks
	if int(partition) >= len(bounds) {
		return d, nil
	}
	dec := schemas.NewDecoder(record.TickType(), c.resolver)
	topic := c.app + "-ticks"
	number := int64(-1)
	err := Each(ctx, c.source, topic, partition, bounds[partition], func(rec *kgo.Record) error {
		number++
		if c.turns[partition].idle[number] {
			return nil // the task was taken back since
		}
		var tick record.Tick
		if err := dec.DecodeFetching(ctx, rec.Value, &tick); err != nil {
			return fmt.Errorf("tick at %s-%d offset %d: %w", topic, partition, rec.Offset, err)
		}
		return c.tick(d, &tick, number, parts)
	})
	return d, err
}

func (c *check) tick(d *decided, tick *record.Tick, number int64, parts []part) error {
	// A topic stands for the task's own partition, but for a global one.
	find := func(topic string, partition int32) int {
		return slices.IndexFunc(parts, func(p part) bool {
			in := c.spec.Inputs[p.input]
			return in.Name == topic && (!in.Global || p.partition == partition)
		})
	}
	var after []mark
	for _, m := range tick.After {
		i := find(m.Topic, m.Partition)
		if i < 0 {
			return fmt.Errorf("tick of kind %s names topic %s, which is no input", tick.Kind,
				m.Topic)
		}
		after = append(after, mark{i, m.Offset})
	}
	switch tick.Kind {
	case record.TickBootstrap:
		d.boot[find(tick.Topic, tick.Partition)] = tick.Offset
	case record.TickIdle:
		d.idle = append(d.idle, idle{number, after, tick.Watermark})
	case record.TickDeviation:
		i := find(tick.Topic, tick.Partition)
		if i < 0 {
			return fmt.Errorf("deviation of topic %s, which is no input", tick.Topic)
		}
		d.late[place{i, tick.Offset}] = after
	default:
		return fmt.Errorf("unknown kind %q", tick.Kind)
	}
	return nil
}

// merge gives a task's input records in the order in which the task took them.
type merge struct {
	inputs []mergeInput
	ticks  *decided
}

type mergeInput struct {
	topic Topic
	log   Log
	head  *kgo.Record // nil at the end
	taken int64       // offset after the last record taken
	boot  int64       // records below come before all else
	end   int64       // where the log ends
}

func (c *check) openMerge(ctx context.Context, parts []part, d *decided) (*merge, error) {
	m := &merge{ticks: d}
	for i, p := range parts {
		in := c.spec.Inputs[p.input]
		log, err := c.source.Open(ctx, in.Name, p.partition, p.bounds)
		if err != nil {
			m.close()
			return nil, fmt.Errorf("open %s-%d: %w", in.Name, p.partition, err)
		}
		m.inputs = append(m.inputs, mergeInput{topic: in, log: log, boot: d.boot[i],
			end: p.bounds.To})
		if err := m.advance(ctx, i); err != nil {
			m.close()
			return nil, err
		}
	}
	return m, nil
}

func (m *merge) close() {
	for _, in := range m.inputs {
		in.log.Close()
	}
}

func (m *merge) advance(ctx context.Context, input int) error {
	in := &m.inputs[input]
	rec, err := in.log.Next(ctx)
	if err != nil && err != io.EOF {
		return fmt.Errorf("read %s: %w", in.topic.Name, err)
	}
	in.head = rec
	return nil
}

// next returns the next record and its input, or nil at the end. Idle ticks that happened before
// it are given to quiet first.
func (m *merge) next(ctx context.Context, quiet func(idle) error) (int, *kgo.Record, error) {
	for len(m.ticks.idle) > 0 {
		ready, err := m.reached(m.ticks.idle[0].after)
		if err != nil {
			return 0, nil, fmt.Errorf("idle tick: %w", err)
		}
		if !ready {
			break
		}
		if err := quiet(m.ticks.idle[0]); err != nil {
			return 0, nil, err
		}
		m.ticks.idle = m.ticks.idle[1:]
	}
	i, err := m.choose()
	if err != nil || i < 0 {
		return 0, nil, err
	}
	rec := m.inputs[i].head
	m.inputs[i].taken = rec.Offset + 1
	return i, rec, m.advance(ctx, i)
}

// choose returns the input whose head comes next, or -1 when all are read.
func (m *merge) choose() (int, error) {
	for i := range m.inputs {
		if in := &m.inputs[i]; in.head != nil && in.head.Offset < in.boot {
			return i, nil
		}
	}
	best, held := -1, -1
	for i := range m.inputs {
		in := &m.inputs[i]
		if in.head == nil {
			continue
		}
		if after, ok := m.ticks.late[place{i, in.head.Offset}]; ok {
			ready, err := m.reached(after)
			if err != nil {
				return 0, fmt.Errorf("deviation of %s offset %d: %w", in.topic.Name,
					in.head.Offset, err)
			}
			if ready {
				return i, nil
			}
			held = i
			continue
		}
		if best < 0 || m.before(i, best) {
			best = i
		}
	}
	if best < 0 && held >= 0 {
		return 0, fmt.Errorf("deviation of %s offset %d waits for records that are not there",
			m.inputs[held].topic.Name, m.inputs[held].head.Offset)
	}
	return best, nil
}

// before orders heads by timestamp, tables first on ties, then as declared.
func (m *merge) before(a, b int) bool {
	ta, tb := m.inputs[a].head.Timestamp.UnixMilli(), m.inputs[b].head.Timestamp.UnixMilli()
	if ta != tb {
		return ta < tb
	}
	return m.inputs[a].topic.table() && !m.inputs[b].topic.table()
}

// reached reports whether exactly the records below the marks are taken.
func (m *merge) reached(marks []mark) (bool, error) {
	all := true
	for _, k := range marks {
		in := &m.inputs[k.input]
		if in.taken > k.offset {
			return false, fmt.Errorf("%s stands at offset %d already, beyond %d", in.topic.Name,
				in.taken, k.offset)
		}
		next := in.end
		if in.head != nil {
			next = in.head.Offset
		}
		all = all && next >= k.offset
	}
	return all, nil
}
