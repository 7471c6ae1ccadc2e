package verify

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// id names one output record by what caused it. The dead-letter topic counts as the output after
// the last one.
type id struct {
	output    int
	input     int
	partition int32
	offset    int64
	ordinal   int
}

// want is a record that should be there.
type want struct {
	partition int32
	key       []byte
	timestamp int64
	value     any
	dead      *dead // for a dead letter, instead of a value
}

// dead is what a dead letter is made of.
type dead struct {
	value     []byte
	headers   []kgo.RecordHeader
	exception string
}

// got is a record that is there.
type got struct {
	rec *kgo.Record
	at  *lane
}

// lane is one partition of an output topic, read side by side with the inputs behind it.
type lane struct {
	output int
	log    Log
	head   *got // the next record, when it was looked at already
	headID id
	ended  bool
	last   map[int]id // the newest matched record of each input
}

// matcher pairs what should be there with what is.
type matcher struct {
	c       *check
	compare []comparer
	lanes   []*lane // of the task at hand, by output; nil where the topic has no such partition
	missing map[id]want
	extra   map[id]got
}

// expect looks for w: next in its lane first, which is where it stands when all is well.
func (m *matcher) expect(ctx context.Context, i id, w want) error {
	if g, ok := m.extra[i]; ok {
		delete(m.extra, i)
		return m.pair(ctx, i, w, g)
	}
	l := m.lanes[i.output]
	if l == nil {
		m.missing[i] = w
		return nil
	}
	if err := m.peek(ctx, l); err != nil {
		return err
	}
	if l.head == nil || l.headID != i {
		m.missing[i] = w
		if l.head == nil {
			return nil
		}
		return m.take(ctx, l)
	}
	g := *l.head
	l.head = nil
	return m.pair(ctx, i, w, g)
}

// peek makes l.head the lane's next record that names its cause. Others are extra.
func (m *matcher) peek(ctx context.Context, l *lane) error {
	for l.head == nil && !l.ended {
		rec, err := l.log.Next(ctx)
		if err == io.EOF {
			l.ended = true
			return nil
		}
		if err != nil {
			return fmt.Errorf("read topic %s: %w", m.topic(l.output), err)
		}
		i, err := m.cause(l.output, rec)
		if errors.Is(err, errSuperseded) {
			continue
		}
		if l.output < len(m.c.spec.Outputs) {
			m.c.report.RecordsOut++
		}
		if err != nil {
			m.c.differ(&m.c.report.Extra, "extra", rec, err.Error())
			continue
		}
		l.head, l.headID = &got{rec: rec, at: l}, i
	}
	return nil
}

// take moves the lane's head to where it is waited for, or to the extras.
func (m *matcher) take(ctx context.Context, l *lane) error {
	g, i := *l.head, l.headID
	l.head = nil
	if w, ok := m.missing[i]; ok {
		delete(m.missing, i)
		return m.pair(ctx, i, w, g)
	}
	if _, ok := m.extra[i]; ok {
		m.c.differ(&m.c.report.Extra, "extra", g.rec, "a second one from "+m.origin(i))
		return nil
	}
	m.extra[i] = g
	return nil
}

// drain reads the lanes of a task to their ends.
func (m *matcher) drain(ctx context.Context) error {
	for _, l := range m.lanes {
		if l == nil {
			continue
		}
		for {
			if err := m.peek(ctx, l); err != nil {
				return err
			}
			if l.head == nil {
				break
			}
			if err := m.take(ctx, l); err != nil {
				return err
			}
		}
	}
	return nil
}

// pair compares a record with what it should be.
func (m *matcher) pair(ctx context.Context, i id, w want, g got) error {
	what, err := m.difference(ctx, i, w, g.rec)
	if err != nil {
		return fmt.Errorf("compare %s-%d offset %d: %w", g.rec.Topic, g.rec.Partition, g.rec.Offset,
			err)
	}
	if last, ok := g.at.last[i.input]; ok && what == "" && last.partition == i.partition &&
		(i.offset < last.offset || i.offset == last.offset && i.ordinal < last.ordinal) {
		what = fmt.Sprintf("stands after one from offset %d, ordinal %d", last.offset, last.ordinal)
	}
	g.at.last[i.input] = i
	if what != "" {
		m.c.differ(&m.c.report.Different, "different", g.rec, "from "+m.origin(i)+": "+what)
	}
	return nil
}

// difference says what distinguishes rec from w, or nothing.
func (m *matcher) difference(ctx context.Context, i id, w want, rec *kgo.Record) (string, error) {
	switch {
	case rec.Partition != w.partition:
		return fmt.Sprintf("stands on partition %d, want %d", rec.Partition, w.partition), nil
	case !bytes.Equal(rec.Key, w.key):
		return fmt.Sprintf("key %q, want %q", rec.Key, w.key), nil
	case rec.Timestamp.UnixMilli() != w.timestamp:
		return fmt.Sprintf("timestamp %d, want %d", rec.Timestamp.UnixMilli(), w.timestamp), nil
	case w.dead != nil:
		return w.dead.difference(rec), nil
	}
	same, value, err := m.compare[i.output](ctx, w.value, rec.Value)
	if err != nil || same {
		return "", err
	}
	return fmt.Sprintf("value %+v, want %+v", value, w.value), nil
}

