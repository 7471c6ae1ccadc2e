package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// stand is a position record and where it is on the changelog.
type stand struct {
	record.Position
	at   int64 // its offset
	time int64 // when it was written, ms
}

// stands calls fn for the position records of a part of a task's changelog, until it returns false.
func (s *session) stands(ctx context.Context, t *task, b verify.Bounds,
	fn func(*stand) bool) error {
	stop := errors.New("enough")
	err := s.each(ctx, s.changelog, t.partition, b, func(rec *kgo.Record) error {
		if string(rec.Key) != statestore.PositionKey {
			return nil
		}
		st := &stand{at: rec.Offset, time: rec.Timestamp.UnixMilli()}
		if err := s.positions.DecodeFetching(ctx, rec.Value, &st.Position); err != nil {
			return fmt.Errorf("position record at %s-%d offset %d: %w", rec.Topic, rec.Partition,
				rec.Offset, err)
		}
		if !fn(st) {
			return stop
		}
		return nil
	})
	if errors.Is(err, stop) {
		return nil
	}
	return err
}

// lastStand finds the newest position record of a task, from the end of its log.
func (s *session) lastStand(ctx context.Context, t *task) (*stand, error) {
	for back := int64(256); ; back *= 8 {
		b := verify.Bounds{From: max(t.log.To-back, t.log.From), To: t.log.To}
		var last *stand
		err := s.stands(ctx, t, b, func(st *stand) bool {
			last = st
			if !slices.Contains(s.writers, st.Writer) {
				s.writers = append(s.writers, st.Writer)
			}
			return true
		})
		if err != nil || last != nil || b.From == t.log.From {
			return last, err
		}
	}
}

// readTicks reads what a task decided by itself between two positions of one incarnation. Ticks are
// numbered by their place among all that the task ever logged.
func (s *session) readTicks(ctx context.Context, t *task, from, to int64) ([]record.Tick, error) {
	if from >= to {
		return nil, nil
	}
	bounds, err := s.source.Bounds(ctx, s.ticks)
	if err != nil {
		return nil, err
	}
	if b := bounds[t.partition]; b.From > 0 {
		return nil, fmt.Errorf("%s-%d begins at offset %d: without all ticks the replay cannot "+
			"repeat what the task decided by itself", s.ticks, t.partition, b.From)
	}
	dec := schemas.NewDecoder(record.TickType(), s.resolver)
	var ticks []record.Tick
	n := int64(0)
	err = s.each(ctx, s.ticks, t.partition, bounds[t.partition], func(rec *kgo.Record) error {
		n++
		if n <= from || n > to {
			return nil
		}
		var tick record.Tick
		if err := dec.DecodeFetching(ctx, rec.Value, &tick); err != nil {
			return fmt.Errorf("tick at %s-%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset,
				err)
		}
		ticks = append(ticks, tick)
		return nil
	})
	if err == nil && int64(len(ticks)) != to-from {
		err = fmt.Errorf("%s-%d holds %d ticks of task %s, its position record counts %d", s.ticks,
			t.partition, n, t.name, to)
	}
	return ticks, err
}
