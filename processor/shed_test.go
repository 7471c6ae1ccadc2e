package processor_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// shedding is the counting pipeline, per key, with an input that sheds; a value's number is its
// priority.
func shedding(sh processor.Shedding[event],
	more func(*processor.Source[event])) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	counts := processor.Keyed(p, "sums", typ)
	out := processor.Output(p, "out", typ)
	in := processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		c, _ := counts.Get(ctx)
		c.Key = e.Key
		c.N++
		counts.Set(ctx, c)
		out.Emit(ctx, e.Key, c)
		return nil
	})
	sh.Priority = func(e event) int { return int(e.N) }
	in.Shed(sh)
	if more != nil {
		more(in)
	}
	return p
}

// mixed writes n records with priorities 0 to 3 in turns, of which every tenth cannot be decoded.
func (b *bed) mixed(n int, at func(i int) time.Time) []*kgo.Record {
	b.t.Helper()
	encoded := b.values()
	var recs []*kgo.Record
	for i := range n {
		value := encoded(event{fmt.Sprint("k", i%5), int64(i % 4)})
		if i%10 == 9 {
			value = value[:len(value)-1]
		}
		recs = append(recs, &kgo.Record{Topic: "in", Key: fmt.Append(nil, "k", i%5), Value: value,
			Timestamp: at(i).Truncate(time.Millisecond),
			Headers:   []kgo.RecordHeader{{Key: "trace", Value: fmt.Append(nil, i)}}})
	}
	b.put(recs...)
	return recs
}

// shed wants exactly these records on the shed topic, unchanged but for the headers that are added.
func (b *bed) shed(want []*kgo.Record, reason string) {
	b.t.Helper()
	got := b.records("app-shed")
	if len(got) != len(want) {
		b.t.Fatalf("%d records are shed, want %d", len(got), len(want))
	}
	for i, rec := range got {
		w := want[i]
		if !bytes.Equal(rec.Key, w.Key) || !bytes.Equal(rec.Value, w.Value) ||
			!rec.Timestamp.Equal(w.Timestamp) || len(rec.Headers) != 3 ||
			!bytes.Equal(rec.Headers[0].Value, w.Headers[0].Value) {
			b.t.Fatalf("shed %+v, want %+v", rec, w)
		}
		why, task := rec.Headers[1], rec.Headers[2]
		if why.Key != "pawl.shed.reason" || !strings.Contains(string(why.Value), reason) ||
			task.Key != "pawl.task" || string(task.Value) != "counting-0" {
			b.t.Fatalf("headers %s", rec.Headers)
		}
	}
}

func shedCount(n *atomic.Int64) processor.Listener {
	return processor.Listener{EpochCommitted: func(i processor.EpochInfo) {
		for _, task := range i.PerTask {
			n.Add(task.Shed)
		}
	}}
}

// TestShedByLag has more records waiting than the limit: those of low priority are shed while they
// stand too far from the end, all others are handled.
func TestShedByLag(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	now := time.Now()
	var want []*kgo.Record
	for i, rec := range b.mixed(300, func(int) time.Time { return now }) {
		if i%10 != 9 && i%4 < 2 && 300-i-1 > 103 {
			want = append(want, rec)
		}
	}
	var counted atomic.Int64
	cfg := b.config("a")
	cfg.Listeners = append(cfg.Listeners, shedCount(&counted))
	in := b.startWith(cfg, shedding(processor.Shedding[event]{Below: 2, MaxLag: 103}, nil))
	b.outputs(270 - len(want))
	b.drained("in")
	stop(t, in)
	b.shed(want, "is above 103; priority ")
	l := b.ledger(0)
	if l.Shed != int64(len(want)) || l.Dead != 30 || l.Processed != 270-l.Shed ||
		counted.Load() != l.Shed {
		t.Errorf("ledger: %+v; %d of %d counted as shed", l, counted.Load(), len(want))
	}
}

