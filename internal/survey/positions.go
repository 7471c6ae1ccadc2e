package survey

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

const (
	tail      = 1000 // offsets of a changelog that are read first
	tailGrows = 16   // so many times more, each time there is no position record
	readers   = 4    // logs read at a time
)

// positions finds where each task stands: the last committed position record of its changelog.
func (s *survey) positions(ctx context.Context) error {
	topic := processor.ChangelogName(s.o.ApplicationID, s.o.Pipeline)
	bounds, err := s.source.Bounds(ctx, topic)
	if errors.Is(err, kerr.UnknownTopicOrPartition) {
		s.note("topic %s does not exist: the application has never run", topic)
		return nil
	}
	if err != nil {
		return err
	}
	resolver := schemas.NewResolver(s.o.Registry)
	found, faults := make([]*record.Position, len(bounds)), make([]error, len(bounds))
	var reading errgroup.Group
	reading.SetLimit(readers)
	for p, b := range bounds {
		reading.Go(func() error {
			found[p], faults[p] = lastPosition(ctx, s.source, resolver, topic, int32(p), b)
			return ctx.Err()
		})
	}
	if err := reading.Wait(); err != nil {
		return err
	}
	for p, pos := range found {
		t := s.task(int32(p))
		if faults[p] != nil {
			s.note("where task %s stands is not known: %v", t.Task, faults[p])
		}
		if pos != nil {
			t.stand(pos)
		}
	}
	return nil
}

// stand takes over what a position record says.
func (t *Task) stand(pos *record.Position) {
	t.Epoch, t.Writer = pos.Epoch, pos.Writer
	// Before a task's first record its watermark lies before all time, which JSON cannot say.
	if at := time.UnixMilli(pos.Watermark).UTC(); at.Year() > 1 && at.Year() <= 9999 {
		t.Watermark = &at
	}
	for _, in := range pos.Inputs {
		t.Inputs = append(t.Inputs, &Input{Topic: in.Topic, Partition: in.Partition,
			Committed: in.Offset})
	}
}

// lastPosition reads a log from near its end, from further back as long as it finds no position
// record there: an epoch may have many changes.
func lastPosition(ctx context.Context, source verify.Source, resolver *schemas.Resolver,
	topic string, partition int32, b verify.Bounds) (*record.Position, error) {
	for back := int64(tail); ; back *= tailGrows {
		from := max(b.To-back, b.From)
		var last *kgo.Record
		err := verify.Each(ctx, source, topic, partition, verify.Bounds{From: from, To: b.To},
			func(rec *kgo.Record) error {
				if string(rec.Key) == statestore.PositionKey && rec.Value != nil {
					last = rec
				}
				return nil
			})
		if err != nil {
			return nil, err
		}
		if last != nil {
			return decodePosition(ctx, resolver, last)
		}
		if from == b.From {
			return nil, nil
		}
	}
}

func decodePosition(ctx context.Context, r *schemas.Resolver, rec *kgo.Record) (*record.Position,
	error) {
	id, _, err := schemas.ParseHeader(rec.Value)
	if err == nil {
		err = r.Fetch(ctx, id)
	}
	var pos record.Position
	if err == nil {
		err = schemas.NewDecoder(record.PositionType(), r).Decode(rec.Value, &pos)
	}
	if err != nil {
		return nil, fmt.Errorf("position record at %s-%d offset %d: %w", rec.Topic, rec.Partition,
			rec.Offset, err)
	}
	return &pos, nil
}
