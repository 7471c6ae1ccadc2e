//go:build unix

package speed

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// topics are logs in memory: by name, partitions of records.
type topics map[string][][]*kgo.Record

func (t topics) Bounds(_ context.Context, topic string) ([]verify.Bounds, error) {
	var all []verify.Bounds
	for _, records := range t[topic] {
		all = append(all, verify.Bounds{To: int64(len(records))})
	}
	return all, nil
}

func (t topics) Committed(context.Context, string) ([]int64, error) { return nil, nil }

func (t topics) Open(_ context.Context, topic string, partition int32, _ verify.Bounds) (
	verify.Log, error) {
	return &log{t[topic][partition]}, nil
}

type log struct{ records []*kgo.Record }

func (l *log) Next(context.Context) (*kgo.Record, error) {
	if len(l.records) == 0 {
		return nil, io.EOF
	}
	rec := l.records[0]
	l.records = l.records[1:]
	return rec, nil
}

func (l *log) Close() {}

const (
	in  = "transactions"
	out = "decisions"
)

// scene is an input of two partitions, and the decisions that it should lead to.
type scene struct {
	topics   topics
	registry schemas.Registry
	encoder  *schemas.Encoder[schema.Decision]
	truth    *truth
}

func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{topics: topics{in: make([][]*kgo.Record, 2)}, registry: schemas.NewMemory()}
	bind := func(subject, text string) int32 {
		id, err := schemas.Bind(t.Context(), s.registry, schemas.NewResolver(s.registry),
			subject, text, true)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	s.encoder = schemas.NewEncoder(schema.DecisionType(),
		bind("d", schema.DecisionType().String()))
	f := &field{options: Options{Users: 20}}
	g := f.load(1, time.Now(), 1000, true)
	id := bind("t", schema.TransactionType().String())
	g.Bind(map[string]int32{fraud.Transactions: id, fraud.LimitsTopic: id})
	for range 2000 {
		r := g.Next()
		p := int32(r.Key[len(r.Key)-1]) % 2
		s.topics[in][p] = append(s.topics[in][p], &kgo.Record{Topic: in, Partition: p,
			Key: r.Key, Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp),
			Offset: int64(len(s.topics[in][p]))})
	}
	var err error
	if s.truth, err = findTruth(t.Context(), s.topics, s.registry, in); err != nil {
		t.Fatal(err)
	}
	if s.truth.events != 2000 || s.truth.decisions == 0 || s.truth.decisions == 2000 ||
		s.truth.alerts == 0 {
		t.Fatalf("%d events lead to %d decisions and %d alerts: want some late, some flagged",
			s.truth.events, s.truth.decisions, s.truth.alerts)
	}
	s.decide(t)
	return s
}

// decide writes all decisions as they should be.
func (s *scene) decide(t *testing.T) {
	t.Helper()
	s.topics[out] = make([][]*kgo.Record, 2)
	for p, wants := range s.truth.partitions {
		for i, w := range wants {
			s.topics[out][p] = append(s.topics[out][p], &kgo.Record{Topic: out,
				Partition: int32(p), Offset: int64(i), Key: []byte(w.decision.UserID),
				Value: s.encode(t, w.decision), Timestamp: time.UnixMilli(w.at)})
		}
	}
}

func (s *scene) encode(t *testing.T, d schema.Decision) []byte {
	t.Helper()
	value, err := s.encoder.Append(nil, &d)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
