package processor

import (
	"slices"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Step is one step of a Pattern.
type Step[V any] struct {
	Name string
	// Match looks at the event alone; it is asked when an event comes and again when its session
	// closes.
	Match func(V) bool
}

// Match is a sequence of events that a Pattern found: one for each step that was matched.
type Match[V any] struct {
	Span     Span // of the session: first and last event
	Times    []time.Time
	Events   []V
	Complete bool
}

// Pattern looks for steps in the order of event time within each session, when it closes: the first
// event that matches the first step, the first after it that matches the second, and so on; behind
// a complete match it begins again. emit gets every complete match, and at the session's end an
// incomplete one when at least its first step was matched. There ctx.Time() is the session's last
// event. Records of a session that would be closed already go to `<application.id>-<name>-late`.
// Events that match no step make sessions longer, but are not kept: steps that are changed later do
// not find them.
func Pattern[V any](p *Pipeline, name string, w Session, t schemas.Type[V], steps []Step[V],
	emit func(ctx *Context, m Match[V])) Handler[V] {
	checkSteps(p, name, steps)
	if emit == nil {
		p.fault("pattern %q has no function to emit", name)
	}
	rows := addTable(p, &Table[V]{name: name, typ: t, inOrd: true})
	s := newSessions(p, name, w, func(ctx *Context, s record.Session) error {
		events := rowsOf(ctx, rows, s.Start, s.End)
		for _, e := range events {
			rows.DeleteAt(ctx, statestore.Key(e.key))
		}
		span := Span{Start: utc(s.Start), End: utc(s.End), Final: true}
		for _, m := range matches(steps, events) {
			m.Span = span
			emit(ctx, m)
		}
		return nil
	})
	return func(ctx *Context, v V) error {
		if _, _, ok := s.join(ctx); !ok {
			return ctx.late(s.late)
		}
		if !matchesAny(steps, v) {
			ctx.wrote = true // also when the session goes on as it was: the event is part of it
			return nil
		}
		rows.SetAt(ctx, ctx.row(), v)
		return nil
	}
}

// matchesAny tells whether an event is worth keeping: one that is no step is passed over wherever
// it stands.
func matchesAny[V any](steps []Step[V], v V) bool {
	return slices.ContainsFunc(steps, func(s Step[V]) bool { return s.Match(v) })
}

// matches walks over a session's events.
func matches[V any](steps []Step[V], events []row[V]) []Match[V] {
	var found []Match[V]
	var m Match[V]
	for _, e := range events {
		if !steps[len(m.Events)].Match(e.val) {
			continue
		}
		m.Times, m.Events = append(m.Times, utc(e.at)), append(m.Events, e.val)
		if len(m.Events) == len(steps) {
			m.Complete = true
			found = append(found, m)
			m = Match[V]{}
		}
	}
	if len(m.Events) > 0 {
		found = append(found, m)
	}
	return found
}

func checkSteps[V any](p *Pipeline, name string, steps []Step[V]) {
	if len(steps) < 2 {
		p.fault("pattern %q has %d steps; give 2 or more, a filter finds single events", name,
			len(steps))
	}
	for i, s := range steps {
		if s.Match == nil {
			p.fault("pattern %q: step %d %q has no condition", name, i+1, s.Name)
		}
	}
}
