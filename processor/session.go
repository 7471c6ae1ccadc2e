package processor

import (
	"slices"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
)

// Session is a kind of window: events of a key that follow each other within a gap.
type Session struct{ gap, grace time.Duration }

// SessionGap makes sessions of events that are at most gap apart.
func SessionGap(gap time.Duration) Session { return Session{gap: gap} }

// Grace keeps a session open until the watermark has passed its last event + gap + d. Default 0.
func (s Session) Grace(d time.Duration) Session { s.grace = d; return s }

// due is how long after its last event a session closes: an event right at the gap still joins.
func (s Session) due() int64 { return s.gap.Milliseconds() + s.grace.Milliseconds() + 1 }

// sessions keeps track of the keys' open sessions: when they grow, merge and close.
type sessions struct {
	Session
	late    int
	open    *Table[record.Sessions]
	closing *Timers
	closed  func(ctx *Context, s record.Session) error
}

func newSessions(p *Pipeline, name string, w Session,
	closed func(ctx *Context, s record.Session) error) *sessions {
	p.positive("session", name, "gap", w.gap)
	p.notNegative("session", name, "grace", w.grace)
	s := &sessions{Session: w, late: p.lateWindow(name), closed: closed,
		open: Keyed(p, name+"-sessions", record.SessionsType())}
	s.closing = NewTimers(p, name, s.fire)
	p.closing(name, WindowInfo{After: time.Duration(s.due()) * time.Millisecond,
		Sessions: s.open.name})
	return s
}

// join makes the current record part of a session. It returns the session, and those that it was
// before, oldest first; ok is false when the record is late.
func (s *sessions) join(ctx *Context) (now record.Session, was []record.Session, ok bool) {
	at, gap := ctx.time, s.gap.Milliseconds()
	now = record.Session{Start: at, End: at}
	state, _ := s.open.Get(ctx)
	var others []record.Session
	for _, old := range state.Open {
		if at < old.Start-gap || at > old.End+gap {
			others = append(others, old)
			continue
		}
		was = append(was, old)
		now.Start, now.End = min(now.Start, old.Start), max(now.End, old.End)
	}
	if len(was) == 0 {
		if ctx.core.closed(at + s.due()) {
			return now, nil, false
		}
		s.closing.set(ctx, ctx.key, at+s.due())
	}
	if len(was) != 1 || was[0] != now {
		i := 0
		for i < len(others) && others[i].Start < now.Start {
			i++
		}
		s.open.Set(ctx, record.Sessions{Open: slices.Insert(others, i, now)})
	}
	return now, was, true
}

// fire closes what is due at the timer's time, and sees to it that the others have a timer.
func (s *sessions) fire(ctx *Context) error {
	at := ctx.time
	state, _ := s.open.Get(ctx)
	var left, done []record.Session
	for _, one := range state.Open {
		if due := one.End + s.due(); due > at {
			left = append(left, one)
			s.closing.set(ctx, ctx.key, due)
			continue
		}
		done = append(done, one)
	}
	if len(left) == 0 {
		s.open.Delete(ctx)
	} else if len(done) > 0 {
		s.open.Set(ctx, record.Sessions{Open: left})
	}
	for _, one := range done {
		ctx.time = one.End
		if err := s.closed(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// AggregateSessions folds the records of each key and session. A record at most the gap away from a
// session's first or last event joins it, and may join two into one: then merge gets their results,
// the earlier one first. emit gets a session's result once, when the watermark has passed its last
// event + gap + grace; there the Span is from first to last event, both included, and ctx.Time() is
// the last event. A record of a session that would be closed already goes to
// `<application.id>-<name>-late`.
func AggregateSessions[V, A any](p *Pipeline, name string, w Session, t schemas.Type[A],
	add func(A, V) A, merge func(A, A) A, emit func(ctx *Context, s Span, a A)) Handler[V] {
	if add == nil || merge == nil || emit == nil {
		p.fault("session %q needs functions to add, to merge and to emit", name)
	}
	table := Keyed(p, name, t)
	s := newSessions(p, name, w, func(ctx *Context, s record.Session) error {
		key := ctx.under(s.Start)
		a, _ := table.GetAt(ctx, key)
		table.DeleteAt(ctx, key)
		emit(ctx, Span{Start: utc(s.Start), End: utc(s.End), Final: true}, a)
		return nil
	})
	return func(ctx *Context, v V) error {
		now, was, ok := s.join(ctx)
		if !ok {
			return ctx.late(s.late)
		}
		var a A
		for i, old := range was {
			one, _ := table.GetAt(ctx, ctx.under(old.Start))
			if i == 0 {
				a = one
			} else {
				a = merge(a, one)
			}
			if old.Start != now.Start {
				table.DeleteAt(ctx, ctx.under(old.Start))
			}
		}
		table.SetAt(ctx, ctx.under(now.Start), add(a, v))
		return nil
	}
}
