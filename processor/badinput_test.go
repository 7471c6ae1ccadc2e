package processor_test

import (
	"bytes"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// order is the input of the strict pipeline, which has every rule that an input can have.
type order struct {
	Key string `avro:"key"`
	N   int64  `avro:"n"`
	At  int64  `avro:"at"`
	Pad string `avro:"pad"`
}

const orderSchema = `{"type":"record","name":"Order","namespace":"test","fields":[
	{"name":"key","type":"string"},{"name":"n","type":"long"},{"name":"at","type":"long"},
	{"name":"pad","type":"string"}]}`

// What an order's N makes the strict handler do.
const (
	rejectEarly = 666 + iota // after an output, before any change of state
	rejectLate               // after a change of state
	emitHuge                 // an output that its topic cannot take, after a change of state
)

// strict emits the running count of its key's orders.
func strict() *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	padded := schemas.Avro[order](orderSchema)
	counts := processor.Keyed(p, "counts", typ)
	out := processor.Output(p, "out", typ)
	huge := processor.Output(p, "huge", padded)
	processor.Input(p, "in", padded, func(ctx *processor.Context, o order) error {
		c, _ := counts.Get(ctx)
		c.Key = o.Key
		c.N++
		if o.N == rejectEarly {
			out.Emit(ctx, o.Key, c)
			return processor.Reject("no deal %d", o.N)
		}
		counts.Set(ctx, c)
		out.Emit(ctx, o.Key, c)
		switch o.N {
		case rejectLate:
			return processor.Reject("no deal %d", o.N)
		case emitHuge:
			o.Pad = strings.Repeat("x", 2<<20)
			huge.Emit(ctx, o.Key, o)
		}
		return nil
	}).
		EventTime(func(o order) time.Time { return time.UnixMilli(o.At) }).
		Key(func(o order) string { return o.Key }).
		Check(func(o order) error {
			if o.N < 0 {
				return processor.RejectAs("InvalidAmount", "amount %d is negative", o.N)
			}
			return nil
		}).
		Late("win", 10*time.Second)
	return p
}

// noon is the Kafka timestamp and event time of all that has no other.
const noon = int64(1_800_000_000_000)

// strictBed has an input that takes records of 12 MiB.
func strictBed(t *testing.T, partitions int32) *bed {
	b := newBed(t, 1)
	if _, err := b.adm.DeleteTopics(t.Context(), "in"); err != nil {
		t.Fatal(err)
	}
	b.topic("in", partitions, map[string]*string{"max.message.bytes": new("12582912")})
	return b
}

func (b *bed) order(partition int32, o order) *kgo.Record {
	b.t.Helper()
	return &kgo.Record{Topic: "in", Partition: partition, Key: []byte(o.Key),
		Value:     encode(b, "in-value", schemas.Avro[order](orderSchema), o),
		Timestamp: time.UnixMilli(noon)}
}

// good is an order with nothing wrong.
func (b *bed) good(partition int32) *kgo.Record {
	b.t.Helper()
	return b.order(partition, order{Key: "k", N: 1, At: noon})
}

// badRecord is a record and what its dead letter must say.
type badRecord struct {
	rec       *kgo.Record
	exception string
	message   string // part of it
}

