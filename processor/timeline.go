package processor

import (
	"iter"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Timeline is keyed state: the values of each key in order of event time, those of equal time in
// order of arrival. Values at or below the watermark − retention are forgotten.
type Timeline[V any] struct {
	rows      *Table[V]
	next      *Table[record.Timer] // when a key's oldest value is forgotten: its one valid timer
	forget    *Timers
	retention int64
	emptied   func(ctx *Context) // a key has lost its last value; may be nil
}

// NewTimeline declares a timeline.
func NewTimeline[V any](p *Pipeline, name string, retention time.Duration,
	t schemas.Type[V]) *Timeline[V] {
	p.positive("timeline", name, "retention", retention)
	l := &Timeline[V]{retention: retention.Milliseconds(),
		rows: addTable(p, &Table[V]{name: name, typ: t, inOrd: true}),
		next: Keyed(p, "timers-"+name+"-next", record.TimerType())}
	l.forget = NewTimers(p, name, l.expire)
	return l
}

// Add puts v under the current key at the current event time.
func (l *Timeline[V]) Add(ctx *Context, v V) {
	l.rows.SetAt(ctx, ctx.row(), v)
	due := ctx.time + l.retention
	if next, armed := l.next.Get(ctx); !armed || due < next.At {
		l.arm(ctx, due)
	}
}

func (l *Timeline[V]) arm(ctx *Context, due int64) {
	l.next.Set(ctx, record.Timer{At: due})
	l.forget.set(ctx, ctx.key, due)
}

// Range gives the current key's values with from < time ≤ to, oldest first.
func (l *Timeline[V]) Range(ctx *Context, from, to time.Time) iter.Seq2[time.Time, V] {
	rows := rowsOf(ctx, l.rows, from.UnixMilli()+1, to.UnixMilli())
	return func(yield func(time.Time, V) bool) {
		for _, r := range rows {
			if !yield(utc(r.at), r.val) {
				return
			}
		}
	}
}

// expire forgets the current key's oldest values. A timer that is not the key's valid one does
// nothing: an older value has come in since, with a timer of its own.
func (l *Timeline[V]) expire(ctx *Context) error {
	if next, armed := l.next.Get(ctx); !armed || next.At != ctx.time {
		return nil
	}
	horizon := ctx.time - l.retention
	from := statestore.Key(nil).Bytes(ctx.key)
	var gone []string
	var oldest int64
	some := false
	l.rows.cache(ctx).scan(from, from.End(), func(key string, _ V) bool {
		if at := rowTime(key, len(from)); at > horizon {
			oldest, some = at, true
			return false
		}
		gone = append(gone, key)
		return true
	})
	for _, key := range gone {
		l.rows.DeleteAt(ctx, statestore.Key(key))
	}
	if some {
		l.arm(ctx, oldest+l.retention)
		return nil
	}
	l.next.Delete(ctx)
	if l.emptied != nil {
		l.emptied(ctx)
	}
	return nil
}

// row is one value of a table whose keys are Context.row.
type row[V any] struct {
	key string
	at  int64 // ms
	val V
}

// rowTime is the time in a row's key, which follows that of the current key.
func rowTime(key string, prefix int) int64 { return timerTime(key[prefix:]) }

// rowsOf reads the current key's rows with first ≤ time ≤ last, in order. They are collected before
// the caller does anything, because a scan does not allow for changes.
func rowsOf[V any](ctx *Context, t *Table[V], first, last int64) []row[V] {
	if first > last {
		return nil
	}
	prefix := len(statestore.Key(nil).Bytes(ctx.key))
	var rows []row[V]
	t.cache(ctx).scan(ctx.under(first), ctx.under(last).End(), func(key string, v V) bool {
		rows = append(rows, row[V]{key, rowTime(key, prefix), v})
		return true
	})
	return rows
}

// SlidingWindow is a window (t − Span, t] that ends with each record.
type SlidingWindow struct {
	Span  time.Duration
	Grace time.Duration // how far below the watermark a record may be
	// EmitEvery is how much event time must lie between two results of a key; 0 gives one for each
	// record.
	EmitEvery time.Duration
}

// Sliding calls h for the records of a key with what the key has in the window that ends with the
// record: for its first one, then for each that is EmitEvery or more after the one of the last
// call. Records below watermark − Grace go to `<application.id>-<name>-late`.
func Sliding[V any](p *Pipeline, name string, w SlidingWindow, t schemas.Type[V],
	h func(ctx *Context, s Span, values iter.Seq2[time.Time, V]) error) Handler[V] {
	p.positive("sliding window", name, "span", w.Span)
	p.notNegative("sliding window", name, "grace", w.Grace)
	p.notNegative("sliding window", name, "emit interval", w.EmitEvery)
	if h == nil {
		p.fault("sliding window %q has no handler", name)
	}
	late := p.lateWindow(name)
	line := NewTimeline(p, name, w.Span+w.Grace, t)
	var last *Table[record.Timer]
	if w.EmitEvery > 0 {
		last = Keyed(p, name+"-last", record.TimerType())
		line.emptied = func(ctx *Context) { last.Delete(ctx) }
	}
	return func(ctx *Context, v V) error {
		if ctx.core.older(ctx.time, w.Grace.Milliseconds()) {
			return ctx.late(late)
		}
		line.Add(ctx, v)
		if last != nil {
			before, some := last.Get(ctx)
			if some && ctx.time < before.At+w.EmitEvery.Milliseconds() {
				return nil
			}
			last.Set(ctx, record.Timer{At: ctx.time})
		}
		s := Span{Start: ctx.Time().Add(-w.Span), End: ctx.Time(), Final: true}
		return h(ctx, s, line.Range(ctx, s.Start, s.End))
	}
}
