package audit

import (
	"context"
	"encoding/binary"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// world is a cluster in memory: what a broker held, to be damaged.
type world struct {
	registry  schemas.Registry
	topics    map[string]*memTopic
	committed map[string][]int64
	live      bool
	open      []open
	opened    func(topic string, partition int32) // before a log is read; may be nil
}

type memTopic struct {
	topic
	logs []memLog
}

// memLog is one partition; a nil record is an offset without one.
type memLog struct {
	from   int64
	recs   []*kgo.Record
	hidden int64 // offsets behind the last stable one
}

func (l *memLog) end() int64 { return l.from + int64(len(l.recs)) }

func (w *world) Bounds(_ context.Context, name string) ([]verify.Bounds, error) {
	var out []verify.Bounds
	for i := range w.topics[name].logs {
		l := &w.topics[name].logs[i]
		out = append(out, verify.Bounds{From: l.from, To: l.end()})
	}
	return out, nil
}

func (w *world) Committed(_ context.Context, name string) ([]int64, error) {
	return w.committed[name], nil
}

func (w *world) Open(_ context.Context, name string, p int32, b verify.Bounds) (verify.Log, error) {
	if w.opened != nil {
		w.opened(name, p)
	}
	l := &w.topics[name].logs[p]
	return &memReader{l.recs[b.From-l.from : max(b.To, b.From)-l.from]}, nil
}

func (w *world) Topics(_ context.Context, names ...string) (map[string]topic, error) {
	found := make(map[string]topic)
	for _, name := range names {
		if t, ok := w.topics[name]; ok {
			found[name] = t.topic
		}
	}
	return found, nil
}

func (w *world) Ends(_ context.Context, name string) ([]int64, error) {
	var out []int64
	for i := range w.topics[name].logs {
		out = append(out, w.topics[name].logs[i].end()+w.topics[name].logs[i].hidden)
	}
	return out, nil
}

func (w *world) Live(context.Context) (bool, error) { return w.live, nil }

func (w *world) OpenTransactions(context.Context, []string) ([]open, error) { return w.open, nil }

type memReader struct{ rest []*kgo.Record }

func (m *memReader) Close() {}

func (m *memReader) Next(context.Context) (*kgo.Record, error) {
	for len(m.rest) > 0 {
		rec := m.rest[0]
		if m.rest = m.rest[1:]; rec != nil {
			return rec, nil
		}
	}
	return nil, io.EOF
}

// snapshot copies what a broker holds of the shop.
func snapshot(t *testing.T, b *bed) *world {
	t.Helper()
	ctx := t.Context()
	k, err := newKafka(app, b.opts)
	if err != nil {
		t.Fatal(err)
	}
	defer k.close()
	o := Options{ApplicationID: app, Pipeline: shop(), Registry: b.registry}
	plans, err := plan(&o)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{registry: b.registry, topics: make(map[string]*memTopic),
		committed: make(map[string][]int64)}
	a := newAuditor(o, k)
	for _, p := range plans {
		found, err := k.Topics(ctx, p.Name)
		if err != nil {
			t.Fatal(err)
		}
		bounds, err := k.Bounds(ctx, p.Name)
		if err != nil {
			t.Fatal(err)
		}
		if w.committed[p.Name], err = k.Committed(ctx, p.Name); err != nil {
			t.Fatal(err)
		}
		mt := &memTopic{topic: found[p.Name]}
		for n, at := range bounds {
			l := memLog{from: at.From, recs: make([]*kgo.Record, at.To-at.From)}
			err := a.each(ctx, p.Name, int32(n), at, func(rec *kgo.Record) error {
				l.recs[rec.Offset-at.From] = rec
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			mt.logs = append(mt.logs, l)
		}
		w.topics[p.Name] = mt
	}
	return w
}

// clone is a copy to be damaged.
func (w *world) clone() *world {
	c := &world{registry: w.registry, topics: make(map[string]*memTopic),
		committed: make(map[string][]int64), live: w.live}
	for name, t := range w.topics {
		mt := &memTopic{topic: t.topic}
		for _, l := range t.logs {
			recs := make([]*kgo.Record, len(l.recs))
			for i, rec := range l.recs {
				if rec != nil {
					recs[i] = copyOf(rec)
				}
			}
			mt.logs = append(mt.logs, memLog{from: l.from, recs: recs})
		}
		c.topics[name] = mt
		c.committed[name] = slices.Clone(w.committed[name])
	}
	return c
}

func copyOf(rec *kgo.Record) *kgo.Record {
	c := *rec
	c.Headers = slices.Clone(rec.Headers)
	return &c
}

func (w *world) log(name string, p int32) *memLog { return &w.topics[name].logs[p] }

// find is the first record that fits, of all partitions.
func (w *world) find(t *testing.T, name string, fits func(*kgo.Record) bool) *kgo.Record {
	t.Helper()
	for p := range w.topics[name].logs {
		for _, rec := range w.topics[name].logs[p].recs {
			if rec != nil && fits(rec) {
				return rec
			}
		}
	}
	t.Fatalf("no such record in %s", name)
	return nil
}

func anyOne(*kgo.Record) bool { return true }

// remove leaves an offset without a record.
func (w *world) remove(rec *kgo.Record) {
	l := w.log(rec.Topic, rec.Partition)
	l.recs[rec.Offset-l.from] = nil
}

// insert puts a record at an offset; those from there on move up.
func (w *world) insert(rec *kgo.Record, offset int64) {
	l := w.log(rec.Topic, rec.Partition)
	l.recs = slices.Insert(l.recs, int(offset-l.from), rec)
	for i, r := range l.recs {
		if r != nil {
			r.Offset = l.from + int64(i)
		}
	}
}

func (w *world) append(rec *kgo.Record) {
	w.insert(rec, w.log(rec.Topic, rec.Partition).end())
}

// swap exchanges two records of a log.
func (w *world) swap(a, b *kgo.Record) {
	*a, *b = *b, *a
	a.Offset, b.Offset = b.Offset, a.Offset
}

// cut drops a log's first records.
func (w *world) cut(name string, p int32, n int64) {
	l := w.log(name, p)
	l.from, l.recs = l.from+n, l.recs[n:]
}

// positions are the position records of a partition.
func (w *world) positions(p int32) (all []*kgo.Record) {
	for _, rec := range w.log(app+"-shop-changelog", p).recs {
		if rec != nil && string(rec.Key) == statestore.PositionKey {
			all = append(all, rec)
		}
	}
	return all
}

// rewrite changes a value in wire format.
func rewrite[V any](t *testing.T, w *world, rec *kgo.Record, typ schemas.Type[V], change func(*V)) {
	t.Helper()
	r := schemas.NewResolver(w.registry)
	id, _, err := schemas.ParseHeader(rec.Value)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Fetch(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	var v V
	if err := schemas.NewDecoder(typ, r).Decode(rec.Value, &v); err != nil {
		t.Fatal(err)
	}
	change(&v)
	if rec.Value, err = schemas.NewEncoder(typ, id).Append(nil, &v); err != nil {
		t.Fatal(err)
	}
}

// reposition changes the last position record of partition 0.
func reposition(change func(*record.Position)) func(*testing.T, *world) {
	return func(t *testing.T, w *world) {
		all := w.positions(0)
		rewrite(t, w, all[len(all)-1], record.PositionType(), change)
	}
}

// causes reads the header of an output of the shop.
func causes(rec *kgo.Record) (n [4]uint64) {
	b := header(rec, "pawl.src")
	for i := range n {
		var size int
		n[i], size = binary.Uvarint(b)
		b = b[max(size, 0):]
	}
	return n
}

func setCause(rec *kgo.Record, n ...uint64) {
	var b []byte
	for _, x := range n {
		b = binary.AppendUvarint(b, x)
	}
	rec.Headers = []kgo.RecordHeader{{Key: "pawl.src", Value: b}}
}

// setHeader replaces the value of a header.
func setHeader(rec *kgo.Record, key, value string) {
	for i := range rec.Headers {
		if rec.Headers[i].Key == key {
			rec.Headers[i].Value = []byte(value)
		}
	}
}

func (w *world) audit(t *testing.T) *Report {
	t.Helper()
	a := newAuditor(Options{ApplicationID: app, Pipeline: shop(), Registry: w.registry}, w)
	a.grace = 0
	r, err := a.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// wants compares what was found.
func wants(t *testing.T, r *Report, want map[string]int64) {
	t.Helper()
	have := maps.Clone(r.Counts)
	for kind, n := range want {
		if n == some && have[kind] > 0 || n == maybe {
			have[kind] = n
		}
	}
	if !maps.Equal(have, want) {
		t.Errorf("found %v, want %v", r.Counts, want)
	}
	for _, v := range r.Violations {
		if v.Where == "" || v.Detail == "" {
			t.Errorf("says nothing: %+v", v)
		}
		t.Log(v)
	}
	if len(want) > 0 && r.Clean() {
		t.Error("it counts as clean")
	}
}
