package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
)

// createInputs makes the topics that a service expects to find. Those that exist are left alone.
func createInputs(ctx context.Context, adm *kadm.Client, topics []string, partitions int) error {
	// Records carry event time: age must not delete them, nor youth have them refused.
	forever, always := "-1", strconv.FormatInt(math.MaxInt64, 10)
	for _, topic := range topics {
		_, err := adm.CreateTopic(ctx, int32(partitions), -1, map[string]*string{
			"retention.ms": &forever, "message.timestamp.after.max.ms": &always}, topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s with %d partitions: %w", topic, partitions, err)
		}
	}
	return nil
}

// createTables makes compacted input topics, as a service would, for load that comes before it.
func createTables(ctx context.Context, adm *kadm.Client, topics []string, partitions int) error {
	compact := "compact"
	for _, topic := range topics {
		_, err := adm.CreateTopic(ctx, int32(partitions), -1,
			map[string]*string{"cleanup.policy": &compact}, topic)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("create topic %s with %d partitions: %w", topic, partitions, err)
		}
	}
	return nil
}

// deleteTopics removes every topic whose name starts with one of the prefixes, and the group.
func deleteTopics(ctx context.Context, adm *kadm.Client, group string, prefixes ...string) error {
	topics, err := adm.ListTopics(ctx)
	if err != nil {
		return fmt.Errorf("list topics: %w", err)
	}
	var ours []string
	for _, name := range topics.Names() {
		for _, prefix := range prefixes {
			if prefix != "" && strings.HasPrefix(name, prefix) {
				ours = append(ours, name)
				break
			}
		}
	}
	if len(ours) == 0 {
		return nil
	}
	deleted, err := adm.DeleteTopics(ctx, ours...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete topics %s: %w", strings.Join(ours, ", "), err)
	}
	if _, err := adm.DeleteGroups(ctx, group); err != nil {
		return fmt.Errorf("delete group %s: %w", group, err)
	}
	return nil
}

// place is one input partition.
type place struct {
	topic     string
	partition int32
}

// String is the place as Kafka's tools write it.
func (p place) String() string { return fmt.Sprintf("%s-%d", p.topic, p.partition) }

// progress is how far a group has come on one partition.
type progress struct {
	committed int64 // offset of the next record to process
	end       int64
}

// groupProgress asks for committed and end offsets of all partitions of topics. A partition without
// a commit stands at its start.
func groupProgress(ctx context.Context, adm *kadm.Client, group string, topics []string) (
	map[place]progress, error) {
	ends, err := adm.ListEndOffsets(ctx, topics...)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list end offsets of %s: %w", strings.Join(topics, ", "), err)
	}
	starts, err := adm.ListStartOffsets(ctx, topics...)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("list start offsets of %s: %w", strings.Join(topics, ", "), err)
	}
	commits, err := adm.FetchOffsets(ctx, group)
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		return nil, fmt.Errorf("fetch offsets of group %s: %w", group, err)
	}
	all := map[place]progress{}
	ends.Each(func(o kadm.ListedOffset) {
		at := progress{end: o.Offset}
		if start, ok := starts.Lookup(o.Topic, o.Partition); ok {
			at.committed = start.Offset
		}
		if c, ok := commits.Lookup(o.Topic, o.Partition); ok && c.At >= 0 {
			at.committed = c.At
		}
		all[place{o.Topic, o.Partition}] = at
	})
	return all, nil
}

// lag is how many records all partitions together still have before them.
func lag(all map[place]progress) int64 {
	var sum int64
	for _, p := range all {
		sum += max(p.end-p.committed, 0)
	}
	return sum
}

// drain waits until the group has processed everything.
func drain(ctx context.Context, adm *kadm.Client, group string, topics []string,
	limit time.Duration, told func(lag int64)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not drained after %v", limit))
	defer cancel()
	var left int64 = -1
	for {
		all, err := groupProgress(ctx, adm, group, topics)
		if err == nil {
			if left = lag(all); left == 0 {
				return nil
			}
			told(left)
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("drain group %s, %d records left: %w", group, left,
				context.Cause(ctx)), err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
