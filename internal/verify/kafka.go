package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Kafka is a cluster as a Source.
type Kafka struct {
	opts  []kgo.Opt
	group string
	admin *kadm.Client
	quiet time.Duration // after how long without a record a log is asked whether it has ended
}

// NewKafka returns the cluster that opts lead to, with the committed offsets of group.
func NewKafka(group string, opts ...kgo.Opt) (*Kafka, error) {
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	return &Kafka{opts: opts, group: group, admin: kadm.NewClient(cl), quiet: 5 * time.Second}, nil
}

// Close closes the connections. Logs have to be closed before.
func (k *Kafka) Close() { k.admin.Close() }

// Bounds implements Source.
func (k *Kafka) Bounds(ctx context.Context, topic string) ([]Bounds, error) {
	starts, err := k.admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("start offsets of topic %s: %w", topic, err)
	}
	ends, err := k.admin.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("end offsets of topic %s: %w", topic, err)
	}
	out := make([]Bounds, len(starts[topic]))
	for p := range out {
		from, ok := starts.Lookup(topic, int32(p))
		to, ok2 := ends.Lookup(topic, int32(p))
		if !ok || !ok2 {
			return nil, fmt.Errorf("the broker gave no offsets of %s-%d", topic, p)
		}
		out[p] = Bounds{From: from.Offset, To: to.Offset}
	}
	return out, nil
}

// Committed implements Source.
func (k *Kafka) Committed(ctx context.Context, topic string) ([]int64, error) {
	bounds, err := k.Bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	offsets, err := k.admin.FetchOffsetsForTopics(ctx, k.group, topic)
	if err == nil {
		err = offsets.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) {
		err = nil // nothing was ever committed
	}
	if err != nil {
		return nil, fmt.Errorf("committed offsets of group %s: %w", k.group, err)
	}
	out := make([]int64, len(bounds))
	for p := range out {
		out[p] = -1
		if o, ok := offsets.Lookup(topic, int32(p)); ok {
			out[p] = o.At
		}
	}
	return out, nil
}

// Open implements Source.
func (k *Kafka) Open(_ context.Context, topic string, partition int32, b Bounds) (Log, error) {
	log := &kafkaLog{kafka: k, topic: topic, partition: partition, bounds: b, next: b.From}
	if b.From >= b.To {
		return log, nil
	}
	opts := append(append([]kgo.Opt(nil), k.opts...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			topic: {partition: kgo.NewOffset().At(b.From)}}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // or the end of a log that ends in one would not be seen
		kgo.FetchMaxWait(200*time.Millisecond),
		kgo.FetchMaxBytes(8<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.WithHooks(&log.answers))
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	log.client = cl
	return log, nil
}

// emptyAnswers is how many answers without a record say that there is none. A few may be refusals,
// when the partition's leader has just moved.
const emptyAnswers = 10

// answers counts a client's answers to fetches.
type answers struct{ atomic.Int64 }

// OnBrokerE2E implements kgo.HookBrokerE2E.
func (a *answers) OnBrokerE2E(_ kgo.BrokerMetadata, key int16, e kgo.BrokerE2E) {
	if key == int16(kmsg.Fetch) && e.Err() == nil {
		a.Add(1)
	}
}

// kafkaLog is one partition being read.
type kafkaLog struct {
	kafka     *Kafka
	client    *kgo.Client // nil for an empty log
	topic     string
	partition int32
	bounds    Bounds
	next      int64 // offset after the last record seen, control records included
	records   []*kgo.Record
	answers   answers
	answered  int64 // answers when there was a record last
}

// Close implements Log.
func (l *kafkaLog) Close() {
	if l.client != nil {
		l.client.Close()
	}
}

// Next implements Log.
func (l *kafkaLog) Next(ctx context.Context) (*kgo.Record, error) {
	for {
		for len(l.records) > 0 {
			rec := l.records[0]
			l.records[0], l.records = nil, l.records[1:]
			if rec.Offset >= l.bounds.To {
				l.next = l.bounds.To
				return nil, io.EOF
			}
			l.next = rec.Offset + 1
			if !rec.Attrs.IsControl() {
				return rec, nil
			}
		}
		if l.next >= l.bounds.To {
			return nil, io.EOF
		}
		if err := l.poll(ctx); err != nil {
			return nil, err
		}
	}
}

func (l *kafkaLog) poll(ctx context.Context) error {
	wait, cancel := context.WithTimeout(ctx, l.kafka.quiet)
	defer cancel()
	fetches := l.client.PollFetches(wait)
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	l.records = fetches.Records()
	n := l.answers.Load()
	if len(l.records) > 0 {
		l.answered = n
		return nil
	}
	if n-l.answered < emptyAnswers {
		return nil // a cluster or a machine that is busy, or out of reach, says nothing of it
	}
	return l.ended(ctx)
}

// ended is asked after a quiet while. Compaction may have emptied a log's last batches: when the
// broker would give all of it to a read_committed reader and gives nothing, there is nothing.
func (l *kafkaLog) ended(ctx context.Context) error {
	bounds, err := l.kafka.Bounds(ctx, l.topic)
	if err != nil {
		return err
	}
	if now := bounds[l.partition].To; now < l.bounds.To {
		return fmt.Errorf("the log can be read to offset %d only, of %d: a transaction is open",
			now, l.bounds.To)
	}
	l.next = l.bounds.To
	return nil
}

// Lag is how many offsets of the topics the group has not committed.
func (k *Kafka) Lag(ctx context.Context, topics ...string) (int64, error) {
	var lag int64
	for _, topic := range topics {
		bounds, err := k.Bounds(ctx, topic)
		if err != nil {
			return 0, err
		}
		committed, err := k.Committed(ctx, topic)
		if err != nil {
			return 0, err
		}
		for p, b := range bounds {
			lag += b.To - max(committed[p], b.From)
		}
	}
	return lag, nil
}
