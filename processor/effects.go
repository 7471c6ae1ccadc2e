package processor

import (
	"encoding/binary"
	"unsafe"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
	"pawl/statestore"
)

// Effects is all that one task's share of an epoch does to the world. It is a value: nothing in it
// has happened yet. The order in which it must happen:
//
//  1. Outputs, Changes and the position record are produced in one transaction, the position
//     record last on its partition;
//  2. the input offsets of Position are added to that transaction, after all produces are acked;
//  3. the transaction commits;
//  4. Changes and Position are applied to the store, together, and only then.
type Effects struct {
	Task     string
	Outputs  []*kgo.Record       // outputs, dead letters, late records and ticks, in order
	Changes  []statestore.Change // state, one per changed key
	Position record.Position     // where the task stands after this epoch
	Records  int64               // input records in this share
	Bytes    int64               // keys and values of Outputs and Changes

	position []byte // Position in wire format
	dead     []DeadLetterInfo
	times    []int64 // Kafka timestamps of the input records, ms
	traces   []RecordTrace
	counts   []int64 // of the pipeline's counters, value by value; nil before the first
	delta    TaskEpoch
	flow     flow
	claim    bool        // this share is a claim record only
	last     *kgo.Record // the position or claim record as produced; acked, it has its offset
	slab     slab        // keys and values of Outputs and Changes, and headers
	records  arena[kgo.Record]
	headers  arena[kgo.RecordHeader]
	owner    *task
}

// output appends a record to Outputs and returns it to be filled.
func (fx *Effects) output() *kgo.Record {
	r := fx.records.next()
	fx.Outputs = append(fx.Outputs, r)
	return r
}

// header returns a slice of one header.
func (fx *Effects) header(key string, value []byte) []kgo.RecordHeader {
	h := fx.headers.next()
	h.Key, h.Value = key, value
	return unsafe.Slice(h, 1)
}

// reset empties fx for another epoch and keeps its memory. The epoch must have committed: its
// records are acknowledged then, and nobody holds them any more.
func (fx *Effects) reset() {
	clear(fx.Outputs)
	clear(fx.Changes)
	fx.slab.reset()
	fx.records.reset()
	fx.headers.reset()
	clear(fx.counts)
	clear(fx.traces)
	fx.flow.clear()
	*fx = Effects{Task: fx.Task, Outputs: fx.Outputs[:0], Changes: fx.Changes[:0],
		times: fx.times[:0], counts: fx.counts, traces: fx.traces[:0], slab: fx.slab,
		records: fx.records, headers: fx.headers, flow: fx.flow}
}

func (fx *Effects) change(c statestore.Change) {
	fx.Changes = append(fx.Changes, c)
	fx.Bytes += int64(len(c.Key) + len(c.Value))
}

// provenance encodes which input record caused an output: topic index, partition, offset and the
// output's ordinal among that record's outputs, as uvarints; then the task's incarnation, when it
// was ever taken back.
func (fx *Effects) provenance(input int, rec *kgo.Record, ordinal int, incarnation int64) []byte {
	b := fx.slab.tail()
	b = binary.AppendUvarint(b, uint64(input))
	b = binary.AppendUvarint(b, uint64(rec.Partition))
	b = binary.AppendUvarint(b, uint64(rec.Offset))
	b = binary.AppendUvarint(b, uint64(ordinal))
	if incarnation > 0 {
		b = binary.AppendUvarint(b, uint64(incarnation))
	}
	return fx.slab.keep(b)
}

// arena hands out zeroed values cut from chunks that are used again and again.
type arena[T any] struct {
	chunks [][]T
	at     int // chunk in use
}

const arenaChunk = 256

func (a *arena[T]) next() *T {
	if len(a.chunks) > 0 && len(a.chunks[a.at]) == arenaChunk {
		a.at++
	}
	if a.at == len(a.chunks) {
		a.chunks = append(a.chunks, make([]T, 0, arenaChunk))
	}
	c := a.chunks[a.at]
	c = c[:len(c)+1]
	a.chunks[a.at] = c
	return &c[len(c)-1]
}

// reset takes everything back. A large epoch's memory is given up step by step while smaller ones
// follow it.
func (a *arena[T]) reset() {
	for i := 0; i <= a.at && i < len(a.chunks); i++ {
		clear(a.chunks[i])
		a.chunks[i] = a.chunks[i][:0]
	}
	a.chunks = trim(a.chunks, a.at)
	a.at = 0
}

// trim drops half of the chunks when less than a quarter was used.
func trim[T any](chunks [][]T, used int) [][]T {
	if n := len(chunks); n > 4*(used+1) {
		clear(chunks[n/2:])
		return chunks[:n/2]
	}
	return chunks
}

// slab hands out byte slices cut from large chunks: the small keys and values of an epoch live and
// die together.
type slab struct {
	buf  []byte   // chunk in use
	full [][]byte // chunks before it
	free [][]byte // chunks to be used again
}

const (
	slabChunk = 32 << 10
	slabSpare = 512
)

// tail returns an empty slice with room to append to; keep then claims what was appended. Growing
// past the room moves the bytes to memory of their own, which keep leaves alone.
func (s *slab) tail() []byte {
	if cap(s.buf)-len(s.buf) < slabSpare {
		s.turn()
	}
	return s.buf[len(s.buf):len(s.buf):cap(s.buf)]
}

func (s *slab) turn() {
	if s.buf != nil {
		s.full = append(s.full, s.buf)
	}
	if n := len(s.free); n > 0 {
		s.buf, s.free = s.free[n-1][:0], s.free[:n-1]
		return
	}
	s.buf = make([]byte, 0, slabChunk)
}

// reset takes back all that was handed out.
func (s *slab) reset() {
	used := len(s.full)
	s.free = trim(append(s.free, s.full...), used)
	clear(s.full)
	s.full, s.buf = s.full[:0], s.buf[:0]
}

func (s *slab) keep(b []byte) []byte {
	n := len(s.buf)
	if len(b) > 0 && cap(b) == cap(s.buf)-n && &b[0] == &s.buf[:n+1][n] {
		s.buf = s.buf[:n+len(b)]
	}
	return b[:len(b):len(b)]
}

func (s *slab) join(prefix []byte, key string) []byte {
	return s.keep(append(append(s.tail(), prefix...), key...))
}

func (s *slab) string(b string) []byte { return s.keep(append(s.tail(), b...)) }