// badRecords spoils good ones in every way that can be told from the record alone, or by asking
// the registry.
func (b *bed) badRecords() []badRecord {
	var out []badRecord
	add := func(exception, message string, spoil func(r *kgo.Record)) {
		r := b.good(0)
		spoil(r)
		r.Headers = []kgo.RecordHeader{{Key: "a", Value: []byte("1")}, {Key: "a"},
			{Key: "__streams.errors.exception", Value: []byte("from before")}}
		out = append(out, badRecord{r, exception, message})
	}
	of := func(o order) func(*kgo.Record) {
		return func(r *kgo.Record) { r.Key, r.Value = []byte(o.Key), b.order(0, o).Value }
	}
	cut := func(n int) func(*kgo.Record) {
		return func(r *kgo.Record) { r.Value = r.Value[:n] }
	}
	add("DecodeError", "ends inside", func(r *kgo.Record) { r.Value = r.Value[:len(r.Value)-1] })
	add("DecodeError", "first byte is 0x01", func(r *kgo.Record) { r.Value[0] = 1 })
	add("DecodeError", "3 bytes", cut(3))
	add("DecodeError", "0 bytes", cut(0))
	add("DecodeError", "left over", func(r *kgo.Record) { r.Value = append(r.Value, 0) })
	add("UnknownSchema", "no schema with id 999999", func(r *kgo.Record) {
		r.Value = schemas.AppendHeader(nil, 999999)
	})
	add("IncompatibleSchema", "at", func(r *kgo.Record) { r.Value = b.foreign() })
	add("NullValue", "topic in", func(r *kgo.Record) { r.Value = nil })
	add("MissingKey", "topic in", func(r *kgo.Record) { r.Key = nil })
	add("MissingKey", "topic in", func(r *kgo.Record) { r.Key = []byte{} })
	add("KeyMismatch", `"other"`, func(r *kgo.Record) { r.Key = []byte("other") })
	add("InvalidAmount", "-5", of(order{Key: "k", N: -5, At: noon}))
	add("InvalidTimestamp", "-1 ms", of(order{Key: "k", At: -1}))
	add("FutureTimestamp", "1h0m0s", of(order{Key: "k", At: noon + 3_600_001}))
	add("FutureTimestamp", "max.future.skew", of(order{Key: "k", At: math.MaxInt64}))
	add("FutureTimestamp", "max.future.skew", func(r *kgo.Record) {
		of(order{Key: "k", At: math.MaxInt64})(r)
		r.Timestamp = time.UnixMilli(-1)
	})
	add("Rejected", "no deal 666", of(order{Key: "k", N: rejectEarly, At: noon}))
	add("Rejected", "no deal 667", of(order{Key: "k", N: rejectLate, At: noon}))
	add("RecordTooLarge", "huge", of(order{Key: "k", N: emitHuge, At: noon}))
	add("DecodeError", "first byte is 0x78", func(r *kgo.Record) {
		r.Value = bytes.Repeat([]byte("x"), 10<<20)
	})
	return out
}

// foreign is a value of a schema that was never meant for the input.
func (b *bed) foreign() []byte {
	return encode(b, "elsewhere-value", schemas.Avro[event](eventSchema), event{Key: "k", N: 1})
}

// TestBadInput sends every kind of bad record between good ones: each ends as the dead letter that
// says why, whole, and its neighbours never notice.
func TestBadInput(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 1)
	bad := b.badRecords()
	b.put(b.good(0))
	for _, r := range bad {
		b.put(r.rec, b.good(0))
	}
	b.put(b.order(0, order{Key: "k", N: 1, At: noon, Pad: strings.Repeat("x", 10<<20)}))
	b.put(bad[0].rec) // the last record is dead-lettered: the offsets must pass it
	in := b.start("a", strict())
	b.drained("in")
	goods := len(bad) + 2
	dead := b.records("app-dlq")
	b.counted(goods)
	if recs := b.records("huge"); len(recs) != 0 {
		t.Fatalf("%d huge outputs", len(recs))
	}
	if len(dead) != len(bad)+1 {
		t.Fatalf("%d dead letters, want %d", len(dead), len(bad)+1)
	}
	pos, _ := b.position(0)
	for i, want := range bad {
		checkDead(t, dead[i], want, int64(2*i+1), pos.Epoch)
	}
	if l := b.ledger(0); l.Processed != int64(goods) || l.Dead != int64(len(dead)) || l.Gaps != 0 {
		t.Errorf("ledger: %+v", l)
	}
	if want := noon - 2000; pos.Watermark != want {
		t.Errorf("watermark %d, want %d", pos.Watermark, want)
	}
	b.put(bad[0].rec)
	b.drained("in")
	last := b.records("app-dlq")[len(dead)]
	if got := header(last, "pawl.attempt"); got != "1" {
		t.Errorf("a first attempt is called %s", got)
	}
	for from, want := range map[string]string{"app-dlq:0:1": "3", "other-dlq:0:1": "1"} {
		again := *bad[0].rec
		again.Headers = append(slices.Clone(again.Headers), kgo.RecordHeader{Key: "pawl.attempt",
			Value: []byte("3")}, kgo.RecordHeader{Key: "pawl.retried.from", Value: []byte(from)})
		b.put(&again)
		b.drained("in")
		letters := b.records("app-dlq")
		if got := header(letters[len(letters)-1], "pawl.attempt"); got != want {
			t.Errorf("a third attempt, retried from %s, is called %s; want %s", from, got, want)
		}
	}
	stop(t, in)
	stop(t, b.start("a", strict()))
	b.counted(goods)
}

