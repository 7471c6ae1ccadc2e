package survey

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// inputs adds the partitions that no position record names yet, with the group's offsets, and
// measures all of them. Ends are asked for last, so that no lag is below 0.
func (s *survey) inputs(ctx context.Context) error {
	offsets, err := s.adm.FetchOffsets(ctx, s.o.ApplicationID)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return fmt.Errorf("fetch offsets of group %s: %w", s.o.ApplicationID, err)
	}
	topics := slices.Clone(s.o.Inputs)
	for _, t := range s.report.Tasks {
		for _, in := range t.Inputs {
			if !slices.Contains(topics, in.Topic) {
				topics = append(topics, in.Topic)
			}
		}
	}
	if len(topics) == 0 {
		return nil
	}
	ends, err := s.adm.ListEndOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("end offsets of the inputs: %w", err)
	}
	stable, err := s.adm.ListCommittedOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("last stable offsets of the inputs: %w", err)
	}
	starts, err := s.adm.ListStartOffsets(ctx, topics...)
	if err != nil {
		return fmt.Errorf("start offsets of the inputs: %w", err)
	}
	for _, topic := range s.o.Inputs {
		for p, end := range ends[topic] {
			if p < 0 {
				s.note("input topic %s: %v", topic, end.Err)
				continue
			}
			s.input(topic, p, offsets)
		}
	}
	for _, t := range s.report.Tasks {
		slices.SortFunc(t.Inputs, func(a, b *Input) int {
			if a.Topic != b.Topic {
				return slices.Index(topics, a.Topic) - slices.Index(topics, b.Topic)
			}
			return int(a.Partition - b.Partition)
		})
		for _, in := range t.Inputs {
			s.measure(in, ends, stable, starts)
			t.Lag += in.Lag
		}
	}
	return nil
}

// input is one partition of a stream or table, which the task of the same number reads.
func (s *survey) input(topic string, partition int32, offsets kadm.OffsetResponses) {
	t := s.task(partition)
	for _, in := range t.Inputs {
		if in.Topic == topic && in.Partition == partition {
			return
		}
	}
	one := &Input{Topic: topic, Partition: partition, Committed: -1}
	if o, ok := offsets.Lookup(topic, partition); ok {
		one.Committed = o.At
	}
	t.Inputs = append(t.Inputs, one)
}

func (s *survey) measure(in *Input, ends, stable, starts kadm.ListedOffsets) {
	end, ok := ends.Lookup(in.Topic, in.Partition)
	if !ok || end.Err != nil {
		in.End, in.Stable = -1, -1
		s.note("%s-%d: its end is not known: %v", in.Topic, in.Partition,
			errors.Join(end.Err, absent(ok)))
		return
	}
	in.End, in.Stable = end.Offset, end.Offset
	if lso, ok := stable.Lookup(in.Topic, in.Partition); ok && lso.Err == nil {
		in.Stable = lso.Offset
	}
	from := in.Committed
	if start, ok := starts.Lookup(in.Topic, in.Partition); ok && from < 0 {
		from = start.Offset
	}
	in.Lag = max(in.End-max(from, 0), 0)
}

func absent(ok bool) error {
	if ok {
		return nil
	}
	return errors.New("the broker lists no such partition")
}
