package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	latencyRate  = 5000
	latencyLimit = 60 * time.Second
)

// latencyReport is in milliseconds.
type latencyReport struct {
	P50 float64 `json:"p50"`
	P99 float64 `json:"p99"`
}

// latency sends records at a fixed rate and measures, for each one, the time from handing it to the
// producer until a read_committed consumer has its result. They are paired by provenance.
func (b *benchRun) latency(ctx context.Context) error {
	outcomes := b.pipeline.outcomes(b.settings)
	if !b.settings.Bool("provenance.header") || outcomes == "" {
		fmt.Fprintln(b.app.stderr, "latency is not measured: it needs provenance.header and "+
			"an output for each record")
		return nil
	}
	count := int(latencyRate * b.options.latencyFor.Seconds())
	prefix := b.settings.Text("topic.prefix")
	ends, err := b.adm.ListCommittedOffsets(ctx, prefix+outcomes)
	if err != nil {
		return fmt.Errorf("list offsets of %s: %w", prefix+outcomes, err)
	}
	from := map[string]map[int32]kgo.Offset{}
	for topic, partitions := range ends.Offsets() {
		from[topic] = map[int32]kgo.Offset{}
		for partition, end := range partitions {
			from[topic][partition] = kgo.NewOffset().At(end.At)
		}
	}
	consumer, err := b.cluster.client(kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer consumer.Close()
	sent := &sendTimes{topic: b.inputs[0], began: map[*kgo.Record]time.Time{},
		at: map[origin]time.Time{}}
	reading, stop := context.WithTimeoutCause(ctx, latencyLimit,
		fmt.Errorf("not all results of the latency phase came within %v", latencyLimit))
	defer stop()
	seen := make(chan map[origin]time.Time, 1)
	go func() { seen <- readResults(reading, consumer, count) }()
	err = b.cluster.feed(reading, b.pipeline, b.settings, feed{rate: latencyRate,
		count: int64(count), seed: b.options.seed + 1, users: b.options.users,
		skew: b.options.skew, told: func(int64) {},
		options: []kgo.Opt{kgo.WithHooks(sent), kgo.ProducerLinger(0)}})
	if err != nil {
		stop()
	}
	results := <-seen
	if err = errors.Join(err, context.Cause(reading)); err != nil {
		return fmt.Errorf("measure latency, %d of %d results seen: %w", len(results), count,
			err)
	}
	b.result.Latency = sent.against(results)
	return nil
}

// origin is the input record that a provenance header names.
type origin struct {
	partition int32
	offset    int64
}

// provenance reads the header pawl.src: uvarints input, partition, offset, ordinal. Only the first
// output of a record of the first input counts.
func provenance(rec *kgo.Record) (origin, bool) {
	for _, h := range rec.Headers {
		if h.Key != "pawl.src" {
			continue
		}
		var fields [4]uint64
		rest := h.Value
		for i := range fields {
			v, n := binary.Uvarint(rest)
			if n <= 0 {
				return origin{}, false
			}
			fields[i], rest = v, rest[n:]
		}
		return origin{int32(fields[1]), int64(fields[2])}, true
	}
	return origin{}, false
}

// readResults notes when each result was seen, until there are count of them or ctx ends.
func readResults(ctx context.Context, cl *kgo.Client, count int) map[origin]time.Time {
	seen := make(map[origin]time.Time, count)
	for len(seen) < count && ctx.Err() == nil {
		fetches := cl.PollFetches(ctx)
		now := time.Now()
		fetches.EachRecord(func(rec *kgo.Record) {
			if at, ok := provenance(rec); ok {
				seen[at] = now
			}
		})
	}
	return seen
}

// sendTimes notes when each record was handed to the producer, as a hook of it.
type sendTimes struct {
	topic string
	every int64 // every so manyth offset counts; 0 is 1

	mu    sync.Mutex
	began map[*kgo.Record]time.Time
	at    map[origin]time.Time
}

// counts tells whether the record at an offset is one of those that are measured.
func (s *sendTimes) counts(offset int64) bool { return offset%max(s.every, 1) == 0 }

// spare takes out of results what was sent before from.
func (s *sendTimes) spare(results map[origin]time.Time, from time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.DeleteFunc(results, func(at origin, _ time.Time) bool { return s.at[at].Before(from) })
}

// OnProduceRecordBuffered implements kgo.HookProduceRecordBuffered.
func (s *sendTimes) OnProduceRecordBuffered(rec *kgo.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.began[rec] = time.Now()
}

// OnProduceRecordUnbuffered implements kgo.HookProduceRecordUnbuffered.
func (s *sendTimes) OnProduceRecordUnbuffered(rec *kgo.Record, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && rec.Topic == s.topic && s.counts(rec.Offset) {
		s.at[origin{rec.Partition, rec.Offset}] = s.began[rec]
	}
	delete(s.began, rec)
}

// against pairs sending and seeing.
func (s *sendTimes) against(seen map[origin]time.Time) latencyReport {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []time.Duration
	for at, sent := range s.at {
		if got, ok := seen[at]; ok {
			all = append(all, got.Sub(sent))
		}
	}
	slices.Sort(all)
	ms := func(q float64) float64 { return float64(quantile(all, q).Microseconds()) / 1000 }
	return latencyReport{P50: ms(0.5), P99: ms(0.99)}
}