// TestNegativeKafkaTimestamp reads an input whose event time is the Kafka timestamp.
func TestNegativeKafkaTimestamp(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	early := func(ms int64) *kgo.Record {
		return &kgo.Record{Topic: "in", Key: []byte("k"), Value: b.value(event{Key: "k", N: 1}),
			Timestamp: time.UnixMilli(ms)}
	}
	b.put(early(noon), early(-1), early(-5_000), early(noon))
	in := b.start("a", counting(nil))
	b.drained("in")
	dead := b.records("app-dlq")
	if len(dead) != 2 {
		t.Fatalf("%d dead letters, want 2", len(dead))
	}
	for i, message := range []string{"-1 ms", "-5000 ms"} {
		kind := header(dead[i], "__streams.errors.exception")
		text := header(dead[i], "__streams.errors.message")
		if kind != "InvalidTimestamp" || !strings.Contains(text, message) {
			t.Errorf("dead letter %d: %s: %s; want %s", i, kind, text, message)
		}
	}
	b.counted(2)
	if pos, _ := b.position(0); pos.Watermark != noon-2000 {
		t.Errorf("watermark %d, want %d", pos.Watermark, noon-2000)
	}
	stop(t, in)
}

// counted checks that the strict pipeline's outputs are the counts 1 to n of key k, in order.
func (b *bed) counted(n int) {
	b.t.Helper()
	recs := b.records("out")
	if len(recs) != n {
		b.t.Fatalf("%d outputs, want %d", len(recs), n)
	}
	for i, r := range recs {
		if e := decode(b, schemas.Avro[event](eventSchema), r.Value); e.N != int64(i+1) {
			b.t.Fatalf("output %d counts %d", i, e.N)
		}
	}
}

// header returns the last header of a name, which is the engine's where the input had one too.
func header(r *kgo.Record, key string) string {
	v := "(none)"
	for _, h := range r.Headers {
		if h.Key == key {
			v = string(h.Value)
		}
	}
	return v
}

// checkDead compares a dead letter with its record: raw key, value and headers first, null staying
// null, then what went wrong and where.
func checkDead(t *testing.T, got *kgo.Record, want badRecord, offset, epochs int64) {
	t.Helper()
	raw := want.rec
	same := bytes.Equal(got.Key, raw.Key) && (got.Key == nil) == (raw.Key == nil) &&
		bytes.Equal(got.Value, raw.Value) && (got.Value == nil) == (raw.Value == nil) &&
		got.Timestamp.Equal(raw.Timestamp) && len(got.Headers) > len(raw.Headers)
	for i := 0; same && i < len(raw.Headers); i++ {
		g, w := got.Headers[i], raw.Headers[i]
		same = g.Key == w.Key && bytes.Equal(g.Value, w.Value) &&
			(g.Value == nil) == (w.Value == nil)
	}
	if !same {
		t.Errorf("%s: the dead letter is not its record: key %.50q, value of %d bytes, "+
			"headers %v, at %v", want.exception, got.Key, len(got.Value), got.Headers,
			got.Timestamp)
		return
	}
	for key, value := range map[string]string{"exception": want.exception, "topic": "in",
		"partition": "0", "offset": strconv.FormatInt(offset, 10)} {
		if g := header(got, "__streams.errors."+key); g != value {
			t.Errorf("%s: %s is %q, want %q", want.exception, key, g, value)
		}
	}
	if m := header(got, "__streams.errors.message"); !strings.Contains(m, want.message) {
		t.Errorf("%s: message %q lacks %q", want.exception, m, want.message)
	}
	if task := header(got, "pawl.task"); task != "counting-0" {
		t.Errorf("%s: task %q", want.exception, task)
	}
	for _, key := range []string{"pawl.epoch", "pawl.attempt"} {
		n, err := strconv.ParseInt(header(got, key), 10, 64)
		if err != nil || n < 1 || key == "pawl.epoch" && n > epochs {
			t.Errorf("%s: %s is %q", want.exception, key, header(got, key))
		}
	}
}