// difference says what distinguishes a dead letter from d, or nothing.
func (d *dead) difference(rec *kgo.Record) string {
	if !bytes.Equal(rec.Value, d.value) || (rec.Value == nil) != (d.value == nil) {
		omitted := header(rec, "pawl.value.omitted")
		if omitted == nil || rec.Value != nil || string(omitted) != strconv.Itoa(len(d.value)) {
			return fmt.Sprintf("value %.40x, want %.40x", rec.Value, d.value)
		}
	}
	same := func(a, b kgo.RecordHeader) bool {
		return a.Key == b.Key && bytes.Equal(a.Value, b.Value)
	}
	n := len(d.headers)
	if len(rec.Headers) < n || !slices.EqualFunc(rec.Headers[:n], d.headers, same) {
		return fmt.Sprintf("headers %v do not begin with %v", rec.Headers, d.headers)
	}
	if e := header(rec, "__streams.errors.exception"); string(e) != d.exception {
		return fmt.Sprintf("exception %s, want %s", e, d.exception)
	}
	return ""
}

// header returns the value of the last header with the given key; nil when there is none.
func header(rec *kgo.Record, key string) []byte {
	for _, h := range slices.Backward(rec.Headers) {
		if h.Key == key {
			return h.Value
		}
	}
	return nil
}

// cause reads which input record an output says it came from.
func (m *matcher) cause(output int, rec *kgo.Record) (id, error) {
	if output == len(m.c.spec.Outputs) {
		return m.deadCause(output, rec)
	}
	b := header(rec, "pawl.src")
	if b == nil {
		return id{}, errors.New("has no header pawl.src")
	}
	var n [4]uint64
	for i := range n {
		var size int
		if n[i], size = binary.Uvarint(b); size <= 0 {
			return id{}, fmt.Errorf("header pawl.src %x is cut off", header(rec, "pawl.src"))
		}
		b = b[size:]
	}
	incarnation := uint64(0) // of the task, once it was taken back
	if len(b) > 0 {
		var size int
		incarnation, size = binary.Uvarint(b)
		b = b[max(size, 0):]
	}
	if len(b) > 0 || n[0] > uint64(len(m.c.spec.Inputs)) {
		return id{}, fmt.Errorf("header pawl.src %x names no input", header(rec, "pawl.src"))
	}
	i := id{output, int(n[0]), int32(n[1]), int64(n[2]), int(n[3])}
	if m.c.superseded(i, int64(incarnation)) {
		return id{}, errSuperseded
	}
	return i, nil
}

// errSuperseded says that an output does not count: its task was taken back since.
var errSuperseded = errors.New("superseded")

func (m *matcher) deadCause(output int, rec *kgo.Record) (id, error) {
	topic := string(header(rec, "__streams.errors.topic"))
	input := m.c.input(topic)
	partition, err1 := strconv.ParseInt(string(header(rec, "__streams.errors.partition")), 10, 32)
	offset, err2 := strconv.ParseInt(string(header(rec, "__streams.errors.offset")), 10, 64)
	if err := errors.Join(err1, err2); input < 0 || err != nil {
		return id{}, fmt.Errorf("its __streams.errors headers name no input record: topic %q, %w",
			topic, err)
	}
	i := id{output: output, input: input, partition: int32(partition), offset: offset}
	if m.c.letterSuperseded(i, rec) {
		return id{}, errSuperseded
	}
	return i, nil
}

func (m *matcher) topic(output int) string {
	if output == len(m.c.spec.Outputs) {
		return m.c.app + "-dlq"
	}
	return m.c.spec.Outputs[output].Name
}

// origin names the input record behind an id.
func (m *matcher) origin(i id) string {
	name := m.c.app + "-ticks" // an idle tick is a cause like an input record
	if i.input < len(m.c.spec.Inputs) {
		name = m.c.spec.Inputs[i.input].Name
	}
	return fmt.Sprintf("%s-%d offset %d ordinal %d", name, i.partition,
		i.offset, i.ordinal)
}

// finish counts what found no counterpart on any partition.
func (m *matcher) finish() {
	for i, w := range m.missing {
		m.c.report.Missing++
		m.c.example("missing", fmt.Sprintf("%s-%d", m.topic(i.output), w.partition),
			fmt.Sprintf("key %q, from %s", w.key, m.origin(i)))
	}
	for i, g := range m.extra {
		m.c.differ(&m.c.report.Extra, "extra", g.rec, "from "+m.origin(i))
	}
}

// partitionOf is Kafka's default partitioner, written down once more rather than shared with the
// engine that it is to check: murmur2 of the key, made positive, modulo the partitions.
func partitionOf(key []byte, partitions int) int32 {
	const m, seed = uint32(0x5bd1e995), uint32(0x9747b28c)
	h := seed ^ uint32(len(key))
	rest := key
	for len(rest) >= 4 {
		k := binary.LittleEndian.Uint32(rest) * m
		h = h*m ^ (k^k>>24)*m
		rest = rest[4:]
	}
	if len(rest) > 0 {
		var tail [4]byte
		copy(tail[:], rest)
		h = (h ^ binary.LittleEndian.Uint32(tail[:])) * m
	}
	h ^= h >> 13
	h *= m
	h ^= h >> 15
	return int32((h & 0x7fffffff) % uint32(partitions))
}

// trim shortens a text for an example.
func trim(s string) string {
	const limit = 600
	if s = strings.ToValidUTF8(s, "?"); len(s) > limit {
		return s[:limit] + "…"
	}
	return s
}
