package processor

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Timeline is keyed state: the values of each key in order of event time, those of equal time in
// order of arrival. Values at or below the watermark − retention are forgotten.
type Timeline[V any] struct {
	rows      *Table[V]
	next      *Table[oldest] // when a key's oldest value is forgotten: its one valid timer
	forget    *Timers
	retention int64
	emptied   func(ctx *Context) // a key has lost its last value; may be nil
}

// oldest is stored as a record.Timer.
type oldest struct {
	At int64 `avro:"at"`
	// first says where the key's first values are, or is nil. It is in memory only, and saves most
	// looks for the next value: they would step over all that was forgotten lately.
	first []spot
}

const (
	spotsAhead = 8    // how many values that stay are looked up at once
	spotsGone  = 1024 // how many that go
)

// spot is what a row's key has beside the key of the record.
type spot struct{ at, input, offset int64 }

// spotOf is the spot in a row's key, which follows that of the record.
func spotOf(key string) spot {
	const size = 9 // of an integer
	return spot{timerTime(key), timerTime(key[size:]), timerTime(key[2*size:])}
}

func (p spot) compare(q spot) int {
	return cmp.Or(cmp.Compare(p.at, q.at), cmp.Compare(p.input, q.input),
		cmp.Compare(p.offset, q.offset))
}

// NewTimeline declares a timeline.
func NewTimeline[V any](p *Pipeline, name string, retention time.Duration,
	t schemas.Type[V]) *Timeline[V] {
	p.positive("timeline", name, "retention", retention)
	l := &Timeline[V]{retention: retention.Milliseconds(),
		rows: addTable(p, &Table[V]{name: name, typ: t, inOrd: true}),
		next: Keyed(p, "timers-"+name+"-next",
			schemas.Avro[oldest](record.TimerType().String()))}
	l.forget = NewTimers(p, name, l.expire)
	return l
}

// Add puts v under the current key at the current event time.
func (l *Timeline[V]) Add(ctx *Context, v V) {
	l.rows.SetAt(ctx, ctx.row(), v)
	next, armed := l.next.Get(ctx)
	first, changed := next.with(spot{ctx.time, int64(ctx.input), ctx.rec.Offset})
	if due := ctx.time + l.retention; !armed || due < next.At {
		l.arm(ctx, due, first)
	} else if changed {
		l.next.Set(ctx, oldest{next.At, first})
	}
}

// with is o.first with s, when it is one of them.
func (o oldest) with(s spot) (first []spot, changed bool) {
	i, known := slices.BinarySearchFunc(o.first, s, spot.compare)
	if known || i == len(o.first) {
		return o.first, false
	}
	first = slices.Insert(slices.Clone(o.first), i, s)
	return first[:min(len(first), spotsAhead)], true
}

func (l *Timeline[V]) arm(ctx *Context, due int64, first []spot) {
	l.next.Set(ctx, oldest{due, first})
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

// expire forgets all of the current key's values that the watermark has left behind, for which
// there would be timers of their own otherwise: nobody looks between two of these. A timer that is
// not the key's valid one does nothing: an older value has come in since, with a timer of its own,
// or the value is forgotten already.
func (l *Timeline[V]) expire(ctx *Context) error {
	next, armed := l.next.Get(ctx)
	if !armed || next.At != ctx.time {
		return nil
	}
	horizon := ctx.core.watermark - l.retention
	from := statestore.Key(nil).Bytes(ctx.key)
	for first := next.first; ; {
		for len(first) > 0 && first[0].at <= horizon {
			gone := ctx.under(first[0].at).Int(first[0].input).Int(first[0].offset)
			l.rows.DeleteAt(ctx, gone)
			first, from = first[1:], append(gone, 0)
		}
		if len(first) > 0 {
			l.arm(ctx, first[0].at+l.retention, first)
			return nil
		}
		if first = l.look(ctx, from, horizon); len(first) == 0 {
			break
		}
	}
	l.next.Delete(ctx)
	if l.emptied != nil {
		l.emptied(ctx)
	}
	return nil
}

// look finds the current key's first values at or behind from: what is to be forgotten, and some
// more.
func (l *Timeline[V]) look(ctx *Context, from statestore.Key, horizon int64) []spot {
	key := statestore.Key(nil).Bytes(ctx.key)
	var first []spot
	more := spotsAhead
	l.rows.cache(ctx).scan(from, key.End(), func(row string, _ V) bool {
		p := spotOf(row[len(key):])
		first = append(first, p)
		if p.at > horizon {
			more--
		}
		return more > 0 && len(first) < spotsGone
	})
	return first
}

// row is one value of a table whose keys are Context.row.
type row[V any] struct {
	key string
	at  int64 // ms
	val V
}

// rowsOf reads the current key's rows with first ≤ time ≤ last, in order. They are collected before
// the caller does anything, because a scan does not allow for changes.
func rowsOf[V any](ctx *Context, t *Table[V], first, last int64) []row[V] {
	if first > last {
		return nil
	}
	prefix := len(statestore.Key(nil).Bytes(ctx.key))
	var rows []row[V]
	t.cache(ctx).scan(ctx.under(first), ctx.under(last).End(), func(key string, v V) bool {
		rows = append(rows, row[V]{key, timerTime(key[prefix:]), v})
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
