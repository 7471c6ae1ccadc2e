package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pawl/processor"
)

// TestEnrichWaits takes a service down: what stands before is committed, the task says what it
// waits for, the breaker keeps the calls few, and when the service is up again nothing is missing.
func TestEnrichWaits(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var up atomic.Bool
	var told story
	s := failing(3, &up)
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, told.listener())
	in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: s.call}))
	b.sequence(1, 50, 4, 1)
	b.outputs(12)
	told.told(t, "enrichment risk", "connection refused", "breaker is open")
	before := s.calls.Load()
	waitFor(t, "the breaker to try again", func() bool { return s.calls.Load() > before+2 })
	waitFor(t, "what is handled to be committed", func() bool { return b.committed("in", 0) == 12 })
	up.Store(true)
	b.outputs(200)
	stop(t, in)
	if b := strings.Join(told.breakers, " "); !strings.HasPrefix(b, "open half-open open") ||
		!strings.HasSuffix(b, "half-open closed") {
		t.Errorf("the breaker went %s", b)
	}
	if l := b.ledger(0); l.Processed != 200 || l.Gaps != 0 {
		t.Errorf("ledger: %+v", l)
	}
}

// TestEnrichWakesWithTheBreaker: pauses are long, but end when the breaker opens or closes.
func TestEnrichWakesWithTheBreaker(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var up atomic.Bool
	s := failing(0, &up)
	in := b.start("a", enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		Concurrency: 4, BreakAfter: 4, MinBackoff: time.Hour, MaxBackoff: time.Hour}))
	b.sequence(1, 20, 2, 1)
	waitFor(t, "the breaker to try again", func() bool { return s.calls.Load() > 6 })
	up.Store(true)
	b.outputs(40)
	stop(t, in)
}

// TestEnrichRetries mends a call that fails twice by trying again.
func TestEnrichRetries(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var told story
	s := &backend{reply: func(ctx context.Context, _ event, nth int64) error {
		switch nth {
		case 1:
			return errNoService
		case 2:
			<-ctx.Done() // the timeout of the call
			return ctx.Err()
		}
		return nil
	}}
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, told.listener())
	in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		Concurrency: 1, Timeout: 100 * time.Millisecond}))
	b.sequence(1, 3, 1, 1)
	b.outputs(3)
	stop(t, in)
	if s.calls.Load() != 5 || told.result(processor.EnrichError) != 2 ||
		told.result(processor.EnrichAnswered) != 3 || len(told.breakers) != 0 {
		t.Errorf("%d calls, told %v, breaker %v", s.calls.Load(), told.results, told.breakers)
	}
}

// TestEnrichRefusals has answers that no other attempt mends, and a call that panics.
func TestEnrichRefusals(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	s := &backend{reply: func(_ context.Context, e event, _ int64) error {
		switch e.Key {
		case "k1":
			return fmt.Errorf("ask: %w", processor.Permanent(errors.New("no such customer")))
		case "k2":
			panic("a bug of the client")
		}
		return nil
	}}
	var told story
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, told.listener())
	in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		BreakAfter: 1}))
	b.sequence(1, 20, 3, 1)
	b.outputs(20)
	b.drained("in")
	stop(t, in)
	if len(told.breakers) != 0 || told.result(processor.EnrichRefused) != 40 {
		t.Errorf("a service that refuses is not down: told %v, breaker %v", told.results,
			told.breakers)
	}
	if s.calls.Load() != 60 {
		t.Errorf("%d calls for 60 records: a permanent error is not tried again", s.calls.Load())
	}
	b.deadBecause(map[string]string{"k1": "enrichment risk: ask: no such customer",
		"k2": "enrichment risk: it panicked: a bug of the client"}, 40)
	if l := b.ledger(0); l.Processed != 20 || l.Dead != 40 {
		t.Errorf("ledger: %+v", l)
	}
}

// deadBecause wants n dead letters, all EnrichFailed with the words for their key.
func (b *bed) deadBecause(words map[string]string, n int) {
	b.t.Helper()
	dead := b.records("app-dlq")
	if len(dead) != n {
		b.t.Errorf("%d dead letters, want %d", len(dead), n)
	}
	for _, rec := range dead {
		got := map[string]string{}
		for _, h := range rec.Headers {
			got[h.Key] = string(h.Value)
		}
		if got["__streams.errors.exception"] != "EnrichFailed" ||
			!strings.Contains(got["__streams.errors.message"], words[string(rec.Key)]) {
			b.t.Fatalf("key %s: headers %v", rec.Key, got)
		}
	}
}

// TestEnrichWhenDown lets records go another way while the service is down.
func TestEnrichWhenDown(t *testing.T) {
	t.Parallel()
	fallback := func(e event, err error) (int64, bool) {
		return -e.N, errors.Is(err, errNoService)
	}
	type enrichment = processor.Enrichment[event, int64]
	for name, c := range map[string]struct {
		e                     enrichment
		handled, marked, dead int
	}{
		"dead letters":   {enrichment{WhenDown: processor.DeadLetter}, 6, 0, 14},
		"passed through": {enrichment{WhenDown: processor.PassThrough}, 20, 14, 0},
		"after two attempts": {enrichment{WhenDown: processor.PassThrough, MaxAttempts: 2,
			BreakAfter: 1e6}, 20, 14, 0},
		"fallback": {enrichment{WhenDown: processor.DeadLetter,
			Fallback: fallback}, 20, 0, 0},
		"fallback, not wait": {enrichment{Fallback: fallback}, 20, 0, 0},
		"shared fallback": {enrichment{Fallback: fallback, CacheFor: time.Hour,
			Key: func(e event) string { return fmt.Sprint(e.N) }}, 20, 0, 0},
		"no fallback": {enrichment{WhenDown: processor.PassThrough,
			Fallback: func(event, error) (int64, bool) { return 0, false }}, 20, 14, 0},
		"a fallback that panics": {enrichment{
			Fallback: func(event, error) (int64, bool) { panic("a bug") }}, 6, 0, 14},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			s := failing(3, new(atomic.Bool))
			c.e.Call = s.call
			in := b.start("a", enriching(t, c.e))
			// The answers that the service has must be in before it is found to be down.
			b.sequence(1, 3, 2, 1)
			b.outputs(6)
			b.sequence(4, 7, 2, 1)
			b.outputs(c.handled)
			b.drained("in")
			stop(t, in)
			if n := len(b.records("marked")); n != c.marked {
				t.Errorf("%d records were handled without an answer, want %d", n, c.marked)
			}
			b.deadBecause(map[string]string{"k0": "connection refused", "k1": "connection refused"},
				c.dead)
			if l := b.ledger(0); l.Processed != int64(c.handled) || l.Dead != int64(c.dead) {
				t.Errorf("ledger: %+v", l)
			}
		})
	}
}
