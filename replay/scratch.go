package replay

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/statestore"
)

// scratch sorts outputs of both sides on disk, so that those with the same cause lie together,
// however many there are and in whatever order they come. A key is
//
//	topic, task, what led to it, side, a number
//
// What led to an output stands in its provenance; to a dead letter, in its headers; a late record
// says nothing of it and is known by its content.
type scratch struct {
	s       *session
	store   *statestore.Pebble
	kinds   []string // of the topics shown
	pending []statestore.Change
	size    int
	n       int64 // of records so far
}

// scratchName is the folder of the scratch.
const scratchName = "scratch"

// Sides, in the order in which they stand.
const (
	sideReplay     = 0
	sideProduction = 1
)

func (s *session) newScratch() (*scratch, error) {
	dir := filepath.Join(s.dir, scratchName)
	if err := s.env.Remove(dir); err != nil {
		return nil, err
	}
	store, err := s.env.OpenPebble(dir)
	if err != nil {
		return nil, err
	}
	c := &scratch{s: s, store: store}
	for _, t := range s.shown() {
		c.kinds = append(c.kinds, t.Kind)
	}
	return c, nil
}

func (c *scratch) close() error {
	return errors.Join(c.store.Close(), c.s.env.Remove(filepath.Join(c.s.dir, scratchName)))
}

// cause is what led to an output: the input after the last one stands for the ticks.
type cause struct {
	input       int
	partition   int32
	offset      int64
	ordinal     int64
	incarnation int64
}

// causeOf reads the header pawl.src.
func causeOf(rec *kgo.Record) (cause, error) {
	b := header(rec, "pawl.src")
	if b == nil {
		return cause{}, errors.New("it has no header pawl.src")
	}
	whole := b
	var n []uint64
	for len(b) > 0 {
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return cause{}, fmt.Errorf("its header pawl.src %x is cut off", whole)
		}
		n, b = append(n, v), b[size:]
	}
	if len(n) != 4 && len(n) != 5 {
		return cause{}, fmt.Errorf("its header pawl.src %x has %d numbers", whole, len(n))
	}
	c := cause{input: int(n[0]), partition: int32(n[1]), offset: int64(n[2]), ordinal: int64(n[3])}
	if len(n) == 5 {
		c.incarnation = int64(n[4])
	}
	return c, nil
}

// letterCause reads the headers of a dead letter; the input is known by its topic.
func (s *session) letterCause(t *task, rec *kgo.Record) (cause, error) {
	topic := string(header(rec, "__streams.errors.topic"))
	partition, err1 := strconv.ParseInt(string(header(rec, "__streams.errors.partition")), 10, 32)
	offset, err2 := strconv.ParseInt(string(header(rec, "__streams.errors.offset")), 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return cause{}, fmt.Errorf("its __streams.errors headers name no record: %w", err)
	}
	for i, in := range t.inputs {
		if in.Topic == topic && in.Partition == int32(partition) {
			return cause{input: i, partition: int32(partition), offset: offset}, nil
		}
	}
	return cause{}, fmt.Errorf("it is from %s-%d, which task %s does not read", topic, partition,
		t.name)
}

// header returns the value of the last header with the given key; nil when there is none.
func header(rec *kgo.Record, key string) []byte {
	for i := len(rec.Headers) - 1; i >= 0; i-- {
		if rec.Headers[i].Key == key {
			return rec.Headers[i].Value
		}
	}
	return nil
}

// replayed keeps an output of the shadow.
func (c *scratch) replayed(t *task, topic int, rec *kgo.Record) error {
	var at cause
	var err error
	switch c.kinds[topic] {
	case processor.TopicOutput:
		at, err = causeOf(rec)
	case processor.TopicDLQ:
		at, err = c.s.letterCause(t, rec)
	}
	if err != nil {
		return fmt.Errorf("output of the replay to %s: %w", rec.Topic, err)
	}
	return c.keep(t, topic, at, sideReplay, rec, false)
}

