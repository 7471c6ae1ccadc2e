package processor

import (
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Span is a window's place in event time. Which of its ends belong to it is the window's matter.
type Span struct {
	Start, End time.Time
	Final      bool // the window is closed; false for an early result
}

// Window is a kind of window of fixed size in event time.
type Window struct {
	size, advance, grace, every time.Duration
}

// Tumbling windows [start, start + size) follow each other, aligned to the epoch.
func Tumbling(size time.Duration) Window { return Window{size: size, advance: size} }

// Hopping windows [start, start + size) begin every advance, aligned to the epoch, and overlap.
func Hopping(size, advance time.Duration) Window { return Window{size: size, advance: advance} }

// Grace keeps a window open until the watermark has reached its end + d. Default 0.
func (w Window) Grace(d time.Duration) Window { w.grace = d; return w }

// EmitEvery gives early results too: of a window that changed, when the watermark reaches the next
// multiple of d.
func (w Window) EmitEvery(d time.Duration) Window { w.every = d; return w }

func (w Window) check(p *Pipeline, name string) {
	p.positive("window", name, "size", w.size)
	p.positive("window", name, "advance", w.advance)
	p.notNegative("window", name, "grace", w.grace)
	p.notNegative("window", name, "emit interval", w.every)
	if w.advance > w.size {
		p.fault("window %q: advance=%v is more than size=%v, so that records fall between "+
			"windows; give at most the size", name, w.advance, w.size)
	}
}

// starts are the windows that t belongs to, oldest first: from the first to the last, in steps of
// the advance.
func (w Window) starts(t int64) (first, last, step int64) {
	size, step := w.size.Milliseconds(), w.advance.Milliseconds()
	last = floor(t, step)
	first = floor(t-size, step) + step
	return first, last, step
}

// floor is the greatest multiple of step that is not above t.
func floor(t, step int64) int64 {
	n := t - t%step
	if n > t {
		n -= step
	}
	return n
}

// WindowInfo says when the windows of a store close; the zero value: it has none that do. A window
// closes when the watermark has reached its end + After.
type WindowInfo struct {
	Size  time.Duration // from its start to its end; 0 for sessions, which end with an event
	After time.Duration
	// Sessions is the store that has, under a key, the sessions that are open; "" for windows.
	Sessions string
}

// closing notes when the windows of a store close.
func (p *Pipeline) closing(store string, w WindowInfo) {
	if p.closings == nil {
		p.closings = make(map[string]WindowInfo)
	}
	p.closings[store] = w
}

// aggregate is the state of Aggregate: the open windows under (key, start), and those of them that
// changed since they were last emitted early.
type aggregate[V, A any] struct {
	w       Window
	late    int
	open    *Table[A]
	changed *Table[record.Counter]
	closing *Timers
	early   *Timers
	add     func(A, V) A
	emit    func(ctx *Context, s Span, a A)
}

// Aggregate folds the records of each key and window. emit gets a window's result once, when the
// watermark has reached its end + grace; there ctx.Time() is the window's end − 1 ms. A record that
// belongs to a window closed before it goes to `<application.id>-<name>-late`, and counts for those
// of its windows that are open.
func Aggregate[V, A any](p *Pipeline, name string, w Window, t schemas.Type[A], add func(A, V) A,
	emit func(ctx *Context, s Span, a A)) Handler[V] {
	w.check(p, name)
	if add == nil || emit == nil {
		p.fault("window %q needs a function to add and one to emit", name)
	}
	o := &aggregate[V, A]{w: w, late: p.lateWindow(name), open: Keyed(p, name, t), add: add,
		emit: emit}
	o.closing = NewTimers(p, name, o.close)
	p.closing(name, WindowInfo{Size: w.size, After: w.grace})
	if w.every > 0 {
		o.changed = addTable(p, &Table[record.Counter]{name: name + "-changed",
			typ: record.CounterType(), inOrd: true})
		o.early = NewTimers(p, name+"-early", o.update)
	}
	return o.take
}

// take adds a record to its open windows.
func (o *aggregate[V, A]) take(ctx *Context, v V) error {
	due := o.w.size.Milliseconds() + o.w.grace.Milliseconds() // after a window's start
	first, last, step := o.w.starts(ctx.time)
	late := false
	for start := first; start <= last; start += step {
		if ctx.core.closed(start + due) {
			late = true
			continue
		}
		key := ctx.briefly(start)
		a, known := o.open.GetAt(ctx, key)
		o.open.SetAt(ctx, key, o.add(a, v))
		if !known {
			o.closing.set(ctx, ctx.key, start+due)
		}
		if o.early != nil {
			every := o.w.every.Milliseconds()
			o.changed.SetAt(ctx, key, record.Counter{N: 1})
			o.early.set(ctx, ctx.key, floor(ctx.core.watermark, every)+every)
		}
	}
	if late {
		return ctx.late(o.late)
	}
	return nil
}

// closed tells whether the watermark had reached at before the record.
func (c *core) closed(at int64) bool { return c.before != noWatermark && c.before >= at }

// close emits the window that the timer is for, and forgets it.
func (o *aggregate[V, A]) close(ctx *Context) error {
	start := ctx.time - o.w.size.Milliseconds() - o.w.grace.Milliseconds()
	key := ctx.briefly(start)
	a, known := o.open.GetAt(ctx, key)
	if !known {
		return nil
	}
	o.open.DeleteAt(ctx, key)
	if o.early != nil {
		o.changed.DeleteAt(ctx, key)
	}
	o.give(ctx, start, a, true)
	return nil
}

// update emits the key's windows that changed.
func (o *aggregate[V, A]) update(ctx *Context) error {
	from := statestore.Key(nil).Bytes(ctx.key)
	var keys []string
	o.changed.cache(ctx).scan(from, from.End(), func(key string, _ record.Counter) bool {
		keys = append(keys, key)
		return true
	})
	for _, key := range keys {
		parts, err := statestore.DecodeKey([]byte(key))
		if err != nil {
			return err
		}
		a, _ := o.open.GetAt(ctx, statestore.Key(key))
		o.changed.DeleteAt(ctx, statestore.Key(key))
		o.give(ctx, parts[1].(int64), a, false)
	}
	return nil
}

func (o *aggregate[V, A]) give(ctx *Context, start int64, a A, final bool) {
	end := start + o.w.size.Milliseconds()
	ctx.time = end - 1
	o.emit(ctx, Span{Start: utc(start), End: utc(end), Final: final}, a)
}

func utc(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
