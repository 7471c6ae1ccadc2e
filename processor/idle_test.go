package processor_test

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas"
)

// windowed counts events per key and 200 ms.
func windowed() *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	out := processor.Output(p, "out", typ)
	processor.Input(p, "in", typ, processor.Aggregate(p, "w",
		processor.Tumbling(200*time.Millisecond), typ,
		func(a, e event) event { return event{Key: e.Key, N: a.N + e.N} },
		func(ctx *processor.Context, s processor.Span, a event) { out.Emit(ctx, ctx.Key(), a) }))
	return p
}

// TestIdleTickClosesWindows lets inputs go quiet: what waits for the watermark ends all the same,
// once, and the tick that ended it is named as its cause.
func TestIdleTickClosesWindows(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	put := func(key string, ms int64) {
		b.put(&kgo.Record{Topic: "in", Key: []byte(key), Value: b.value(event{Key: key, N: 1}),
			Timestamp: time.UnixMilli(ms)})
	}
	put("a", noon)
	put("b", noon+10)
	put("a", noon+20)
	cfg := b.config("a")
	cfg.IdleTimeout, cfg.MaxOutOfOrderness = 300*time.Millisecond, -1
	began := time.Now()
	in := b.startWith(cfg, windowed())
	waitFor(t, "the window to close", func() bool { return len(b.records("out")) == 2 })
	if took := time.Since(began); took < 300*time.Millisecond {
		t.Errorf("it closed after %v, before idle.timeout", took)
	}
	for i, want := range []event{{"a", 2}, {"b", 1}} {
		r := b.records("out")[i]
		e := decode(b, schemas.Avro[event](eventSchema), r.Value)
		if e != want || r.Timestamp.UnixMilli() != noon+199 {
			t.Errorf("output %d is %+v at %d", i, e, r.Timestamp.UnixMilli())
		}
		var cause []uint64
		for rest := []byte(header(r, "pawl.src")); len(rest) > 0; {
			n, size := binary.Uvarint(rest)
			cause, rest = append(cause, n), rest[size:]
		}
		if fmt.Sprint(cause) != fmt.Sprint([]uint64{1, 0, 0, uint64(i)}) {
			t.Errorf("output %d names %v as its cause", i, cause)
		}
	}
	pos, _ := b.position(0)
	if pos.Ticks != 1 || pos.Watermark < noon+200 || len(b.records("app-ticks")) != 1 {
		t.Errorf("%d ticks, watermark %d: %d in the topic", pos.Ticks, pos.Watermark,
			len(b.records("app-ticks")))
	}
	stop(t, in)
	put("a", pos.Watermark-1) // its window [200,400) is still open, or it is late: nothing is lost
	in = b.startWith(cfg, windowed())
	b.drained("in")
	waitFor(t, "the late or the next one", func() bool {
		return len(b.records("out"))+len(b.records("app-w-late")) == 3
	})
	stop(t, in)
}

// TestIdleTickNeedsTheBroker keeps event time where it is while the broker does not say that the
// inputs hold no more.
func TestIdleTickNeedsTheBroker(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	cfg := b.config("a")
	cfg.IdleTimeout, cfg.MaxOutOfOrderness = 300*time.Millisecond, -1
	b.put(&kgo.Record{Topic: "in", Key: []byte("a"), Value: b.value(event{Key: "a", N: 1}),
		Timestamp: time.UnixMilli(noon)})
	in := b.startWith(cfg, windowed())
	b.drained("in")
	var asked atomic.Int32
	b.cluster.Kafka().ControlKey(int16(kmsg.ListOffsets), func(r kmsg.Request) (
		kmsg.Response, error, bool) {
		b.cluster.Kafka().KeepControl()
		if asked.Add(1) > 3 {
			return nil, nil, false
		}
		resp := r.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range r.(*kmsg.ListOffsetsRequest).Topics {
			st := kmsg.NewListOffsetsResponseTopic()
			st.Topic = topic.Topic
			for _, p := range topic.Partitions {
				sp := kmsg.NewListOffsetsResponseTopicPartition()
				sp.Partition, sp.ErrorCode = p.Partition, kerr.UnknownServerError.Code
				st.Partitions = append(st.Partitions, sp)
			}
			resp.Topics = append(resp.Topics, st)
		}
		return resp, nil, true
	})
	waitFor(t, "the window to close", func() bool { return len(b.records("out")) == 1 })
	if n := asked.Load(); n <= 3 {
		t.Errorf("the window closed after %d questions, the first three of which were refused", n)
	}
	stop(t, in)
}
