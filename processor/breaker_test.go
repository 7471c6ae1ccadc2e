package processor_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
)

// picky is a deploy whose handler rejects what bad says.
func picky(bad func(e event) bool) *processor.Pipeline {
	return counting(func(_ *processor.Context, e event, _ int64) error {
		if bad(e) {
			return processor.RejectAs("NoDeal", "no deal %d", e.N)
		}
		return nil
	})
}

func always(event) bool { return true }

// numbered puts n events with the numbers from first on into a partition.
func (b *bed) numbered(partition int32, first, n int) {
	b.t.Helper()
	var recs []*kgo.Record
	for i := first; i < first+n; i++ {
		recs = append(recs, &kgo.Record{Topic: "in", Partition: partition, Key: []byte("k"),
			Value: b.value(event{"k", int64(i)})})
	}
	b.put(recs...)
}

// TestBadDeployStops gives two tasks a handler that rejects what stands on the first: it stops
// before its epoch is committed, with no more in the dead-letter topic than the ratio allows, at
// each start with the same handler after a few more, and the other task goes on. The handler that
// was before goes on where it stood, past poison of its own, and nothing is lost.
func TestBadDeployStops(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	b.numbered(0, 0, 50)
	broken := picky(func(e event) bool { return e.N < 1000 })
	trips := make(chan processor.TripInfo, 10)
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		Tripped: func(i processor.TripInfo) { trips <- i }})
	in := b.startWith(cfg, broken)
	b.drained("in")
	b.numbered(0, 50, 950)
	s := taskIs(t, in, "counting-0", processor.TaskFailed)
	for _, part := range []string{"51 of the latest 100 records of in-0",
		"deadletter.breaker.ratio=0.5", "NoDeal (51 of 51)", "no deal "} {
		if !strings.Contains(s.Reason, part) {
			t.Errorf("reason %q lacks %q", s.Reason, part)
		}
	}
	if !strings.Contains(s.Mend, "roll back the deploy") {
		t.Errorf("mend: %q", s.Mend)
	}
	if got, want := <-trips, (processor.TripInfo{Task: "counting-0", Topic: "in",
		Exception: "NoDeal"}); got != want {
		t.Errorf("told of %+v, want %+v", got, want)
	}
	b.numbered(1, 1000, 10)
	waitFor(t, "the other task", func() bool { return b.committed("in", 1) == 10 })
	if n := len(b.records("app-dlq")); n != 50 {
		t.Errorf("%d dead letters got through", n)
	}
	stop(t, in)
	for range 3 { // what a supervisor does
		want := fmt.Sprintf("%d of the latest 100", len(b.records("app-dlq"))+5)
		in = b.start("a", broken)
		s := taskIs(t, in, "counting-0", processor.TaskFailed)
		if !strings.Contains(s.Reason, want) {
			t.Errorf("reason %q lacks %q", s.Reason, want)
		}
		stop(t, in)
	}
	through := len(b.records("app-dlq"))
	if through > 50+3*4 {
		t.Errorf("%d dead letters got through three more starts", through)
	}
	in = b.start("a", picky(func(e event) bool { return e.N == int64(through) || e.N == 500 }))
	b.drained("in")
	if l := b.ledger(0); l.Dead != int64(through+2) || l.Processed != int64(1000-through-2) {
		t.Errorf("ledger: %+v after %d dead letters", l, through)
	}
	if n := len(b.records("out")); n != 1000-through-2+10 {
		t.Errorf("%d outputs after %d dead letters", n, through)
	}
	stop(t, in)
}

// TestPoisonDoesNotTrip has as much poison as the ratio allows, for long, then a retry of dead
// letters that all die again; with ratio 1 nothing trips at all.
func TestPoisonDoesNotTrip(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.numbered(0, 0, 1000)
	in := b.start("a", picky(func(e event) bool { return e.N%2 == 0 }))
	b.drained("in")
	if n := len(b.records("app-dlq")); n != 500 {
		t.Errorf("%d dead letters, want 500", n)
	}
	for i := range 200 {
		b.put(&kgo.Record{Topic: "in", Key: []byte("k"), Value: b.value(event{"k", 0}),
			Headers: []kgo.RecordHeader{{Key: "pawl.attempt", Value: []byte("2")},
				{Key: "pawl.retried.from", Value: fmt.Appendf(nil, "app-dlq:0:%d", i)}}})
	}
	b.drained("in")
	stop(t, in)
	b.numbered(0, 0, 300)
	cfg := b.config("a")
	cfg.DeadLetterRatio = 1
	in = b.startWith(cfg, picky(always))
	b.drained("in")
	if n := len(b.records("app-dlq")); n != 1000 {
		t.Errorf("%d dead letters, want 1000", n)
	}
	stop(t, in)
}

// TestZeroToleranceTripsAtOnce stops at the first dead letter, which is not written, at each start.
func TestZeroToleranceTripsAtOnce(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.numbered(0, 0, 10)
	cfg := b.config("a")
	cfg.DeadLetterRatio = -1
	for range 2 {
		in := b.startWith(cfg, picky(func(e event) bool { return e.N == 7 }))
		err := failed(t, in)
		for _, part := range []string{"no task is left", "1 of the latest 100 records of in-0",
			"no deal 7"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q lacks %q", err, part)
			}
		}
	}
	if n := len(b.records("app-dlq")); n != 0 {
		t.Errorf("%d dead letters, want none", n)
	}
}
