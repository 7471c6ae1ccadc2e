package processor

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// hollow reports whether an input partition holds nothing between two offsets but batches without
// records, as compaction leaves them at a log's end. No fetch shows them, so a task that knows the
// end only by its offset would wait for ever.
func (in *Instance) hollow(ctx context.Context, b boundInput, partition int32,
	from, end int64) (bool, error) {
	for from < end {
		set, err := in.rawFetch(ctx, b, partition, from)
		if err != nil {
			return false, err
		}
		next := from
		for len(set) > batchHead {
			size := 12 + int(int32(binary.BigEndian.Uint32(set[8:]))) // after offset and length
			if size < batchHead || size > len(set) {
				break
			}
			if binary.BigEndian.Uint32(set[57:]) > 0 {
				return false, nil
			}
			base := int64(binary.BigEndian.Uint64(set))
			next = base + int64(binary.BigEndian.Uint32(set[23:])) + 1
			set = set[size:]
		}
		if next <= from {
			// Nothing at all stands here: the broker skipped what was compacted away.
			return len(set) == 0, nil
		}
		from = next
	}
	return true, nil
}

// batchHead is the size of a record batch (magic 2) up to and with its record count.
const batchHead = 61

// rawFetch asks the partition's leader for bytes as they stand in the log.
func (in *Instance) rawFetch(ctx context.Context, b boundInput, partition int32,
	from int64) ([]byte, error) {
	topics, err := in.adm.ListTopics(ctx, b.topic)
	if err != nil {
		return nil, fmt.Errorf("find the leader of %s-%d: %w", b.topic, partition, err)
	}
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID, req.MaxBytes, req.IsolationLevel = -1, 1<<20, 1
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.TopicID = b.topic, b.id
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, from, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	leader := topics[b.topic].Partitions[partition].Leader
	resp, err := in.admin.Broker(int(leader)).Request(ctx, req)
	if err != nil {
		return nil, fmt.Errorf("read %s-%d: %w", b.topic, partition, err)
	}
	answer := resp.(*kmsg.FetchResponse).Topics
	if len(answer) != 1 || len(answer[0].Partitions) != 1 {
		return nil, fmt.Errorf("read %s-%d: the answer does not hold the partition", b.topic,
			partition)
	}
	got := answer[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return nil, fmt.Errorf("read %s-%d: %w", b.topic, partition, err)
	}
	return got.RecordBatches, nil
}
