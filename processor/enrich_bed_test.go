package processor_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// backend is a service: the answer to an event is its number negated.
type backend struct {
	reply    func(ctx context.Context, e event, nth int64) error // by the calls so far, from 1
	calls    atomic.Int64
	inFlight atomic.Int64
	most     atomic.Int64 // calls at once
}

func (s *backend) call(ctx context.Context, e event) (int64, error) {
	nth := s.calls.Add(1)
	now := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	for most := s.most.Load(); now > most && !s.most.CompareAndSwap(most, now); {
		most = s.most.Load()
	}
	if s.reply != nil {
		if err := s.reply(ctx, e, nth); err != nil {
			return 0, err
		}
	}
	return -e.N, nil
}

var errNoService = errors.New("connection refused")

// failing is a backend that fails for records above a number until it is up.
func failing(above int64, up *atomic.Bool) *backend {
	return &backend{reply: func(_ context.Context, e event, _ int64) error {
		if e.N > above && !up.Load() {
			return errNoService
		}
		return nil
	}}
}

// enriching wants each key's events in order, emits each to out with its number, and those without
// an answer to marked as well.
func enriching(t *testing.T, e processor.Enrichment[event, int64]) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	last := processor.Keyed(p, "sums", typ)
	out := processor.Output(p, "out", typ)
	marked := processor.Output(p, "marked", typ)
	var answers *processor.Enriched[int64]
	in := processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		was, _ := last.Get(ctx)
		if e.N != was.N+1 {
			return processor.Reject("%d after %d", e.N, was.N)
		}
		switch answer, ok := answers.Get(ctx); {
		case !ok:
			marked.Emit(ctx, e.Key, e)
		case answer != -e.N:
			t.Errorf("key %s: answer to %d is %d", e.Key, e.N, answer)
		}
		last.Set(ctx, e)
		out.Emit(ctx, e.Key, e)
		return nil
	})
	if e.Name == "" {
		e.Name = "risk"
	}
	if e.MinBackoff == 0 {
		e.MinBackoff, e.MaxBackoff = time.Millisecond, 20*time.Millisecond
	}
	e.BreakFor = 50 * time.Millisecond
	answers = processor.Enrich(in, e)
	return p
}

// values encodes events under one schema id, asked for once.
func (b *bed) values() func(event) []byte {
	b.t.Helper()
	id, _, err := schemas.ParseHeader(b.value(event{}))
	if err != nil {
		b.t.Fatal(err)
	}
	enc := schemas.NewEncoder(schemas.Avro[event](eventSchema), id)
	return func(e event) []byte {
		value, err := enc.Append(nil, &e)
		if err != nil {
			b.t.Fatal(err)
		}
		return value
	}
}

// sequence writes the next n events of each key, in turns, on every partition in turn by key.
func (b *bed) sequence(from, n, keys int, partitions int32) {
	b.t.Helper()
	value := b.values()
	var recs []*kgo.Record
	for i := range n {
		for k := range keys {
			key := fmt.Sprint("k", k)
			recs = append(recs, &kgo.Record{Topic: "in", Partition: int32(k) % partitions,
				Key: []byte(key), Value: value(event{key, int64(from + i)})})
		}
	}
	b.put(recs...)
}

// story collects what an instance tells of its enrichments.
type story struct {
	mu       sync.Mutex
	results  map[processor.EnrichResult]int
	breakers []string
	waits    []string
}

func (s *story) listener() processor.Listener {
	s.results = make(map[processor.EnrichResult]int)
	lock := func(f func()) { s.mu.Lock(); defer s.mu.Unlock(); f() }
	return processor.Listener{
		Enriched: func(i processor.EnrichInfo) { lock(func() { s.results[i.Result]++ }) },
		Breaker: func(i processor.BreakerInfo) {
			lock(func() { s.breakers = append(s.breakers, i.State) })
		},
		Waiting: func(i processor.WaitInfo) { lock(func() { s.waits = append(s.waits, i.What) }) },
	}
}

func (s *story) result(r processor.EnrichResult) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.results[r]
}

// told waits for a Waiting that has all the parts.
func (s *story) told(t *testing.T, parts ...string) {
	t.Helper()
	waitFor(t, "the wait to be told", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, w := range s.waits {
			all := true
			for _, part := range parts {
				all = all && strings.Contains(w, part)
			}
			if all {
				return true
			}
		}
		return false
	})
}
