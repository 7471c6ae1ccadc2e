package processor

import (
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Emit adds a record to the output topic, stamped with the context's event time. The partition
// follows from the key as with Kafka's default partitioner.
func (o *Out[V]) Emit(ctx *Context, key string, v V) { o.emit(ctx, ctx.time, key, v) }

// EmitAt is Emit with a timestamp of the caller's own.
func (o *Out[V]) EmitAt(ctx *Context, at time.Time, key string, v V) {
	o.emit(ctx, at.UnixMilli(), key, v)
}

func (o *Out[V]) emit(ctx *Context, at int64, key string, v V) {
	c := ctx.core
	w := c.outs[o.index].(*outWriter[V])
	fx := c.fx
	w.val = v
	value, err := w.enc.Append(fx.slab.tail(), &w.val)
	if err != nil {
		c.fail(err)
		return
	}
	value = fx.slab.keep(value)
	to := &c.bind.outputs[o.index]
	if len(value)+len(key) > to.maxBytes {
		panic(tooLarge{topic: to.name, size: len(value) + len(key), limit: to.maxBytes})
	}
	r := fx.output()
	r.Topic = to.name
	r.Key = fx.slab.string(key)
	r.Value = value
	r.Partition = partitionOf(r.Key, to.partitions)
	r.Timestamp = time.UnixMilli(at)
	if c.bind.provenance {
		r.Headers = fx.header(provenanceKey, fx.provenance(ctx.input, ctx.rec, ctx.ordinal,
			c.position.Incarnation))
	}
	if c.trace != nil {
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: traceHeader,
			Value: c.trace.Traceparent()})
	}
	ctx.ordinal++
	size := int64(len(r.Key) + len(r.Value))
	fx.Bytes += size
	c.uncommitted += size + 200
}

// provenanceKey is the header that names an output's input record.
const provenanceKey = "pawl.src"

// tooLarge unwinds the handler that emitted a record its topic would refuse: the input record is
// dead-lettered, because the epoch could never commit with it.
type tooLarge struct {
	topic       string
	size, limit int
}

// String says what was too large for what.
func (e tooLarge) String() string {
	return fmt.Sprintf("its output to %s would take %d bytes; the topic takes %d", e.topic, e.size,
		e.limit)
}

type outWriter[V any] struct {
	enc *schemas.Encoder[V]
	val V // here, so that Append's pointer does not move v to the heap
}

func (o *Out[V]) bind(id int32) any {
	return &outWriter[V]{enc: schemas.NewEncoder(o.typ, id)}
}

// partitionOf is Kafka's default partitioner for keyed records: murmur2 (Appleby, 2008) with
// Kafka's seed, positive, modulo the partition count.
func partitionOf(key []byte, partitions int32) int32 {
	return int32(murmur2(key)&0x7fffffff) % partitions
}

func murmur2(b []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
		k *= m
		k ^= k >> 24
		k *= m
		h = h*m ^ k
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(b[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}
