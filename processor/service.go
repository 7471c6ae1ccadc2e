package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/sony/gobreaker/v2"
)

// service is an Enrichment at work in one task: questions in the order of their records, workers
// that ask them, a circuit breaker and a cache. Workers are started when there is something to ask
// and end when there is nothing left.
type service[V, E any] struct {
	*enrichment[V, E]
	of      *ahead
	breaker *gobreaker.CircuitBreaker[E]

	mu      sync.Mutex
	queue   []*question[V]
	workers int
	open    map[string]*question[V] // queued or being asked, by Key; with a cache only
	cache   *answerCache[E]
	turned  chan struct{} // closed when the breaker opens or closes
	failure error         // of the last call that failed
	told    time.Time     // when Waiting was last told
}

// question is one call to be made, for all records that wait for its answer.
type question[V any] struct {
	v       V
	key     string
	waiters []waiter[V] // guarded by the service's mu
}

type waiter[V any] struct {
	v    V
	done func(answer)
}

func (e *enrichment[V, E]) start(a *ahead) asker[V] {
	s := &service[V, E]{enrichment: e, of: a, open: make(map[string]*question[V]),
		cache: newAnswerCache[E](e.CacheFor, e.CacheSize), turned: make(chan struct{})}
	s.breaker = gobreaker.NewCircuitBreaker[E](gobreaker.Settings{
		Name: e.Name, Timeout: e.BreakFor,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			return c.ConsecutiveFailures >= uint32(e.BreakAfter)
		},
		IsSuccessful:  func(err error) bool { return err == nil || isPermanent(err) },
		IsExcluded:    func(error) bool { return a.ctx.Err() != nil },
		OnStateChange: func(_ string, _, to gobreaker.State) { s.turn(to) },
	})
	if a.offline {
		return direct[V, E]{s}
	}
	return s
}

// turn wakes whoever waits for the breaker.
func (s *service[V, E]) turn(to gobreaker.State) {
	if to != gobreaker.StateHalfOpen {
		s.mu.Lock()
		close(s.turned)
		s.turned = make(chan struct{})
		s.mu.Unlock()
	}
	s.of.tell(func(l *Listener) {
		if l.Breaker != nil {
			l.Breaker(BreakerInfo{Task: s.of.task, Enrichment: s.Name, State: to.String()})
		}
	})
}

// ask answers from the cache, joins a question that is open, or queues one.
func (s *service[V, E]) ask(v V, done func(answer)) {
	q := &question[V]{v: v, waiters: []waiter[V]{{v, done}}}
	if s.CacheFor > 0 {
		var err error
		if q.key, err = protect(func() (string, error) { return s.Key(v), nil }); err != nil {
			done(s.refused(err))
			return
		}
	}
	s.mu.Lock()
	val, cached := s.cache.get(q.key)
	same := s.open[q.key]
	switch {
	case cached:
	case same != nil:
		same.waiters = append(same.waiters, q.waiters...)
	default:
		if s.CacheFor > 0 {
			s.open[q.key] = q
		}
		s.queue = append(s.queue, q)
		if s.workers < s.Concurrency {
			s.workers++
			s.of.calls.Go(s.work)
		}
	}
	s.mu.Unlock()
	if cached || same != nil {
		s.report(EnrichInfo{Result: EnrichCached})
	}
	if cached {
		done(answer{index: s.index, val: val, ok: true})
	}
}

// work asks queued questions until there are none.
func (s *service[V, E]) work() {
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.of.ctx.Err() != nil {
			s.workers--
			s.mu.Unlock()
			return
		}
		q := s.queue[0]
		s.queue[0] = nil
		s.queue = s.queue[1:]
		s.mu.Unlock()
		val, err := s.settle(q)
		if err != nil && s.of.ctx.Err() != nil {
			continue // it is the end that failed it
		}
		for _, w := range s.close(q, val, err) {
			w.done(s.conclude(w.v, val, err))
		}
	}
}

// close takes the question off the open ones; who asks now finds its answer in the cache.
func (s *service[V, E]) close(q *question[V], val E, err error) []waiter[V] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[q.key] == q {
		delete(s.open, q.key)
	}
	if s.CacheFor > 0 && err == nil {
		s.cache.put(q.key, val)
	}
	waiters := q.waiters
	q.waiters = nil
	return waiters
}

// downError says that a service is down for a record.
type downError struct{ err error }

func (e *downError) Error() string { return "the service is down: " + e.err.Error() }
func (e *downError) Unwrap() error { return e.err }

