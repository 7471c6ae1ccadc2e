package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
)

// feeder sends the input, a part at each step.
type feeder struct {
	client  *kgo.Client
	random  *rand.Rand
	records []*kgo.Record
	sent    int64
}

func newFeeder(s *simulation) (*feeder, error) {
	g := s.cfg.App.Load(s.cfg.Seed, time.Now())
	ids := make(map[string]int32)
	for _, topic := range g.Schemas() {
		id, err := s.registry.memory.Register(context.Background(), topic.Topic+"-value",
			topic.Text)
		if err != nil {
			return nil, fmt.Errorf("register the input's schema: %w", err)
		}
		ids[topic.Topic] = id
	}
	g.Bind(ids)
	f := &feeder{random: s.chance("feeder")}
	first := g.Schemas()[0].Topic
	for n := 0; n < s.cfg.App.Records; {
		rec := g.Next()
		if rec.Topic == first {
			n++
		}
		f.records = append(f.records, toKafka(rec))
	}
	var err error
	f.client, err = s.client(kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.ProducerLinger(0), kgo.ProducerBatchCompression(kgo.NoCompression()))
	return f, err
}

func toKafka(r loadgen.Record) *kgo.Record {
	return &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value,
		Timestamp: time.UnixMilli(r.Timestamp)}
}

// feed sends the part of the input that belongs to a step, a few records at a time, so that some
// are processed while others are being committed.
func (f *feeder) feed(step, steps int) error {
	n := len(f.records)
	part := f.records[n*step/steps : n*(step+1)/steps]
	for len(part) > 0 {
		few := part[:min(1+f.random.IntN(4), len(part))]
		part = part[len(few):]
		if err := f.client.ProduceSync(context.Background(), few...).FirstErr(); err != nil {
			return fmt.Errorf("send the input: %w", err)
		}
		f.sent += int64(len(few))
		time.Sleep(time.Duration(f.random.Int64N(int64(60 * time.Millisecond))))
	}
	return nil
}