// keep adds a record. An edge may or may not belong to the stretch: alone it means nothing.
func (c *scratch) keep(t *task, topic int, at cause, side byte, rec *kgo.Record, edge bool) error {
	c.n++
	k := binary.BigEndian.AppendUint16([]byte{firstKey[0]}, uint16(topic))
	k = binary.BigEndian.AppendUint32(k, uint32(t.partition))
	if c.kinds[topic] == processor.TopicLate {
		sum := sha256.Sum256(encodeRecord(nil, rec))
		k = append(k, sum[:groupSize-len(k)]...)
	} else {
		k = binary.BigEndian.AppendUint16(k, uint16(at.input))
		k = binary.BigEndian.AppendUint32(k, uint32(at.partition))
		k = binary.BigEndian.AppendUint64(k, uint64(at.offset))
		k = binary.BigEndian.AppendUint32(k, uint32(at.ordinal))
	}
	k = append(k, side)
	k = binary.BigEndian.AppendUint64(k, uint64(c.n))
	v := []byte{0}
	if edge {
		v[0] = 1
	}
	v = binary.BigEndian.AppendUint32(v, uint32(rec.Partition))
	v = binary.BigEndian.AppendUint64(v, uint64(rec.Offset))
	v = encodeRecord(v, rec)
	c.pending = append(c.pending, statestore.Change{Key: k, Value: v})
	if c.size += len(k) + len(v); c.size > foldBatch {
		return c.flush()
	}
	return nil
}

// groupSize is the length of a key up to the side: records that share it are the same output.
const groupSize = 1 + 2 + 4 + 2 + 4 + 8 + 4

func (c *scratch) flush() error {
	err := c.store.Apply(c.pending, statestore.Mark{})
	c.pending, c.size = c.pending[:0], 0
	return err
}

// kept is a record read back.
type kept struct {
	topic     int
	task      int32
	at        cause
	edge      bool
	partition int32
	offset    int64
	rec       *kgo.Record
}

func decodeKept(k, v []byte) kept {
	o := kept{topic: int(binary.BigEndian.Uint16(k[1:])),
		task: int32(binary.BigEndian.Uint32(k[3:])), edge: v[0] == 1,
		partition: int32(binary.BigEndian.Uint32(v[1:])),
		offset:    int64(binary.BigEndian.Uint64(v[5:])), rec: decodeRecord(v[13:])}
	o.at = cause{input: int(binary.BigEndian.Uint16(k[7:])),
		partition: int32(binary.BigEndian.Uint32(k[9:])),
		offset:    int64(binary.BigEndian.Uint64(k[13:])),
		ordinal:   int64(binary.BigEndian.Uint32(k[21:]))}
	return o
}

// encodeRecord writes what is compared of a record: not where it stands, not the headers that a
// repetition may change.
func encodeRecord(b []byte, r *kgo.Record) []byte {
	b = binary.AppendVarint(b, r.Timestamp.UnixMilli())
	b = appendBytes(b, r.Key)
	b = appendBytes(b, r.Value)
	for _, h := range r.Headers {
		switch h.Key {
		case "pawl.src", "pawl.epoch", "pawl.attempt", "traceparent":
			continue
		}
		b = appendBytes(b, []byte(h.Key))
		b = appendBytes(b, h.Value)
	}
	return b
}

// appendBytes tells nil from empty.
func appendBytes(b, v []byte) []byte {
	if v == nil {
		return binary.AppendUvarint(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(v))+1), v...)
}

func decodeRecord(b []byte) *kgo.Record {
	ms, n := binary.Varint(b)
	b = b[n:]
	next := func() []byte {
		size, n := binary.Uvarint(b)
		b = b[n:]
		if size == 0 {
			return nil
		}
		v := b[: size-1 : size-1]
		b = b[size-1:]
		return v
	}
	r := &kgo.Record{Timestamp: time.UnixMilli(ms), Key: next(), Value: next()}
	for len(b) > 0 {
		key := string(next())
		r.Headers = append(r.Headers, kgo.RecordHeader{Key: key, Value: next()})
	}
	return r
}
