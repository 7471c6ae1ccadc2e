package processor

import (
	"context"
	"fmt"
	"time"
)

// An Enrichment asks another service about each record of an input, ahead of the record's step, so
// that many calls are under way while records are still handled one by one, in order.
//
// Answers are no part of the log: they are kept until their record is committed, so that an epoch
// which is done again has the same ones, but a restart or a replay asks again. Where that must not
// show, the service has to give the same answer for the same value.
//
// Without a cluster (Offline, package processortest) a record's Call is made once, at its turn; one
// that fails counts as down at once, and fails the test where it would be waited for.
type Enrichment[V, E any] struct {
	// Name is part of metrics, dead letters and log lines; unique in the pipeline. Required.
	Name string
	// Call asks the service. It is called from several goroutines, must not change v, and must
	// return when ctx ends: a task that is given up waits for its calls. An error is tried again
	// unless it is Permanent; a panic is a permanent error. Required.
	Call func(ctx context.Context, v V) (E, error)
	// Key says which values have the same answer, for the cache and for calls under way. Required
	// with CacheFor.
	Key func(V) string
	// CacheFor is how long an answer serves other records of the same Key. Default 0: no cache.
	CacheFor time.Duration
	// CacheSize is how many answers a task's cache holds. Default 10000.
	CacheSize int
	// Concurrency is how many calls a task has under way. Default 16.
	Concurrency int
	// Timeout of one call. Default 2s.
	Timeout time.Duration
	// MinBackoff and MaxBackoff bound the pauses between the attempts for one record, which double
	// and vary at random. Defaults 100ms and 10s.
	MinBackoff, MaxBackoff time.Duration
	// MaxAttempts for one record, after which the service counts as down for it. Default 0: no
	// limit but the breaker.
	MaxAttempts int
	// BreakAfter failures in a row open the task's circuit breaker: the service is down. Default 5.
	BreakAfter int
	// BreakFor is how long an open breaker lets no call through; then one call tries. Default 5s.
	BreakFor time.Duration
	// WhenDown is what becomes of records while the service is down. Default Wait.
	WhenDown WhenDown
	// Fallback, when set, may answer in place of a service that refused for good or is down; false
	// leaves the record to what would have become of it. It must not block.
	Fallback func(v V, err error) (E, bool)
}

// WhenDown is what becomes of records while a service is down.
type WhenDown string

// Settings of Enrichment.WhenDown.
const (
	Wait        WhenDown = "wait"         // the task goes on trying, and tells Listener.Waiting
	DeadLetter  WhenDown = "dead-letter"  // the record is dead-lettered as EnrichFailed
	PassThrough WhenDown = "pass-through" // the record is handled, and Enriched.Get says false
)

// enrichFailed is the exception of records whose enrichment failed.
const enrichFailed = "EnrichFailed"

// Enriched gives a handler the answers of an Enrichment.
type Enriched[E any] struct{ index int }

// Get returns the answer for the record being handled; false when it was passed through without
// one, and in timers and handlers of other inputs, which have none.
func (e *Enriched[E]) Get(ctx *Context) (E, bool) {
	for i := range ctx.answers {
		if a := &ctx.answers[i]; a.index == e.index && a.ok {
			return a.val.(E), true
		}
	}
	var none E
	return none, false
}

// answer is what one enrichment has to say of a record.
type answer struct {
	index int // of the enrichment, in the pipeline
	val   any
	ok    bool
	err   *RejectError // the record is to be dead-lettered
}

// given is what the world outside of the core has to say of a record. The task looks it up before
// the step.
type given struct {
	answers []answer
	ready   bool   // the answers are there
	shed    string // why the record is to be shed; "" when it is not
}

// fault is what keeps the record from being handled: no answer yet, or a dead letter.
func (g *given) fault() error {
	if !g.ready {
		return errUnanswered
	}
	for i := range g.answers {
		if err := g.answers[i].err; err != nil {
			return err
		}
	}
	return nil
}

