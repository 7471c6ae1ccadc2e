package verify_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// logs is a Source in memory: topic → partition → records; a nil record is a gap.
type logs struct {
	topics    map[string][][]*kgo.Record
	committed map[string][]int64
}

func (l *logs) Bounds(_ context.Context, topic string) ([]verify.Bounds, error) {
	parts, ok := l.topics[topic]
	if !ok {
		return nil, fmt.Errorf("no topic %s", topic)
	}
	out := make([]verify.Bounds, len(parts))
	for p := range parts {
		out[p].To = int64(len(parts[p]))
	}
	return out, nil
}

func (l *logs) Committed(_ context.Context, topic string) ([]int64, error) {
	return l.committed[topic], nil
}

func (l *logs) Open(_ context.Context, topic string, p int32, b verify.Bounds) (verify.Log, error) {
	return &memLog{l.topics[topic][p][b.From:b.To]}, nil
}

type memLog struct{ rest []*kgo.Record }

func (m *memLog) Close() {}

func (m *memLog) Next(context.Context) (*kgo.Record, error) {
	for len(m.rest) > 0 {
		rec := m.rest[0]
		m.rest = m.rest[1:]
		if rec != nil {
			return rec, nil
		}
	}
	return nil, io.EOF
}

// append puts rec at the end of its partition.
func (l *logs) append(rec *kgo.Record) *kgo.Record {
	p := &l.topics[rec.Topic][rec.Partition]
	rec.Offset = int64(len(*p))
	*p = append(*p, rec)
	return rec
}

// remove takes a record out of its log as if it had never been written.
func (l *logs) remove(rec *kgo.Record) {
	l.topics[rec.Topic][rec.Partition][rec.Offset] = nil
}

// gap leaves an offset without a record.
func (l *logs) gap(topic string, p int32) {
	l.topics[topic][p] = append(l.topics[topic][p], nil)
}

const (
	app        = "app"
	partitions = 2
)

// sum is the value of the toy pipeline's output: the sum of the numbers of a key so far, times the
// factor that the table holds.
type sum struct {
	Total int64 `avro:"total"`
}

func sumType() schemas.Type[sum] {
	return schemas.Avro[sum](
		`{"type":"record","name":"test.Sum","fields":[{"name":"total","type":"long"}]}`)
}

// toy is the model of the toy pipeline, and at the same time what writes its logs. Inputs are
// numbers as text: negative ones are late, others that are no numbers are dead, and a multiple of
// ten gives two outputs.
type toy struct {
	sums      map[string]any
	factor    int64
	watermark int64
}

func newToy(*schemas.Resolver) verify.Model {
	return &toy{sums: make(map[string]any), factor: 1}
}

func (m *toy) Feed(_ context.Context, in verify.Input) (verify.Outcome, error) {
	n, err := strconv.ParseInt(string(in.Value), 10, 64)
	if in.Topic == "factors" {
		m.factor = n
		return verify.Outcome{}, nil
	}
	switch {
	case err != nil:
		return verify.Outcome{Fate: verify.Dead, Exception: "DecodeError"}, nil
	case n < 0:
		return verify.Outcome{Fate: verify.Late, Window: "toy"}, nil
	}
	key := string(in.Key)
	old, _ := m.sums[key].(int64)
	m.sums[key] = old + n
	m.watermark = max(m.watermark, in.Timestamp)
	out := verify.Output{Topic: "sums", Key: key, Timestamp: in.Timestamp,
		Value: sum{(old + n) * m.factor}}
	outs := []verify.Output{out}
	if n%10 == 0 {
		outs = append(outs, out)
	}
	return verify.Outcome{Outputs: outs}, nil
}

// Idle gives an output when it gets beyond 80 s.
func (m *toy) Idle(watermark int64) []verify.Output {
	m.watermark = watermark
	if watermark < 80_000 {
		return nil
	}
	return []verify.Output{{Topic: "sums", Key: "idle", Timestamp: watermark, Value: sum{1}}}
}
func (m *toy) Watermark() int64      { return m.watermark }
func (m *toy) State() map[string]any { return m.sums }

func toySpec() verify.Spec {
	return verify.Spec{
		Pipeline: "toy",
		Inputs:   []verify.Topic{{Name: "numbers"}, {Name: "factors", Table: true}},
		Outputs:  []verify.OutputTopic{verify.NewOutput("sums", sumType())},
		Windows:  []string{"toy"},
		NewModel: newToy,
		Canonical: func(_ context.Context, state map[string][]byte, _ *schemas.Resolver, _ int64) (
			map[string]any, error,
		) {
			out := make(map[string]any)
			for k, v := range state {
				out[k], _ = strconv.ParseInt(string(v), 10, 64)
			}
			return out, nil
		},
	}
}

// world is the toy pipeline's logs as a faultless engine leaves them.
type world struct {
	*logs
	registry *schemas.Memory
	sums     *schemas.Encoder[sum]
	position *schemas.Encoder[record.Position]
	ticks    *schemas.Encoder[record.Tick]
	tasks    [partitions]task
}

