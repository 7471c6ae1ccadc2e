package processor_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
)

// TestEnrichKeepsOrder lets calls take any time: they overlap, within the bound, and still every
// key's records are handled in order.
func TestEnrichKeepsOrder(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	s := &backend{reply: func(context.Context, event, int64) error {
		time.Sleep(rand.N(10 * time.Millisecond))
		return nil
	}}
	b.sequence(1, 60, 10, 2)
	in := b.start("a", enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		Concurrency: 8}))
	b.outputs(600)
	stop(t, in)
	if most := s.most.Load(); most < 4 || most > 2*8 {
		t.Errorf("%d calls at once; want several, and at most 8 for each of 2 tasks", most)
	}
	if n := s.calls.Load(); n != 600 {
		t.Errorf("%d calls for 600 records", n)
	}
	if n := len(b.records("marked")); n != 0 {
		t.Errorf("%d records were handled before their answer came", n)
	}
	if l := b.ledger(0); l.Processed != 300 {
		t.Errorf("ledger: %+v", l)
	}
}

// TestEnrichAheadIsBounded has the first record wait: others are asked about meanwhile, but only so
// many, whatever comes in.
func TestEnrichAheadIsBounded(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	release := make(chan struct{})
	s := &backend{reply: func(ctx context.Context, e event, _ int64) error {
		if e.Key == "k0" && e.N == 1 {
			select {
			case <-release:
			case <-ctx.Done():
			}
		}
		return ctx.Err()
	}}
	in := b.start("a", enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		Timeout: time.Hour}))
	const window = 256
	b.sequence(1, window, 4, 1)
	waitFor(t, "the window to be full", func() bool { return s.calls.Load() == window })
	b.sequence(1+window, 1, 4, 1)
	waitFor(t, "all to be fetched", func() bool {
		tasks := in.Status().Tasks
		return len(tasks) == 1 && tasks[0].Inputs[0].End == 4*(window+1)
	})
	if n := s.calls.Load(); n != window {
		t.Errorf("%d calls while the first is under way, want %d", n, window)
	}
	close(release)
	b.outputs(4 * (window + 1))
	stop(t, in)
	if n := s.calls.Load(); n != 4*(window+1) {
		t.Errorf("%d calls for %d records", n, 4*(window+1))
	}
}

// TestEnrichAcrossAborts aborts epochs: their records are done again with the answers they had, so
// nobody is asked twice.
func TestEnrichAcrossAborts(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	s := &backend{reply: func(context.Context, event, int64) error {
		time.Sleep(rand.N(2 * time.Millisecond))
		return nil
	}}
	var aborts atomic.Int64
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		EpochAborted: func(processor.AbortInfo) { aborts.Add(1) }})
	in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: s.call}))
	b.fault(kmsg.TxnOffsetCommit, kerr.TransactionAbortable, 3)
	b.sequence(1, 100, 5, 1)
	b.outputs(500)
	stop(t, in)
	if aborts.Load() != 3 {
		t.Errorf("%d epochs aborted, want 3", aborts.Load())
	}
	if n := s.calls.Load(); n != 500 {
		t.Errorf("%d calls for 500 records", n)
	}
}

// TestEnrichAcrossCrashes kills instances while calls are under way.
func TestEnrichAcrossCrashes(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	for round := range 4 {
		b.sequence(1+50*round, 50, 10, 2)
		s := &backend{reply: func(context.Context, event, int64) error {
			time.Sleep(rand.N(8 * time.Millisecond))
			return nil
		}}
		in := b.start("a", enriching(t, processor.Enrichment[event, int64]{Call: s.call}))
		waitFor(t, "calls", func() bool { return s.calls.Load() > 100 })
		in.Crash()
	}
	in := b.start("a", enriching(t, processor.Enrichment[event, int64]{
		Call: new(backend).call}))
	b.outputs(2000)
	stop(t, in)
	if l := b.ledger(1); l.Processed != 1000 {
		t.Errorf("ledger: %+v", l)
	}
}

// TestEnrichCaches asks once for all records of a key, also while that call is under way.
func TestEnrichCaches(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var told story
	s := &backend{reply: func(context.Context, event, int64) error {
		time.Sleep(20 * time.Millisecond)
		return nil
	}}
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, told.listener())
	in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: s.call,
		CacheFor: time.Hour, Key: func(e event) string { return fmt.Sprint(e.N) }}))
	b.sequence(1, 5, 4, 1)
	b.outputs(20)
	b.put(&kgo.Record{Topic: "in", Key: []byte("k9"), Value: b.value(event{"k9", 1})})
	b.outputs(21)
	stop(t, in)
	if s.calls.Load() != 5 || told.result(processor.EnrichAnswered) != 5 ||
		told.result(processor.EnrichCached) != 16 {
		t.Errorf("%d calls for 5 different questions, told %v", s.calls.Load(), told.results)
	}
}

