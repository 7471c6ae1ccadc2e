package verify

import (
	"context"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Source is where logs come from.
type Source interface {
	// Bounds returns the extent of every partition of topic that a read_committed reader sees.
	Bounds(ctx context.Context, topic string) ([]Bounds, error)
	// Committed returns the group's committed offset of every partition of topic; -1 for none.
	Committed(ctx context.Context, topic string) ([]int64, error)
	// Open returns the committed records of one partition with from ≤ offset < to.
	Open(ctx context.Context, topic string, partition int32, b Bounds) (Log, error)
}

// Bounds are offsets of one partition: the first, and the one after the last.
type Bounds struct{ From, To int64 }

// Log is read from its beginning to io.EOF. Records stay valid.
type Log interface {
	Next(ctx context.Context) (*kgo.Record, error)
	Close()
}

// Each calls fn for the records of one partition.
func Each(ctx context.Context, s Source, topic string, partition int32, b Bounds,
	fn func(*kgo.Record) error,
) error {
	log, err := s.Open(ctx, topic, partition, b)
	if err != nil {
		return fmt.Errorf("open %s-%d: %w", topic, partition, err)
	}
	defer log.Close()
	for {
		rec, err := log.Next(ctx)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s-%d: %w", topic, partition, err)
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
}
