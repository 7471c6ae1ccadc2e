package replay

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sink takes what a shadow puts out: to its topics, and to the scratch where it is paired.
type sink struct {
	s       *session
	client  *kgo.Client
	scratch *scratch
	topics  map[string]int // shown, by their order
	failed  atomic.Pointer[error]
}

// newSink opens a producer; without a scratch nothing is kept to be paired.
func (s *session) newSink(scratch *scratch) (*sink, error) {
	cl, err := s.off.Client("replay",
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytesFn(s.off.BatchLimit),
		kgo.RequiredAcks(kgo.AllISRAcks()))
	if err != nil {
		return nil, err
	}
	k := &sink{s: s, client: cl, scratch: scratch, topics: make(map[string]int)}
	for i, t := range s.shown() {
		k.topics[t.Name] = i
	}
	return k, nil
}

// take takes the outputs of a task's epoch. They are the caller's again afterwards.
func (k *sink) take(ctx context.Context, t *task, outputs []*kgo.Record) error {
	for _, r := range outputs {
		n, ok := k.topics[r.Topic]
		if !ok {
			continue // ticks are not repeated: they are production's
		}
		if k.scratch != nil {
			if err := k.scratch.replayed(t, n, r); err != nil {
				return err
			}
		}
		k.client.Produce(ctx, k.copy(r), func(r *kgo.Record, err error) {
			if err != nil {
				err = fmt.Errorf("produce to %s-%d: %w", r.Topic, r.Partition, err)
				k.failed.CompareAndSwap(nil, &err)
			}
		})
	}
	if err := k.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// copy is a record of the shadow's own topic, with memory of its own.
func (k *sink) copy(r *kgo.Record) *kgo.Record {
	c := &kgo.Record{Topic: k.s.ours(r.Topic), Partition: r.Partition, Key: bytes.Clone(r.Key),
		Value: bytes.Clone(r.Value), Timestamp: r.Timestamp, Headers: slices.Clone(r.Headers)}
	for i := range c.Headers {
		c.Headers[i].Value = bytes.Clone(c.Headers[i].Value)
	}
	return c
}

// end waits for all that was taken.
func (k *sink) end(ctx context.Context) error {
	if err := k.client.Flush(ctx); err != nil {
		return fmt.Errorf("produce to the replay's topics: %w", err)
	}
	if err := k.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// of is take for one task.
func (k *sink) of(ctx context.Context, t *task) func([]*kgo.Record) error {
	return func(outputs []*kgo.Record) error { return k.take(ctx, t, outputs) }
}
