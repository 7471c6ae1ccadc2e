package processor_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

const changelog = "app-counting-changelog"

// patience is far above what a healthy run needs.
const patience = 30 * time.Second

// records reads all that is committed on a topic: in order within each partition.
func (b *bed) records(topic string) []*kgo.Record {
	b.t.Helper()
	ends, err := b.adm.ListCommittedOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	starts, err := b.adm.ListStartOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	left := make(map[int32]int64)
	from := make(map[int32]kgo.Offset)
	ends.Each(func(o kadm.ListedOffset) {
		if start, _ := starts.Lookup(topic, o.Partition); start.Offset < o.Offset {
			left[o.Partition] = o.Offset
			from[o.Partition] = kgo.NewOffset().At(start.Offset)
		}
	})
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Addr()), kgo.KeepControlRecords(),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(50*time.Millisecond),
		kgo.FetchMaxPartitionBytes(16<<20))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatalf("topic %s: %d records, then nothing up to %v", topic, len(out), left)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if end, ok := left[r.Partition]; ok && r.Offset+1 >= end {
				delete(left, r.Partition)
			}
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}

// decode reads a value in wire format.
func decode[V any](b *bed, typ schemas.Type[V], value []byte) V {
	b.t.Helper()
	id, _, err := schemas.ParseHeader(value)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := b.resolver.Fetch(b.t.Context(), id); err != nil {
		b.t.Fatal(err)
	}
	var v V
	if err := schemas.NewDecoder(typ, b.resolver).Decode(value, &v); err != nil {
		b.t.Fatal(err)
	}
	return v
}

// outputs waits for n outputs and checks that each key counts up by one from 1.
func (b *bed) outputs(n int) {
	b.t.Helper()
	var recs []*kgo.Record
	waitFor(b.t, "outputs", func() bool {
		ends, err := b.adm.ListCommittedOffsets(b.t.Context(), "out")
		if err != nil || ends.Error() != nil {
			return false
		}
		total := int64(0)
		ends.Each(func(o kadm.ListedOffset) { total += o.Offset })
		if total < int64(n) {
			return false
		}
		recs = b.records("out")
		return len(recs) >= n
	})
	if len(recs) > n {
		b.t.Fatalf("%d outputs, want %d", len(recs), n)
	}
	typ := schemas.Avro[event](eventSchema)
	last := make(map[string]int64)
	for _, rec := range recs {
		e := decode(b, typ, rec.Value)
		if e.N != last[e.Key]+1 {
			b.t.Fatalf("key %s: %d after %d", e.Key, e.N, last[e.Key])
		}
		last[e.Key] = e.N
	}
}

// drained waits until the group's offsets have reached the end of every partition of the topic.
func (b *bed) drained(topic string) {
	b.t.Helper()
	waitFor(b.t, "committed offsets to reach the end of "+topic, func() bool {
		ends, err := b.adm.ListEndOffsets(b.t.Context(), topic)
		if err != nil {
			return false
		}
		done := true
		ends.Each(func(o kadm.ListedOffset) {
			done = done && (o.Offset == 0 || b.committed(topic, o.Partition) == o.Offset)
		})
		return done
	})
}

// committed is the group's offset; -1 when none is set.
func (b *bed) committed(topic string, partition int32) int64 {
	b.t.Helper()
	offsets, err := b.adm.FetchOffsets(b.t.Context(), "app")
	if err != nil && !errors.Is(err, kerr.GroupIDNotFound) {
		b.t.Fatal(err)
	}
	if o, ok := offsets.Lookup(topic, partition); ok {
		return o.At
	}
	return -1
}

// position is the last position record of a task.
func (b *bed) position(partition int32) (record.Position, bool) {
	b.t.Helper()
	var last *kgo.Record
	for _, r := range b.records(changelog) {
		if r.Partition == partition && string(r.Key) == statestore.PositionKey {
			last = r
		}
	}
	if last == nil {
		return record.Position{}, false
	}
	return decode(b, record.PositionType(), last.Value), true
}

// ledger checks that a task's counts add up to its offset, which is the group's, and returns them.
// The input must begin at offset 0.
func (b *bed) ledger(partition int32) record.Input {
	b.t.Helper()
	pos, ok := b.position(partition)
	if !ok {
		b.t.Fatalf("task %d has no position record", partition)
	}
	for _, in := range pos.Inputs {
		sum := in.Processed + in.Late + in.Dead + in.Deduplicated + in.Filtered + in.Shed + in.Gaps
		if sum != in.Offset {
			b.t.Errorf("ledger of %s-%d: counts make %d, offset is %d: %+v", in.Topic,
				in.Partition, sum, in.Offset, in)
		}
		if at := b.committed(in.Topic, in.Partition); at != in.Offset {
			b.t.Errorf("%s-%d: group offset %d, position %d", in.Topic, in.Partition, at, in.Offset)
		}
	}
	return pos.Inputs[0]
}

// failed waits for an instance to end with an error.
func failed(t *testing.T, in *processor.Instance) error {
	t.Helper()
	select {
	case <-in.Done():
	case <-time.After(patience):
		t.Fatal("the instance goes on")
	}
	err := in.Wait()
	if err == nil {
		t.Fatal("the instance ended without an error")
	}
	return err
}
