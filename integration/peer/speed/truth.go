//go:build unix

package speed

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// want is the decision that a transaction should have.
type want struct {
	decision schema.Decision
	at       int64 // ms, of the decision's record
}

// truth is what the oracle makes of an input: the decisions of each partition, in order.
type truth struct {
	topic      string
	partitions [][]want
	events     int64
	decisions  int64
	alerts     int64
}

// findTruth reads a topic of transactions and asks the oracle about each.
func findTruth(ctx context.Context, s verify.Source, r schemas.Registry, topic string) (
	*truth, error) {
	bounds, err := s.Bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	parts := make([]truth, len(bounds))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(2)
	for p := range bounds {
		group.Go(func() error { return parts[p].read(ctx, s, r, topic, int32(p), bounds[p]) })
	}
	if err := group.Wait(); err != nil {
		return nil, fmt.Errorf("find what should come of %s: %w", topic, err)
	}
	t := &truth{topic: topic}
	for _, part := range parts {
		t.partitions = append(t.partitions, part.partitions[0])
		t.events += part.events
		t.decisions += part.decisions
		t.alerts += part.alerts
	}
	return t, nil
}

// read asks about one partition.
func (t *truth) read(ctx context.Context, s verify.Source, r schemas.Registry, topic string,
	partition int32, bounds verify.Bounds) error {
	oracle := fraud.NewOracle(rules(), schemas.NewResolver(r))
	users := map[string]string{} // one copy of each name
	var wants []want
	err := verify.Each(ctx, s, topic, partition, bounds, func(rec *kgo.Record) error {
		t.events++
		out, err := oracle.Feed(ctx, verify.Input{Topic: fraud.Transactions, Partition: partition,
			Offset: rec.Offset, Key: rec.Key, Value: rec.Value,
			Timestamp: rec.Timestamp.UnixMilli()})
		if err != nil {
			return err
		}
		for _, o := range out.Outputs {
			d, ok := o.Value.(schema.Decision)
			if !ok {
				t.alerts++
				continue
			}
			if _, ok := users[d.UserID]; !ok {
				users[d.UserID] = d.UserID
			}
			d.UserID = users[d.UserID]
			wants = append(wants, want{decision: d, at: o.Timestamp})
		}
		return nil
	})
	t.partitions, t.decisions = [][]want{wants}, int64(len(wants))
	return err
}
