package verify

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// turn is where a task was taken back. What stands beyond it and was written before is superseded:
// the task did it again.
type turn struct {
	incarnation int64
	epoch       int64
	ticks       int64
	position    record.Position
}

// turns are those of one task, in order, and which of its ticks are superseded.
type turns struct {
	all  []turn
	idle map[int64]bool // by number
}

// tail is how much of a changelog is looked at for a sign that the task was ever taken back.
const tail = 512

// findTurns looks for tasks that were taken back.
func (c *check) findTurns(ctx context.Context) error {
	c.turns = make([]turns, c.tasks)
	for p := range c.tasks {
		if p >= len(c.changelog) {
			continue
		}
		b := c.changelog[p]
		var last int64
		err := c.positions(ctx, int32(p), Bounds{max(b.From, b.To-tail), b.To},
			func(p *record.Position) error {
				last = p.Incarnation
				return nil
			})
		if err != nil {
			return err
		}
		if last == 0 {
			continue
		}
		if err := c.findTurnsOf(ctx, int32(p), b); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) findTurnsOf(ctx context.Context, partition int32, b Bounds) error {
	t := &c.turns[partition]
	t.idle = make(map[int64]bool)
	var prev *record.Position
	err := c.positions(ctx, partition, b, func(p *record.Position) error {
		if prev == nil && p.Incarnation > 0 {
			return fmt.Errorf("task %s-%d was taken back by pawl replay, and compaction has "+
				"deleted where to: outputs of before cannot be told from those that count",
				c.spec.Pipeline, partition)
		}
		if prev != nil && p.Incarnation > prev.Incarnation {
			t.all = append(t.all, turn{p.Incarnation, p.Epoch, p.Ticks, *p})
		}
		prev = p
		return nil
	})
	if err != nil || int(partition) >= len(c.ticks) {
		return err
	}
	topic := c.app + "-ticks"
	dec := schemas.NewDecoder(record.TickType(), c.resolver)
	number := int64(-1)
	return Each(ctx, c.source, topic, partition, c.ticks[partition], func(rec *kgo.Record) error {
		number++
		var tick record.Tick
		if err := dec.DecodeFetching(ctx, rec.Value, &tick); err != nil {
			return fmt.Errorf("tick at %s-%d offset %d: %w", topic, partition, rec.Offset, err)
		}
		for i := range t.all {
			if number < t.all[i].ticks && t.all[i].beyond(&tick) {
				t.idle[number] = true
			}
		}
		return nil
	})
}

// positions calls fn for the position records of a part of a changelog.
func (c *check) positions(ctx context.Context, partition int32, b Bounds,
	fn func(*record.Position) error) error {
	dec := schemas.NewDecoder(record.PositionType(), c.resolver)
	topic := c.app + "-" + c.spec.Pipeline + "-changelog"
	return Each(ctx, c.source, topic, partition, b, func(rec *kgo.Record) error {
		if string(rec.Key) != statestore.PositionKey {
			return nil
		}
		p := new(record.Position)
		if err := dec.DecodeFetching(ctx, rec.Value, p); err != nil {
			return fmt.Errorf("position record at %s-%d offset %d: %w", topic, partition,
				rec.Offset, err)
		}
		return fn(p)
	})
}

// beyond says that a tick happened after the position that the task was taken back to.
func (t *turn) beyond(tick *record.Tick) bool {
	if tick.Kind == record.TickBootstrap {
		return !t.position.Bootstrapped
	}
	if tick.Watermark > t.position.Watermark {
		return true
	}
	marks := tick.After
	if tick.Kind == record.TickDeviation {
		marks = append(marks, record.Mark{Topic: tick.Topic, Partition: tick.Partition,
			Offset: tick.Offset + 1})
	}
	for _, m := range marks {
		for _, in := range t.position.Inputs {
			if in.Topic == m.Topic && in.Partition == m.Partition && m.Offset > in.Offset {
				return true
			}
		}
	}
	return false
}

// superseded says that an output was written before its task was taken back, from what lies beyond.
func (c *check) superseded(i id, incarnation int64) bool {
	if int(i.partition) >= len(c.turns) {
		return false
	}
	t := &c.turns[i.partition]
	for k := range t.all {
		turn := &t.all[k]
		switch {
		case turn.incarnation <= incarnation:
		case i.input >= len(turn.position.Inputs):
			if t.idle[i.offset] {
				return true
			}
		case i.offset >= turn.position.Inputs[i.input].Offset:
			return true
		}
	}
	return false
}

// letterSuperseded is the same for a dead letter, which names its epoch.
func (c *check) letterSuperseded(i id, rec *kgo.Record) bool {
	epoch, err := strconv.ParseInt(string(header(rec, "pawl.epoch")), 10, 64)
	if err != nil || int(i.partition) >= len(c.turns) {
		return false
	}
	for _, turn := range c.turns[i.partition].all {
		if epoch < turn.epoch && i.offset >= turn.position.Inputs[i.input].Offset {
			return true
		}
	}
	return false
}
