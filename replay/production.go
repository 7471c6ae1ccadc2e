package replay

import (
	"context"
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
)

// collect keeps what production put out in the stretches: of each topic all is read, for where the
// stretch begins in it nothing tells.
func (s *session) collect(ctx context.Context, c *scratch) error {
	topics := s.shown()
	bounds := make([][]verify.Bounds, len(topics))
	var done, total int64
	for i, t := range topics {
		b, err := s.settled(ctx, t.Name)
		if err != nil {
			return err
		}
		bounds[i] = b
		for _, one := range b {
			total += one.To - one.From
		}
	}
	for i, t := range topics {
		for p, b := range bounds[i] {
			err := s.each(ctx, t.Name, int32(p), b, func(rec *kgo.Record) error {
				if done++; done%5000 == 0 {
					s.o.Progress("reading what production wrote", done, total)
				}
				return s.produced(c, i, t.Kind, rec)
			})
			if err != nil {
				return err
			}
		}
	}
	s.o.Progress("reading what production wrote", total, total)
	return c.flush()
}

// produced keeps one record of production if it is of a stretch.
func (s *session) produced(c *scratch, topic int, kind string, rec *kgo.Record) error {
	switch kind {
	case processor.TopicLate:
		return s.producedLate(c, topic, rec)
	case processor.TopicDLQ:
		return s.producedLetter(c, topic, rec)
	}
	at, err := causeOf(rec)
	if err != nil {
		return fmt.Errorf("%s-%d offset %d cannot be paired: %w; pawl audit tells more", rec.Topic,
			rec.Partition, rec.Offset, err)
	}
	t := s.task(at.partition)
	if t == nil || !t.within(&at) {
		return nil
	}
	return c.keep(t, topic, at, sideProduction, rec, false)
}

// task is one that is replayed, or nil.
func (s *session) task(partition int32) *task {
	if partition < 0 || int(partition) >= len(s.tasks) || s.tasks[partition].last == nil {
		return nil
	}
	return s.tasks[partition]
}

// within says whether a cause lies in the task's stretch.
func (t *task) within(at *cause) bool {
	if at.incarnation != t.last.Incarnation {
		return false
	}
	from, to := t.start.position.Ticks, t.last.Ticks
	switch {
	case at.input > len(t.inputs):
		return false
	case at.input < len(t.inputs):
		from, to = t.start.position.Inputs[at.input].Offset, t.last.Inputs[at.input].Offset
	}
	return at.offset >= from && at.offset < to
}

// producedLetter tells by its epoch whether a dead letter is of the stretch.
func (s *session) producedLetter(c *scratch, topic int, rec *kgo.Record) error {
	t := s.task(rec.Partition)
	if t == nil {
		return nil
	}
	epoch, err := strconv.ParseInt(string(header(rec, "pawl.epoch")), 10, 64)
	if err != nil {
		return fmt.Errorf("%s-%d offset %d: its header pawl.epoch: %w", rec.Topic, rec.Partition,
			rec.Offset, err)
	}
	if epoch <= t.start.position.Epoch || epoch > t.last.Epoch {
		return nil
	}
	at, err := s.letterCause(t, rec)
	if err != nil {
		return fmt.Errorf("%s-%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
	}
	return c.keep(t, topic, at, sideProduction, rec, false)
}

// producedLate tells by the watermark whether a late record is of the stretch: it never falls. At
// the ends of the stretch records share it that are before and after.
func (s *session) producedLate(c *scratch, topic int, rec *kgo.Record) error {
	t := s.task(rec.Partition)
	if t == nil {
		return nil
	}
	mark, err := strconv.ParseInt(string(header(rec, "pawl.watermark")), 10, 64)
	if err != nil {
		return fmt.Errorf("%s-%d offset %d: its header pawl.watermark: %w", rec.Topic,
			rec.Partition, rec.Offset, err)
	}
	from, to := t.start.position.Watermark, t.last.Watermark
	if mark < from || mark > to {
		return nil
	}
	edge := mark == from || mark == to || t.last.Incarnation > 0
	return c.keep(t, topic, cause{}, sideProduction, rec, edge)
}
