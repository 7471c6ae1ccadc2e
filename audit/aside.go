package audit

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// aside is one partition of a late topic or of the shed topic: what stands there is input records,
// unchanged but for headers that were added, so that each must be found among the inputs. They do
// not say where they came from, and are told by content.
type aside struct {
	a       *auditor
	t       *task
	topic   topic
	kind    string   // Late or Shed
	headers []string // that were added
	known   int      // index of one of them whose value is known
	value   string
	seed    maphash.Seed
	bag     map[uint64]copies
	cut     bool // its beginning is gone
	count   int64
}

// copies are equal records.
type copies struct {
	n     int64
	first int64 // offset
}

// readAsides reads the late and shed records of a task.
func (a *auditor) readAsides(ctx context.Context, t *task) ([]*aside, error) {
	var all []*aside
	for _, late := range a.layout.late {
		window := strings.TrimPrefix(strings.TrimSuffix(late.name, "-late"), a.o.ApplicationID+"-")
		all = append(all, &aside{topic: late, kind: Late, value: window,
			headers: []string{"pawl.window", "pawl.watermark", "pawl.lateness"}})
	}
	if a.layout.shed != nil {
		all = append(all, &aside{topic: *a.layout.shed, kind: Shed, known: 1, value: t.name,
			headers: []string{"pawl.shed.reason", "pawl.task"}})
	}
	for _, s := range all {
		b := a.bounds[s.topic.name][t.partition]
		s.a, s.t, s.seed, s.cut = a, t, maphash.MakeSeed(), b.From > 0
		s.bag = make(map[uint64]copies)
		if s.cut {
			a.report.note("%s: its beginning is gone", s.topic.name)
		}
		if err := a.each(ctx, s.topic.name, t.partition, b, s.take); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (s *aside) take(rec *kgo.Record) error {
	n := len(rec.Headers) - len(s.headers)
	if n < 0 || !slices.EqualFunc(rec.Headers[n:], s.headers,
		func(h kgo.RecordHeader, key string) bool { return h.Key == key }) {
		s.a.report.violated(s.kind, at(rec), "its headers do not end with %s: no epoch accounts "+
			"for it", strings.Join(s.headers, ", "))
		return nil
	}
	if said := string(rec.Headers[n+s.known].Value); said != s.value {
		s.a.report.violated(s.kind, at(rec), "its header %s says %q, want %q", s.headers[s.known],
			said, s.value)
		return nil
	}
	s.count++
	if s.bag == nil {
		return nil
	}
	sum := s.sum(rec, n)
	c, ok := s.bag[sum]
	if !ok {
		c.first = rec.Offset
	}
	c.n++
	if s.bag[sum] = c; len(s.bag) > s.a.maxCopies {
		s.bag = nil
		s.a.report.note("%s holds too many records to compare each with the input", s.topic.name)
	}
	return nil
}

// sum is a hash of all that a record consists of, with its first n headers.
func (s *aside) sum(rec *kgo.Record, n int) uint64 {
	var h maphash.Hash
	h.SetSeed(s.seed)
	var b [8]byte
	part := func(p []byte) {
		size := int64(len(p))
		if p == nil {
			size = -1
		}
		binary.LittleEndian.PutUint64(b[:], uint64(size))
		h.Write(b[:])
		h.Write(p)
	}
	part(rec.Key)
	part(rec.Value)
	binary.LittleEndian.PutUint64(b[:], uint64(rec.Timestamp.UnixMilli()))
	h.Write(b[:])
	for _, x := range rec.Headers[:n] {
		h.WriteString(x.Key)
		part(x.Value)
	}
	return h.Sum64()
}

// found takes an input record's copy out of the bag, if there is one.
func (s *aside) found(rec *kgo.Record) {
	if len(s.bag) == 0 {
		return
	}
	sum := s.sum(rec, len(rec.Headers))
	c, ok := s.bag[sum]
	if !ok {
		return
	}
	if c.n--; c.n == 0 {
		delete(s.bag, sum)
		return
	}
	s.bag[sum] = c
}

// end judges what found no input record, and the number of all.
func (s *aside) end(inputsWhole bool) {
	where := part(s.topic.name, s.t.partition)
	if s.t.turned != nil {
		return // there may be copies of before it was taken back
	}
	if inputsWhole {
		for _, c := range s.bag {
			s.a.report.violated(s.kind, where, "the record at offset %d is no copy of an input "+
				"record that task %s has taken, or there are %d more than of that", c.first,
				s.t.name, c.n)
		}
	}
	if s.t.last == nil {
		return
	}
	var late, shed int64
	for _, in := range s.t.last.Inputs {
		late, shed = late+in.Late, shed+in.Shed
	}
	if s.kind == Shed && (s.count < shed && !s.cut || s.count > shed && !s.a.report.Live) {
		s.a.report.violated(Shed, where, "the ledger counts %d shed records, but %d are there",
			shed, s.count)
	}
}

// lateEnough compares the number of late records with the ledger. There may be more: a record can
// be late for one window only, and be processed for the others.
func (a *auditor) lateEnough(t *task, all []*aside) {
	var have, want int64
	for _, s := range all {
		if s.kind == Late {
			if have += s.count; s.cut {
				return
			}
		}
	}
	if t.last != nil {
		for _, in := range t.last.Inputs {
			want += in.Late
		}
	}
	if have < want {
		a.report.violated(Late, t.lastAt, "the ledger counts %d late records, but the late topics "+
			"hold %d", want, have)
	}
}