// TestEnrichHangingCalls stops and crashes instances whose calls do not come back by themselves;
// that no goroutine is left is seen at the end of all tests.
func TestEnrichHangingCalls(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	hang := &backend{reply: func(ctx context.Context, e event, _ int64) error {
		if e.N <= 2 {
			return nil
		}
		<-ctx.Done()
		time.Sleep(50 * time.Millisecond) // it does not come back at once
		return ctx.Err()
	}}
	var impatient atomic.Bool
	for _, end := range []func(*processor.Instance){
		func(in *processor.Instance) { in.Crash() },
		func(in *processor.Instance) { in.Stop(); ends(t, in) },
	} {
		hang.calls.Store(0)
		cfg := b.config("a")
		cfg.Listeners = append(cfg.Listeners, impatience(&impatient))
		in := b.startWith(cfg, enriching(t, processor.Enrichment[event, int64]{Call: hang.call,
			Timeout: time.Hour}))
		if b.committed("in", 0) < 0 {
			b.sequence(1, 10, 3, 1)
		}
		waitFor(t, "hanging calls", func() bool { return hang.inFlight.Load() == 16 })
		b.outputs(6)
		end(in)
		if n := hang.inFlight.Load(); n != 0 || impatient.Load() {
			t.Errorf("%d calls are left", n)
		}
	}
	if at := b.committed("in", 0); at != 6 {
		t.Errorf("committed %d, want 6", at)
	}
	in := b.start("a", enriching(t, processor.Enrichment[event, int64]{Call: new(backend).call}))
	b.outputs(30)
	stop(t, in)
}

// TestEnrichLogsADeviationOnce has a record out of order wait for its answer while others come.
func TestEnrichLogsADeviationOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.topic("limits", 1, nil)
	release := make(chan struct{})
	s := &backend{reply: func(ctx context.Context, _ event, _ int64) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	}}
	p := enriching(t, processor.Enrichment[event, int64]{Call: s.call, Timeout: time.Hour})
	processor.TableInput(p, "limits", schemas.Avro[event](eventSchema))
	in := b.start("a", p)
	put := func(topic string, at, n int64) {
		b.put(&kgo.Record{Topic: topic, Key: []byte("k"), Timestamp: time.UnixMilli(at),
			Value: b.value(event{"k", n})})
	}
	for range 2 { // the first may be read before the start, where order does not count
		put("limits", noon, 1)
		b.drained("limits")
	}
	put("in", noon-1000, 1)
	waitFor(t, "the call", func() bool { return s.calls.Load() > 0 })
	for i := range int64(5) { // each delivery wakes the task
		put("in", noon+i, i+2)
		waitFor(t, "the next call", func() bool { return s.calls.Load() == i+2 })
	}
	close(release)
	b.outputs(6)
	stop(t, in)
	deviations := 0
	for _, rec := range b.records("app-ticks") {
		if tick := decode(b, record.TickType(), rec.Value); tick.Kind == record.TickDeviation {
			deviations++
		}
	}
	if deviations != 1 {
		t.Errorf("%d deviations logged, want 1", deviations)
	}
}

// TestEnrichFaultsAreListed declares an enrichment with all that can be wrong.
func TestEnrichFaultsAreListed(t *testing.T) {
	t.Parallel()
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	in := processor.Input(p, "in", typ, func(*processor.Context, event) error { return nil })
	table, _ := processor.TableInput(p, "limits", typ)
	ask := func(context.Context, event) (int64, error) { return 0, nil }
	processor.Enrich(in, processor.Enrichment[event, int64]{Name: "risk", Call: ask})
	mustBeFine := p.Validate()
	if mustBeFine != nil {
		t.Fatal(mustBeFine)
	}
	processor.Enrich(in, processor.Enrichment[event, int64]{Name: "risk", Call: ask})
	processor.Enrich(table, processor.Enrichment[event, int64]{Name: "other", Call: ask})
	processor.Enrich(in, processor.Enrichment[event, int64]{Name: "a b", CacheFor: time.Second,
		CacheSize: -1, Concurrency: -2, MaxAttempts: -3, BreakAfter: -4, Timeout: -1, BreakFor: -1,
		MinBackoff: time.Minute, MaxBackoff: time.Second, WhenDown: "panic"})
	processor.Enrich(in, processor.Enrichment[event, int64]{Name: "third", Call: ask,
		CacheFor: -1, MinBackoff: -1})
	mustSay(t, p.Validate(), `"risk": is declared twice`, `"other": a table has no handler`,
		`"a b": Name has " "`, "no Call", "without Key", "CacheSize=-1", "Concurrency=-2",
		"MaxAttempts=-3", "BreakAfter=-4", "Timeout=-1ns", "BreakFor=-1ns",
		"MaxBackoff=1s is below MinBackoff=1m0s", `WhenDown="panic"`, "CacheFor=-1ns",
		"MinBackoff=-1ns")
}
