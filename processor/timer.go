package processor

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sort"
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
func (t *Timers) Set(ctx *Context, at time.Time) { t.set(ctx, ctx.key, at.UnixMilli()) }

// set makes the timer fire for any key.
func (t *Timers) set(ctx *Context, of []byte, ms int64) {
	ctx.timer = ctx.timer[:0].Int(ms).Bytes(of)
	t.table.SetAt(ctx, ctx.timer, record.Timer{At: ms})
	ctx.core.timers[t.index].add(ctx.timer)
}

// timerState is one task's knowledge of its next timers: it holds, in order, the keys of all live
// ones below a horizon, so that most of them fire without a look at the store.
type timerState struct {
	*Timers
	ahead   []string // keys of the table: time, then the key the timer is for
	horizon string   // timers at or above are in the table only; "" when none are known to be there
}

const (
	timerBatch = 1024           // timers read at once
	timerAhead = 4 * timerBatch // timers held
)

// timerEnd is above all timers' keys.
func timerEnd() statestore.Key { return statestore.Key(nil).Int(math.MaxInt64).End() }

// reset forgets what is known: all timers are in the table.
func (s *timerState) reset() {
	s.ahead, s.horizon = nil, string(statestore.Key(nil).Int(math.MinInt64))
}

// add notes a timer that was set. Most are far ahead: they cost no copy of their key.
func (s *timerState) add(key statestore.Key) {
	if s.horizon != "" && string(key) >= s.horizon {
		return
	}
	at := sort.Search(len(s.ahead), func(i int) bool { return s.ahead[i] >= string(key) })
	if at < len(s.ahead) && s.ahead[at] == string(key) {
		return
	}
	s.ahead = slices.Insert(s.ahead, at, string(key))
	if len(s.ahead) > timerAhead {
		s.horizon = s.ahead[timerBatch]
		s.ahead = s.ahead[:timerBatch]
	}
}

// earliest is the time in ms of the first of all timers; ok is false when there is none.
func (c *core) earliest() (at int64, ok bool) {
	for _, s := range c.timers {
		if key, some := c.next(s, math.MaxInt64); some && (!ok || timerTime(key) < at) {
			at, ok = timerTime(key), true
		}
	}
	return at, ok
}

// next returns the first timer's key, looking into the table where one up to limit may be there.
func (c *core) next(s *timerState, limit int64) (key string, ok bool) {
	if len(s.ahead) == 0 && s.horizon != "" && timerTime(s.horizon) <= limit {
		from := statestore.Key(s.horizon)
		s.horizon = ""
		s.table.cache(&c.ctx).gather(from, timerEnd(), func(key string, _ record.Timer) bool {
			if len(s.ahead) == timerBatch {
				s.horizon = key
				return false
			}
			s.ahead = append(s.ahead, key)
			return true
		})
	}
	if len(s.ahead) == 0 {
		return "", false
	}
	return s.ahead[0], true
}

// timerTimeSize is how much of a timer's key its time takes.
const timerTimeSize = 9

// timerTime is the time in a timer's key, in ms.
func timerTime(key string) int64 {
	return int64(binary.BigEndian.Uint64([]byte(key[1:9])) ^ 1<<63)
}

// fire runs all timers that the watermark has reached, in order of time and key.
func (c *core) fire(rec *kgo.Record, input int) (err error) {
	if c.watermark == noWatermark {
		return nil
	}
	defer func() {
		// It is not the fault of the record that moved the watermark: that one is no dead letter.
		switch r := recover().(type) {
		case nil:
		case tooLarge:
			err = fmt.Errorf("timer of key %q: %s", c.ctx.key, r)
		default:
			panic(r)
		}
	}()
	for _, s := range c.timers {
		for {
			key, ok := c.next(s, c.watermark)
			if c.failure != nil {
				return c.failure
			}
			if !ok || timerTime(key) > c.watermark {
				break
			}
			s.ahead[0] = ""
			s.ahead = s.ahead[1:]
			if err := c.fireOne(s, key, rec, input); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *core) fireOne(s *timerState, key string, rec *kgo.Record, input int) error {
	ctx, at := &c.ctx, timerTime(key)
	ctx.timer = append(ctx.timer[:0], key...)
	var err error
	if ctx.fired, _, err = ctx.timer[timerTimeSize:].TakeString(ctx.fired[:0]); err != nil {
		return fmt.Errorf("timer of table %s: %w", s.table.name, err)
	}
	ctx.enter(rec, input, ctx.fired, at)
	s.table.DeleteAt(ctx, ctx.timer)
	if err := s.handler(ctx); err != nil {
		// Not %w: a timer cannot reject the record that happened to move the watermark.
		return fmt.Errorf("timer %s of key %q at %d: %v", s.table.name, ctx.fired, at, err)
	}
	return nil
}
