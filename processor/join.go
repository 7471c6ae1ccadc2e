package processor

import (
	"time"

	"pawl/schemas"
	"pawl/statestore"
)

// Interval is which right records a left record at t is joined with: those of its key at
// [t − Before, t + After].
type Interval struct {
	Before, After time.Duration
	Grace         time.Duration // how far below the watermark a record may be
}

func (i Interval) check(p *Pipeline, name string) {
	p.notNegative("join", name, "before", i.Before)
	p.notNegative("join", name, "after", i.After)
	p.notNegative("join", name, "grace", i.Grace)
}

// join is the state of a stream-stream join. A side's record is kept for as long as a record of the
// other side that is in time can need it.
type join[L, R any] struct {
	late          int
	before, after int64
	grace         int64
	left          *Timeline[L]
	right         *Timeline[R]
	open          *Table[L] // of a left join: left records without a partner so far
	unmatched     *Timers
	emit          func(ctx *Context, l L, r R, matched bool)
}

// Join pairs each left record with every right record of its key in the interval. A pair is emitted
// when the second of the two arrives; there ctx.Time() is the later of their times. Records below
// watermark − grace go to `<application.id>-<name>-late`.
func Join[L, R any](p *Pipeline, name string, in Interval, l schemas.Type[L], r schemas.Type[R],
	emit func(ctx *Context, l L, r R)) (Handler[L], Handler[R]) {
	if emit == nil {
		p.fault("join %q has no function to emit", name)
	}
	j := newJoin(p, name, in, l, r)
	j.emit = func(ctx *Context, l L, r R, _ bool) { emit(ctx, l, r) }
	return j.takeLeft, j.takeRight
}

// LeftJoin is Join that also emits each left record without a partner, once, when the watermark has
// passed the end of its interval + grace: matched is false then, and ctx.Time() its time.
func LeftJoin[L, R any](p *Pipeline, name string, in Interval, l schemas.Type[L],
	r schemas.Type[R], emit func(ctx *Context, l L, r R, matched bool)) (Handler[L], Handler[R]) {
	if emit == nil {
		p.fault("join %q has no function to emit", name)
	}
	j := newJoin(p, name, in, l, r)
	j.emit = emit
	j.open = addTable(p, &Table[L]{name: name + "-open", typ: l, inOrd: true})
	j.unmatched = NewTimers(p, name, j.giveUp)
	return j.takeLeft, j.takeRight
}

func newJoin[L, R any](p *Pipeline, name string, in Interval, l schemas.Type[L],
	r schemas.Type[R]) *join[L, R] {
	in.check(p, name)
	return &join[L, R]{late: p.lateWindow(name), before: in.Before.Milliseconds(),
		after: in.After.Milliseconds(), grace: in.Grace.Milliseconds(),
		left:  NewTimeline(p, name+"-left", in.After+in.Grace+time.Millisecond, l),
		right: NewTimeline(p, name+"-right", in.Before+in.Grace+time.Millisecond, r)}
}

func (j *join[L, R]) takeLeft(ctx *Context, l L) error {
	if ctx.core.older(ctx.time, j.grace) {
		return ctx.late(j.late)
	}
	j.left.Add(ctx, l)
	at := ctx.time
	partners := rowsOf(ctx, j.right.rows, at-j.before, at+j.after)
	for _, r := range partners {
		ctx.time = max(at, r.at)
		j.emit(ctx, l, r.val, true)
	}
	ctx.time = at
	if len(partners) == 0 && j.open != nil {
		j.open.SetAt(ctx, ctx.row(), l)
		j.unmatched.set(ctx, ctx.key, at+j.after+j.grace+1)
	}
	return nil
}

func (j *join[L, R]) takeRight(ctx *Context, r R) error {
	if ctx.core.older(ctx.time, j.grace) {
		return ctx.late(j.late)
	}
	j.right.Add(ctx, r)
	at := ctx.time
	for _, l := range rowsOf(ctx, j.left.rows, at-j.after, at+j.before) {
		if j.open != nil {
			j.open.DeleteAt(ctx, statestore.Key(l.key))
		}
		ctx.time = max(at, l.at)
		j.emit(ctx, l.val, r, true)
	}
	ctx.time = at
	return nil
}

// giveUp emits the left records whose interval has closed without a partner.
func (j *join[L, R]) giveUp(ctx *Context) error {
	at := ctx.time - j.after - j.grace - 1
	for _, l := range rowsOf(ctx, j.open, at, at) {
		j.open.DeleteAt(ctx, statestore.Key(l.key))
		ctx.time = at
		var none R
		j.emit(ctx, l.val, none, false)
	}
	return nil
}

// AsOf pairs each left record at t with the latest right record of its key in [t − within, t], of
// equal times the last to arrive. That is decided once, when the watermark has passed t + grace,
// so that the order in which the two streams arrive does not matter; there ctx.Time() is t. matched
// is false when there is none. Records below watermark − grace go to
// `<application.id>-<name>-late`.
func AsOf[L, R any](p *Pipeline, name string, within, grace time.Duration, l schemas.Type[L],
	r schemas.Type[R], emit func(ctx *Context, l L, r R, matched bool)) (Handler[L], Handler[R]) {
	p.notNegative("join", name, "within", within)
	p.notNegative("join", name, "grace", grace)
	if emit == nil {
		p.fault("join %q has no function to emit", name)
	}
	late := p.lateWindow(name)
	waiting := addTable(p, &Table[L]{name: name + "-left", typ: l, inOrd: true})
	slack := grace.Milliseconds()
	var right *Timeline[R]
	// Declared before the right side's own timers: what they forget may still be wanted here.
	decide := NewTimers(p, name, func(ctx *Context) error {
		at := ctx.time - slack - 1
		for _, one := range rowsOf(ctx, waiting, at, at) {
			waiting.DeleteAt(ctx, statestore.Key(one.key))
			ctx.time = at
			rows := rowsOf(ctx, right.rows, at-within.Milliseconds(), at)
			if len(rows) == 0 {
				var none R
				emit(ctx, one.val, none, false)
				continue
			}
			emit(ctx, one.val, rows[len(rows)-1].val, true)
		}
		return nil
	})
	right = NewTimeline(p, name+"-right", within+grace+time.Millisecond, r)
	left := func(ctx *Context, v L) error {
		if ctx.core.older(ctx.time, slack) {
			return ctx.late(late)
		}
		waiting.SetAt(ctx, ctx.row(), v)
		decide.set(ctx, ctx.key, ctx.time+slack+1)
		return nil
	}
	return left, func(ctx *Context, v R) error {
		if ctx.core.older(ctx.time, slack) {
			return ctx.late(late)
		}
		right.Add(ctx, v)
		return nil
	}
}