// settle calls until there is an answer, a permanent error, or a reason to give up.
func (s *service[V, E]) settle(q *question[V]) (E, error) {
	pauses := &backoff.ExponentialBackOff{InitialInterval: s.MinBackoff, Multiplier: 2,
		RandomizationFactor: 0.5, MaxInterval: s.MaxBackoff}
	began := time.Now()
	for tries := 0; ; {
		s.mu.Lock()
		turned := s.turned
		s.mu.Unlock()
		val, called, err := s.call(q.v)
		if err == nil || isPermanent(err) || s.of.ctx.Err() != nil {
			return val, err
		}
		if called {
			tries++
		}
		open := s.breaker.State() == gobreaker.StateOpen
		down := open || s.MaxAttempts > 0 && tries >= s.MaxAttempts
		err = s.why(err, called)
		if down && (s.WhenDown != Wait || s.relieve(q, err)) {
			return val, &downError{err}
		}
		s.waiting(began, down, err)
		wait := min(pauses.NextBackOff(), s.MaxBackoff)
		if open {
			wait = min(wait, s.BreakFor)
		}
		s.pause(wait, turned)
	}
}

// call asks the service once, unless the breaker forbids it.
func (s *service[V, E]) call(v V) (val E, called bool, err error) {
	began := time.Now()
	val, err = s.breaker.Execute(func() (E, error) {
		called = true
		ctx, cancel := context.WithTimeout(s.of.ctx, s.Timeout)
		defer cancel()
		val, err := protect(func() (E, error) { return s.Call(ctx, v) })
		if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			err = fmt.Errorf("no answer within %v: %w", s.Timeout, err)
		}
		return val, err
	})
	if !called {
		return val, false, err
	}
	info := EnrichInfo{Result: EnrichAnswered, For: time.Since(began), Err: err}
	switch {
	case s.of.ctx.Err() != nil && err != nil:
		return val, true, err
	case isPermanent(err):
		info.Result = EnrichRefused
	case err != nil:
		info.Result = EnrichError
	}
	s.report(info)
	return val, true, err
}

// why gives a breaker's refusal the reason of the last call that failed.
func (s *service[V, E]) why(err error, called bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if called {
		s.failure = err
		return err
	}
	if s.failure == nil {
		return err
	}
	return fmt.Errorf("%w; the last call: %w", err, s.failure)
}

// relieve lets the fallback answer those who wait; it says whether nobody is left waiting.
func (s *service[V, E]) relieve(q *question[V], err error) bool {
	if s.Fallback == nil {
		return false
	}
	s.mu.Lock()
	waiters := q.waiters
	q.waiters = nil
	s.mu.Unlock()
	var left []waiter[V]
	for _, w := range waiters {
		if a, ok := s.fallback(w.v, &downError{err}); ok {
			w.done(a)
		} else {
			left = append(left, w)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q.waiters = append(left, q.waiters...) // with those who joined meanwhile
	if len(q.waiters) > 0 {
		return false
	}
	delete(s.open, q.key) // at once, so that nobody joins a question that is given up
	return true
}

// conclude makes a question's outcome one record's answer.
func (s *service[V, E]) conclude(v V, val E, err error) answer {
	if err == nil {
		return answer{index: s.index, val: val, ok: true}
	}
	if a, ok := s.fallback(v, err); ok {
		return a
	}
	var down *downError
	if errors.As(err, &down) && s.WhenDown == PassThrough {
		return answer{index: s.index}
	}
	return s.refused(err)
}

func (s *service[V, E]) fallback(v V, err error) (answer, bool) {
	if s.Fallback == nil {
		return answer{}, false
	}
	ok := false
	val, failure := protect(func() (val E, _ error) {
		val, ok = s.Fallback(v, err)
		return val, nil
	})
	if failure != nil {
		return s.refused(fmt.Errorf("%w; its fallback: %w", err, failure)), true
	}
	return answer{index: s.index, val: val, ok: ok}, ok
}

func (s *service[V, E]) refused(err error) answer {
	return answer{index: s.index, err: &RejectError{Exception: enrichFailed,
		Message: fmt.Sprintf("enrichment %s: %v", s.Name, err)}}
}

// pause waits for d, for the breaker to turn, or for the end.
func (s *service[V, E]) pause(d time.Duration, turned <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-s.of.ctx.Done():
	case <-turned:
	case <-timer.C:
	}
}

// waitTold is how long a failing service may take before it is told, and then how often it is.
const waitTold = time.Second

func (s *service[V, E]) waiting(began time.Time, down bool, err error) {
	now := time.Now()
	if !down && now.Sub(began) < waitTold {
		return
	}
	s.mu.Lock()
	due := now.Sub(s.told) >= waitTold
	if due {
		s.told = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	s.of.tell(func(l *Listener) {
		if l.Waiting != nil {
			l.Waiting(WaitInfo{Task: s.of.task, For: now.Sub(began),
				What: fmt.Sprintf("enrichment %s: %v", s.Name, err)})
		}
	})
}

func (s *service[V, E]) report(info EnrichInfo) {
	info.Task, info.Enrichment = s.of.task, s.Name
	s.of.tell(func(l *Listener) {
		if l.Enriched != nil {
			l.Enriched(info)
		}
	})
}

// protect turns a panic into a permanent error: another attempt would panic as well.
func protect[T any](f func() (T, error)) (val T, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = Permanent(fmt.Errorf("it panicked: %v", r))
		}
	}()
	return f()
}
