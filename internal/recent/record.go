package recent

import (
	"context"
	"encoding/binary"
	"math"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Record is a committed record, decoded.
type Record struct {
	Topic     string
	Partition int32
	Offset    int64
	Time      time.Time // its Kafka timestamp
	Key       string
	Value     map[string]any // as schemas.ToJSON has it; nil when Fault is not ""
	Fault     string         // why it cannot be decoded
	Source    *Source        // nil when it does not say
}

// Source is the input record that caused an output.
type Source struct {
	Input     int // which of the pipeline's inputs
	Partition int32
	Offset    int64
}

// entry is a record as it is kept. It is decoded when it is asked for.
type entry struct {
	partition int32
	offset    int64
	time      time.Time
	key       string
	wire      []byte
	source    *Source
	value     atomic.Pointer[map[string]any]
}

func newEntry(rec *kgo.Record) *entry {
	return &entry{partition: rec.Partition, offset: rec.Offset, time: rec.Timestamp.UTC(),
		key: string(rec.Key), wire: append([]byte(nil), rec.Value...), source: sourceOf(rec)}
}

// decodedShare is about how much larger a record is in memory once it is decoded.
const decodedShare = 8

// bytes is about what the entry takes.
func (e *entry) bytes() int64 { return int64(len(e.wire)*decodedShare + len(e.key) + 300) }

// record decodes; a schema that is not known yet is fetched.
func (e *entry) record(ctx context.Context, topic string, r *schemas.Resolver) Record {
	out := Record{Topic: topic, Partition: e.partition, Offset: e.offset, Time: e.time,
		Key: e.key, Source: e.source}
	if known := e.value.Load(); known != nil {
		out.Value = *known
		return out
	}
	value, err := decode(ctx, e.wire, r)
	if err != nil {
		out.Fault = err.Error()
		return out
	}
	out.Value, _ = value.(map[string]any)
	if out.Value == nil {
		out.Value = map[string]any{"value": value} // not a record by its schema
	}
	e.value.Store(&out.Value)
	return out
}

func decode(ctx context.Context, wire []byte, r *schemas.Resolver) (any, error) {
	id, _, err := schemas.ParseHeader(wire)
	if err != nil {
		return nil, err
	}
	if _, known := r.Cached(id); !known {
		if err := r.Fetch(ctx, id); err != nil {
			return nil, err
		}
	}
	return schemas.ToJSON(wire, r)
}

// sourceOf reads the header pawl.src: topic index, partition, offset and more, as uvarints.
func sourceOf(rec *kgo.Record) *Source {
	for _, h := range rec.Headers {
		if h.Key != "pawl.src" {
			continue
		}
		var n [3]uint64
		b := h.Value
		for i := range n {
			v, size := binary.Uvarint(b)
			if size <= 0 {
				return nil
			}
			n[i], b = v, b[size:]
		}
		if n[0] > math.MaxInt16 || n[1] > math.MaxInt32 || n[2] > math.MaxInt64 {
			return nil
		}
		return &Source{Input: int(n[0]), Partition: int32(n[1]), Offset: int64(n[2])}
	}
	return nil
}