type task struct {
	model *toy
	pos   record.Position
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{logs: &logs{topics: make(map[string][][]*kgo.Record),
		committed: make(map[string][]int64)}, registry: schemas.NewMemory()}
	for _, topic := range []string{"numbers", "factors", "sums", app + "-dlq", app + "-toy-late",
		app + "-toy-changelog", app + "-ticks"} {
		w.topics[topic] = make([][]*kgo.Record, partitions)
	}
	w.sums = schemas.NewEncoder(sumType(), w.register(t, "sums", sumType().String()))
	w.position = schemas.NewEncoder(record.PositionType(),
		w.register(t, "position", record.PositionType().String()))
	w.ticks = schemas.NewEncoder(record.TickType(),
		w.register(t, "tick", record.TickType().String()))
	for p := range w.tasks {
		w.tasks[p] = task{model: newToy(nil).(*toy), pos: record.Position{
			Inputs: []record.Input{{Topic: "numbers"}, {Topic: "factors"}}}}
	}
	return w
}

func (w *world) register(t *testing.T, subject, text string) int32 {
	t.Helper()
	id, err := w.registry.Register(context.Background(), subject, text)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func encode[V any](t *testing.T, e *schemas.Encoder[V], v V) []byte {
	t.Helper()
	b, err := e.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// input writes one input record without processing it.
func (w *world) input(topic string, p int32, key, value string, stamp int64) *kgo.Record {
	return w.append(&kgo.Record{Topic: topic, Partition: p, Key: []byte(key), Value: []byte(value),
		Timestamp: time.UnixMilli(stamp),
		Headers:   []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}})
}

// process does to the logs what an engine does for one input record.
func (w *world) process(t *testing.T, rec *kgo.Record) {
	t.Helper()
	task := &w.tasks[rec.Partition]
	input := 0
	if rec.Topic == "factors" {
		input = 1
	}
	out, err := task.model.Feed(context.Background(), verify.Input{Topic: rec.Topic, Key: rec.Key,
		Value: rec.Value, Timestamp: rec.Timestamp.UnixMilli()})
	if err != nil {
		t.Fatal(err)
	}
	pos := &task.pos.Inputs[input]
	pos.Gaps += rec.Offset - pos.Offset
	pos.Offset = rec.Offset + 1
	switch out.Fate {
	case verify.Late:
		pos.Late++
		w.append(&kgo.Record{Topic: app + "-toy-late", Partition: rec.Partition, Key: rec.Key,
			Value: rec.Value, Timestamp: rec.Timestamp, Headers: rec.Headers})
	case verify.Dead:
		pos.Dead++
		w.deadLetter(rec, rec.Partition, out.Exception)
	default:
		pos.Processed++
		for n, o := range out.Outputs {
			w.output(t, rec, input, n, o)
		}
	}
	task.pos.Watermark = task.model.watermark
	if s, ok := task.model.sums[string(rec.Key)]; ok && input == 0 {
		w.append(&kgo.Record{Topic: app + "-toy-changelog", Partition: rec.Partition,
			Key: rec.Key, Value: []byte(fmt.Sprint(s))})
	}
}

func (w *world) output(t *testing.T, rec *kgo.Record, input, ordinal int, o verify.Output) {
	src := binary.AppendUvarint(nil, uint64(input))
	src = binary.AppendUvarint(src, uint64(rec.Partition))
	src = binary.AppendUvarint(src, uint64(rec.Offset))
	src = binary.AppendUvarint(src, uint64(ordinal))
	w.append(&kgo.Record{Topic: o.Topic, Partition: rec.Partition, Key: []byte(o.Key),
		Value: encode(t, w.sums, o.Value.(sum)), Timestamp: time.UnixMilli(o.Timestamp),
		Headers: []kgo.RecordHeader{{Key: "pawl.src", Value: src}}})
}

func (w *world) deadLetter(rec *kgo.Record, to int32, exception string) {
	h := append([]kgo.RecordHeader(nil), rec.Headers...)
	for _, kv := range [][2]string{{"exception", exception}, {"message", "any"},
		{"topic", rec.Topic}, {"partition", fmt.Sprint(rec.Partition)},
		{"offset", fmt.Sprint(rec.Offset)}} {
		h = append(h, kgo.RecordHeader{Key: "__streams.errors." + kv[0], Value: []byte(kv[1])})
	}
	w.append(&kgo.Record{Topic: app + "-dlq", Partition: to, Key: rec.Key,
		Value: rec.Value, Timestamp: rec.Timestamp, Headers: h})
}

// tick writes one decision about the order.
func (w *world) tick(t *testing.T, p int32, tick record.Tick) {
	t.Helper()
	w.append(&kgo.Record{Topic: app + "-ticks", Partition: p, Value: encode(t, w.ticks, tick)})
}

// commit ends an epoch of every task: position record, committed offsets.
func (w *world) commit(t *testing.T) {
	t.Helper()
	for p := range w.tasks {
		pos := &w.tasks[p].pos
		pos.Epoch++
		w.append(&kgo.Record{Topic: app + "-toy-changelog", Partition: int32(p),
			Key: []byte(statestore.PositionKey), Value: encode(t, w.position, *pos)})
		for i, topic := range []string{"numbers", "factors"} {
			if w.committed[topic] == nil {
				w.committed[topic] = make([]int64, partitions)
			}
			w.committed[topic][p] = pos.Inputs[i].Offset
		}
	}
}

func (w *world) check(t *testing.T) *verify.Report {
	t.Helper()
	r, err := verify.Check(context.Background(), verify.Options{Spec: toySpec(),
		ApplicationID: app, Source: w.logs, Registry: w.registry})
	if err != nil {
		t.Fatal(err)
	}
	return r
}
