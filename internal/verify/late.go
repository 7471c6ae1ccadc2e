package verify

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/maphash"

	"github.com/twmb/franz-go/pkg/kgo"
)

// bag counts late records by content. A late record is passed on unchanged, so it does not say
// where it came from.
type bag struct {
	seed  maphash.Seed
	count map[uint64]int
	key   map[uint64]string // of one record with that content, for the report
}

func newBag() *bag {
	return &bag{seed: maphash.MakeSeed(), count: make(map[uint64]int),
		key: make(map[uint64]string)}
}

// add counts a record n times.
func (b *bag) add(key, value []byte, timestamp int64, headers []kgo.RecordHeader, n int) {
	var h maphash.Hash
	h.SetSeed(b.seed)
	part := func(p []byte) {
		size := int64(len(p))
		if p == nil {
			size = -1
		}
		h.Write(binary.LittleEndian.AppendUint64(nil, uint64(size)))
		h.Write(p)
	}
	part(key)
	part(value)
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(timestamp)))
	for _, x := range headers {
		part([]byte(x.Key))
		part(x.Value)
	}
	sum := h.Sum64()
	if b.count[sum] += n; b.count[sum] == 0 {
		delete(b.count, sum)
		delete(b.key, sum)
		return
	}
	b.key[sum] = string(key)
}

// withoutLate are the headers that the record came with. What the engine adds must name the window,
// or it stays and makes a difference.
func withoutLate(headers []kgo.RecordHeader, window string) []kgo.RecordHeader {
	n := len(headers) - 3
	if n < 0 || headers[n].Key != "pawl.window" || string(headers[n].Value) != window ||
		headers[n+1].Key != "pawl.watermark" || headers[n+2].Key != "pawl.lateness" {
		return headers
	}
	return headers[:n]
}

// compareLate takes the records of one partition of a window's late topic out of b, and reports
// what is left.
func (c *check) compareLate(ctx context.Context, window string, partition int32, b *bag) error {
	topic := c.app + "-" + window + "-late"
	bounds := c.late[window]
	if int(partition) < len(bounds) {
		err := Each(ctx, c.source, topic, partition, bounds[partition], func(r *kgo.Record) error {
			b.add(r.Key, r.Value, r.Timestamp.UnixMilli(), withoutLate(r.Headers, window), -1)
			return nil
		})
		if err != nil {
			return err
		}
	}
	where := fmt.Sprintf("%s-%d", topic, partition)
	for sum, n := range b.count {
		if n > 0 {
			c.report.Missing += int64(n)
			c.example("missing", where, fmt.Sprintf("%d late records of key %q", n, b.key[sum]))
		} else if int(partition) >= len(c.turns) || len(c.turns[partition].all) == 0 {
			// Of a task that was taken back there are copies of before, too.
			c.report.Extra += int64(-n)
			c.example("extra", where, fmt.Sprintf("%d records of key %q", -n, b.key[sum]))
		}
	}
	return nil
}