// Enrich has the service asked about every record of the input. A record that its enrichment
// dead-letters moves no watermark and touches no state.
func Enrich[V, E any](s *Source[V], e Enrichment[V, E]) *Enriched[E] {
	e.ensureDefaults()
	fault := func(format string, args ...any) {
		s.p.fault("input %q: enrichment %q: %s", s.name, e.Name, fmt.Sprintf(format, args...))
	}
	e.check(fault)
	if s.isTable() {
		fault("a table has no handler that could use it; enrich the stream that reads the table")
	}
	for _, name := range s.p.enrichments {
		if name == e.Name {
			fault("is declared twice; give each its own name")
		}
	}
	index := len(s.p.enrichments)
	s.p.enrichments = append(s.p.enrichments, e.Name)
	s.enrich = append(s.enrich, &enrichment[V, E]{e, index})
	return &Enriched[E]{index}
}

func (e *Enrichment[V, E]) ensureDefaults() {
	number := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	duration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	number(&e.CacheSize, 10_000)
	number(&e.Concurrency, 16)
	number(&e.BreakAfter, 5)
	duration(&e.Timeout, 2*time.Second)
	duration(&e.MinBackoff, 100*time.Millisecond)
	duration(&e.MaxBackoff, max(10*time.Second, e.MinBackoff))
	duration(&e.BreakFor, 5*time.Second)
	if e.WhenDown == "" {
		e.WhenDown = Wait
	}
}

// check reports every fault.
func (e *Enrichment[V, E]) check(fault func(format string, args ...any)) {
	if err := validName(e.Name); err != nil {
		fault("Name %v", err)
	}
	if e.Call == nil {
		fault("has no Call; give the function that asks the service")
	}
	if e.CacheFor > 0 && e.Key == nil {
		fault("CacheFor=%v without Key; say which values have the same answer", e.CacheFor)
	}
	if e.CacheFor < 0 {
		fault("CacheFor=%v is negative; give 0 for no cache", e.CacheFor)
	}
	for _, n := range []struct {
		name  string
		value int
	}{{"CacheSize", e.CacheSize}, {"Concurrency", e.Concurrency}, {"BreakAfter", e.BreakAfter},
		{"MaxAttempts", e.MaxAttempts}} {
		if n.value < 0 {
			fault("%s=%d is negative; give 0 for the default, or more", n.name, n.value)
		}
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"Timeout", e.Timeout}, {"MinBackoff", e.MinBackoff}, {"BreakFor", e.BreakFor}} {
		if d.value < 0 {
			fault("%s=%v is negative; give 0 for the default, or more", d.name, d.value)
		}
	}
	if e.MaxBackoff < e.MinBackoff {
		fault("MaxBackoff=%v is below MinBackoff=%v; give at least as much", e.MaxBackoff,
			e.MinBackoff)
	}
	switch e.WhenDown {
	case Wait, DeadLetter, PassThrough:
	default:
		fault("WhenDown=%q is unknown; use %s, %s or %s", e.WhenDown, Wait, DeadLetter,
			PassThrough)
	}
}

// enricher is an Enrichment of any answer type.
type enricher[V any] interface {
	window() int
	start(a *ahead) asker[V]
}

// asker is an enrichment at work in one task. done is called once with the answer, from any
// goroutine or before ask returns; not at all when the task ends first.
type asker[V any] interface {
	ask(v V, done func(answer))
}

// direct is an Enrichment without a cluster: it asks at once, and once, because there is neither a
// goroutine nor a clock.
type direct[V, E any] struct{ *service[V, E] }

func (d direct[V, E]) ask(v V, done func(answer)) {
	val, err := protect(func() (E, error) { return d.Call(d.of.ctx, v) })
	if err != nil && !isPermanent(err) {
		err = &downError{err}
	}
	if err == nil || isPermanent(err) || d.WhenDown != Wait {
		done(d.conclude(v, val, err))
	} else if a, ok := d.fallback(v, err); ok {
		done(a)
	} else {
		d.of.failure = fmt.Errorf("enrichment %s: %w", d.Name, err)
	}
}

type enrichment[V, E any] struct {
	Enrichment[V, E]
	index int
}

// window is how many records are asked about ahead of their step: enough that calls are under way
// while a burst of records is handled, and while the first in line waits for a slow one.
func (e *enrichment[V, E]) window() int { return max(2*burst, 4*e.Concurrency) }
