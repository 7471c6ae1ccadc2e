package processor_test

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// TestLateRecords checks the boundary of lateness, that late records arrive unchanged, and that
// the offsets pass one that is the last of its partition.
func TestLateRecords(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 1)
	at := func(ms int64) *kgo.Record { return b.order(0, order{Key: "k", N: 1, At: ms}) }
	edge := noon - 2000 - 10_000 // watermark − grace
	late := at(edge - 1)
	late.Headers = []kgo.RecordHeader{{Key: "h", Value: []byte("v")}, {Key: "h"}}
	big := b.order(0, order{Key: "k", At: edge - 1, Pad: strings.Repeat("x", 10<<20)})
	hour := at(noon + 3_600_000) // exactly max.future.skew is in order, and moves the watermark
	b.put(at(noon), at(edge), late, big, hour, at(noon+3_600_000-12_000), at(noon))
	in := b.start("a", strict())
	b.drained("in")
	b.counted(4)
	got := b.records("app-win-late")
	if len(got) != 3 {
		t.Fatalf("%d late records, want 3", len(got))
	}
	for i, want := range []*kgo.Record{late, big, at(noon)} {
		if !bytes.Equal(got[i].Key, want.Key) || !bytes.Equal(got[i].Value, want.Value) ||
			!got[i].Timestamp.Equal(want.Timestamp) ||
			len(got[i].Headers) != len(want.Headers)+3 {
			t.Errorf("late record %d was changed", i)
		}
	}
	if h := got[0].Headers; h[0].Key != "h" || string(h[0].Value) != "v" || h[1].Value != nil {
		t.Errorf("headers of a late record: %v", h)
	}
	for key, want := range map[string]string{"pawl.window": "win",
		"pawl.watermark": strconv.FormatInt(noon-2000, 10), "pawl.lateness": "10001"} {
		if h := header(got[0], key); h != want {
			t.Errorf("header %s is %s, want %s", key, h, want)
		}
	}
	if l := b.ledger(0); l.Processed != 4 || l.Late != 3 || l.Dead != 0 {
		t.Errorf("ledger: %+v", l)
	}
	stop(t, in)
}

// TestSideTopicsTooSmall sends what the side topics cannot take whole: records that compression
// let into the input, and topics made by hand with a lower limit. The task must not stick to them.
func TestSideTopicsTooSmall(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 1)
	b.topic("app-dlq", 1, nil)
	b.topic("app-win-late", 1, nil)
	pad := strings.Repeat("x", 2<<20)
	late := b.order(0, order{Key: "k", At: noon - 3_600_000, Pad: pad})
	dead := &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte(pad)}
	heavy := &kgo.Record{Topic: "in", Key: []byte("k"), Value: []byte("x"),
		Headers: []kgo.RecordHeader{{Key: "small", Value: []byte("1")},
			{Key: "big", Value: []byte(pad)}}}
	b.put(b.good(0), late, dead, heavy, b.good(0))
	in := b.start("a", strict())
	b.drained("in")
	b.counted(2)
	recs := b.records("app-dlq")
	if len(recs) != 3 {
		t.Fatalf("%d dead letters, want 3", len(recs))
	}
	for i, want := range []struct{ exception, omitted, size string }{
		{"RecordTooLarge", "pawl.value.omitted", strconv.Itoa(len(late.Value))},
		{"DecodeError", "pawl.value.omitted", strconv.Itoa(len(pad))},
		{"DecodeError", "pawl.headers.omitted", strconv.Itoa(len(pad) + 29)},
	} {
		if got := header(recs[i], "__streams.errors.exception"); got != want.exception {
			t.Errorf("dead letter %d is a %s, want %s", i, got, want.exception)
		}
		if got := header(recs[i], want.omitted); got != want.size {
			t.Errorf("dead letter %d: %s is %s, want %s", i, want.omitted, got, want.size)
		}
	}
	if string(recs[2].Key) != "k" || string(recs[2].Value) != "x" {
		t.Errorf("what fitted was left out: key %q, value %q", recs[2].Key, recs[2].Value)
	}
	b.ledger(0)
	stop(t, in)
}

// TestTrailingMarkers ends an input with what holds no record: aborted ones and control records.
func TestTrailingMarkers(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 1)
	cl := b.newClient(kgo.TransactionalID("feeder"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	for i, how := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit,
		kgo.TryAbort} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := cl.ProduceSync(t.Context(), b.good(0), b.good(0)).FirstErr(); err != nil {
			t.Fatal(i, err)
		}
		if err := cl.EndTransaction(t.Context(), how); err != nil {
			t.Fatal(i, err)
		}
	}
	in := b.start("a", strict())
	b.drained("in")
	b.counted(4)
	if l := b.ledger(0); l.Offset != 12 || l.Processed != 4 || l.Gaps != 8 {
		t.Errorf("ledger: %+v", l)
	}
	stop(t, in)
}

// outage is a registry that can be cut off.
type outage struct {
	schemas.Registry
	down atomic.Bool
}

// Schema implements schemas.Registry.
func (o *outage) Schema(ctx context.Context, id int32) (string, error) {
	if o.down.Load() {
		return "", errors.New("connection refused by the test")
	}
	return o.Registry.Schema(ctx, id)
}

// newerSchema is the event's with a field that the pipeline does not know.
const newerSchema = `{"type":"record","name":"Event","namespace":"test","fields":[
	{"name":"n","type":"long"},{"name":"more","type":"string","default":""},{"name":"key","type":"string"}]}`

// TestUnknownSchemaWaitsForTheRegistry meets a new schema while the registry is down: its task
// commits what came before and waits, visibly; the other goes on; nothing is dead-lettered.
func TestUnknownSchemaWaitsForTheRegistry(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	registry := &outage{Registry: b.registry}
	var waits atomic.Int64
	cfg := b.config("a")
	cfg.Registry = registry
	cfg.Listeners = append(cfg.Listeners, processor.Listener{Waiting: func(i processor.WaitInfo) {
		if i.Task == "counting-0" && strings.Contains(i.What, "connection refused by the test") {
			waits.Add(1)
		}
	}})
	in := b.startWith(cfg, counting(nil))
	type newer struct {
		N    int64  `avro:"n"`
		More string `avro:"more"`
		Key  string `avro:"key"`
	}
	value := encode(b, "in-value", schemas.Avro[newer](newerSchema), newer{1, "more", "k"})
	rec := func(partition int32, key string, value []byte) *kgo.Record {
		return &kgo.Record{Topic: "in", Partition: partition, Key: []byte(key), Value: value}
	}
	old := b.value(event{"k", 1})
	registry.down.Store(true)
	b.put(rec(0, "k", old), rec(0, "k", value), rec(0, "k", old))
	waitFor(t, "the wait to show", func() bool { return waits.Load() > 0 })
	other := b.value(event{"other", 1})
	b.put(rec(1, "other", other), rec(1, "other", other))
	b.outputs(3) // both of partition 1, and what stands before the new schema
	if at := b.committed("in", 0); at != 1 {
		t.Errorf("the waiting task committed offset %d, want 1", at)
	}
	registry.down.Store(false)
	b.drained("in")
	b.outputs(5)
	if dead := b.records("app-dlq"); len(dead) != 0 {
		t.Errorf("%d dead letters", len(dead))
	}
	stop(t, in)
}
