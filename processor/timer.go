package processor

import (
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
	"pawl/statestore"
)

// Timers call a handler when the watermark reaches a time set before, exactly once per time and
// key. They are state: kept in the table "timers-<name>", in order of time.
type Timers struct {
	table   *Table[record.Timer]
	handler func(ctx *Context) error
	index   int
}

// NewTimers declares a set of timers.
func NewTimers(p *Pipeline, name string, h func(ctx *Context) error) *Timers {
	t := &Timers{handler: h, index: len(p.timers)}
	t.table = addTable(p, &Table[record.Timer]{name: "timers-" + name, typ: record.TimerType(),
		inOrd: true})
	if h == nil {
		p.fault("timers %q have no handler", name)
	}
	p.timers = append(p.timers, t)
	return t
}

// Set makes the timer fire for the current key at the given event time; setting the same time
// again changes nothing. A time the watermark has passed fires after the current handler.
func (t *Timers) Set(ctx *Context, at time.Time) {
	ms := at.UnixMilli()
	key := statestore.Key(nil).Int(ms).Bytes(ctx.key)
	t.table.SetAt(ctx, key, record.Timer{At: ms})
	s := ctx.core.timers[t.index]
	s.next = min(s.next, ms)
}

// timerState is one task's knowledge of when its timers are next due.
type timerState struct {
	*Timers
	next int64 // no live timer is due before; MinInt64 when that has to be looked up
}

func (s *timerState) reset() { s.next = math.MinInt64 }

// timerBatch bounds what one scan holds in memory.
const timerBatch = 1024

// fire runs all timers that the watermark has reached, in order of time and key.
func (c *core) fire(rec *kgo.Record, input int) error {
	for _, s := range c.timers {
		for s.next <= c.watermark && c.watermark != noWatermark {
			if err := c.fireBatch(s, rec, input); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *core) fireBatch(s *timerState, rec *kgo.Record, input int) error {
	var due []string
	next := int64(math.MaxInt64)
	cache := s.table.cache(&c.ctx)
	cache.scan(statestore.Key(nil).Int(s.next), statestore.Key(nil).Int(math.MaxInt64).End(),
		func(key string, v record.Timer) bool {
			next = v.At
			if v.At > c.watermark || len(due) == timerBatch {
				return false
			}
			due = append(due, key)
			next = math.MaxInt64
			return true
		})
	if c.failure != nil {
		return c.failure
	}
	s.next = next
	for _, key := range due {
		parts, err := statestore.DecodeKey([]byte(key))
		if err != nil {
			return fmt.Errorf("timer of table %s: %w", s.table.name, err)
		}
		at, user := parts[0].(int64), parts[1].(string)
		c.ctx.enter(rec, input, []byte(user), at)
		s.table.DeleteAt(&c.ctx, statestore.Key(key))
		if err := s.handler(&c.ctx); err != nil {
			// Not %w: a timer cannot reject the record that happened to move the watermark.
			return fmt.Errorf("timer %s of key %q at %d: %v", s.table.name, user, at, err)
		}
	}
	return nil
}
