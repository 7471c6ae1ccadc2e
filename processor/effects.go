package processor

import (
	"encoding/binary"

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
	delta    TaskEpoch
	claim    bool               // this share is a claim record only
	last     *kgo.Record        // the position or claim record as produced; its offset is known once acked
	slab     slab               // keys, values and headers of Outputs
	changes  slab               // keys and values of Changes, which live until they are on disk
	records  []kgo.Record       // chunk that Outputs point into
	headers  []kgo.RecordHeader // chunk that their Headers point into
	owner    *task
}

const (
	recordChunk = 512
	headerChunk = 512
)

// output appends a record to Outputs and returns it to be filled.
func (fx *Effects) output() *kgo.Record {
	if len(fx.records) == cap(fx.records) {
		fx.records = make([]kgo.Record, 0, recordChunk)
	}
	fx.records = append(fx.records, kgo.Record{})
	r := &fx.records[len(fx.records)-1]
	fx.Outputs = append(fx.Outputs, r)
	return r
}

// header returns a slice of one header, cut from a chunk.
func (fx *Effects) header(key string, value []byte) []kgo.RecordHeader {
	if len(fx.headers) == cap(fx.headers) {
		fx.headers = make([]kgo.RecordHeader, 0, headerChunk)
	}
	fx.headers = append(fx.headers, kgo.RecordHeader{Key: key, Value: value})
	n := len(fx.headers)
	return fx.headers[n-1 : n : n]
}

func (fx *Effects) change(c statestore.Change) {
	fx.Changes = append(fx.Changes, c)
	fx.Bytes += int64(len(c.Key) + len(c.Value))
}

// provenance encodes which input record caused an output: topic index, partition, offset and the
// output's ordinal among that record's outputs, as uvarints.
func (fx *Effects) provenance(input int, rec *kgo.Record, ordinal int) []byte {
	b := fx.slab.tail()
	b = binary.AppendUvarint(b, uint64(input))
	b = binary.AppendUvarint(b, uint64(rec.Partition))
	b = binary.AppendUvarint(b, uint64(rec.Offset))
	b = binary.AppendUvarint(b, uint64(ordinal))
	return fx.slab.keep(b)
}

// slab hands out byte slices cut from large chunks: the small keys and values of an epoch live and
// die together.
type slab struct{ buf []byte }

const (
	slabChunk = 64 << 10
	slabSpare = 512
)

// tail returns an empty slice with room to append to; keep then claims what was appended. Growing
// past the room moves the bytes to memory of their own, which keep leaves alone.
func (s *slab) tail() []byte {
	if cap(s.buf)-len(s.buf) < slabSpare {
		s.buf = make([]byte, 0, slabChunk)
	}
	return s.buf[len(s.buf):len(s.buf):cap(s.buf)]
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

func (s *slab) bytes(b []byte) []byte { return s.keep(append(s.tail(), b...)) }

func (s *slab) string(b string) []byte { return s.keep(append(s.tail(), b...)) }