// TestShedByLatency has old and young records, and calls that only records which are kept lead to.
func TestShedByLatency(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	now := time.Now()
	var want []*kgo.Record
	for i, rec := range b.mixed(100, func(i int) time.Time {
		return now.Add(-2 * time.Hour * time.Duration(i/50))
	}) {
		if i%10 != 9 && i%4 < 3 && i >= 50 {
			want = append(want, rec)
		}
	}
	var calls atomic.Int64
	p := shedding(processor.Shedding[event]{Below: 3, MaxLatency: time.Hour},
		func(in *processor.Source[event]) {
			processor.Enrich(in, processor.Enrichment[event, int64]{Name: "risk",
				Call: func(context.Context, event) (int64, error) { return calls.Add(1), nil }})
		})
	in := b.start("a", p)
	b.outputs(90 - len(want))
	b.drained("in")
	stop(t, in)
	b.shed(want, "latency of 2h0m")
	if l := b.ledger(0); l.Shed != int64(len(want)) || l.Processed != 90-l.Shed {
		t.Errorf("ledger: %+v", l)
	}
	if calls.Load() != int64(90-len(want)) {
		t.Errorf("%d calls for %d records that were kept", calls.Load(), 90-len(want))
	}
}

// TestShedWhileWaiting has a record of low priority wait for a service that is down, until it is
// too old.
func TestShedWhileWaiting(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	var calls atomic.Int64
	p := shedding(processor.Shedding[event]{Below: 1, MaxLatency: time.Second},
		func(in *processor.Source[event]) {
			processor.Enrich(in, processor.Enrichment[event, int64]{Name: "risk",
				Call: func(context.Context, event) (int64, error) {
					calls.Add(1)
					return 0, errNoService
				}})
		})
	in := b.start("a", p)
	recs := b.mixed(1, func(int) time.Time { return time.Now() })
	b.drained("in")
	stop(t, in)
	b.shed(recs, "latency of 1")
	if l := b.ledger(0); l.Shed != 1 || calls.Load() == 0 {
		t.Errorf("after %d calls, ledger: %+v", calls.Load(), l)
	}
}

// TestShedAcrossCrashes kills instances that shed: every record is either handled or shed, once.
func TestShedAcrossCrashes(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	for range 4 {
		b.mixed(1000, func(int) time.Time { return time.Now() })
		in := b.start("a", shedding(processor.Shedding[event]{Below: 2, MaxLag: 500}, nil))
		before := b.committed("in", 0)
		waitFor(t, "progress", func() bool { return b.committed("in", 0) > before })
		in.Crash()
	}
	in := b.start("a", shedding(processor.Shedding[event]{Below: 2, MaxLag: 500}, nil))
	b.drained("in")
	stop(t, in)
	l := b.ledger(0)
	if n := len(b.records("app-shed")); l.Shed == 0 || int64(n) != l.Shed ||
		l.Processed+l.Shed != 3600 || l.Dead != 400 {
		t.Errorf("%d records on the shed topic, ledger: %+v", n, l)
	}
	b.outputs(int(l.Processed))
}

// TestShedsNothingUnasked: within the limits, or without any, nothing is shed.
func TestShedsNothingUnasked(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.mixed(100, func(int) time.Time { return time.Now() })
	in := b.start("a", shedding(processor.Shedding[event]{Below: 9, MaxLag: 100,
		MaxLatency: time.Hour}, nil))
	b.outputs(90)
	stop(t, in)
	b.shed(nil, "")
	plans, err := processor.Plan(t.Context(), b.config("b"), counting(nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, plan := range plans {
		if plan.Kind == processor.TopicShed {
			t.Errorf("a pipeline that does not shed wants %s", plan.Name)
		}
	}
}

// TestShedTooLarge: a record that the shed topic does not take is dead-lettered.
func TestShedTooLarge(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	b.topic("app-shed", 1, map[string]*string{"max.message.bytes": new("600")})
	b.mixed(10, func(int) time.Time { return time.Now().Add(-time.Hour) })
	in := b.start("a", shedding(processor.Shedding[event]{Below: 4, MaxLatency: time.Minute}, nil))
	b.drained("in")
	stop(t, in)
	if l := b.ledger(0); l.Dead != 10 || l.Shed != 0 {
		t.Errorf("ledger: %+v", l)
	}
}

// TestShedFaultsAreListed declares sheddings with all that can be wrong.
func TestShedFaultsAreListed(t *testing.T) {
	t.Parallel()
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	in := processor.Input(p, "in", typ, func(*processor.Context, event) error { return nil })
	table, _ := processor.TableInput(p, "limits", typ)
	in.Shed(processor.Shedding[event]{MaxLag: -1, MaxLatency: -1})
	in.Shed(processor.Shedding[event]{})
	table.Shed(processor.Shedding[event]{MaxLag: 1})
	mustSay(t, p.Validate(), "MaxLag=-1", "MaxLatency=-1ns", "no Priority", "no limit", "set twice",
		`"limits": shedding: a table`)
}
