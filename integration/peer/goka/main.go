// Command goka decides about each transaction as Pawl's fraud pipeline does, with goka, at least
// once: a contestant of the contest in integration/peer/speed. It is a module of its own, so that
// Pawl's depends on none of what it needs.
//
//	goka BROKERS GROUP STATE-DIR INPUT OUTPUT COMMIT-MS SCHEMA-ID SPAN-MS GRACE-MS DISORDER-MS
//	     MAX-COUNT MAX-TOTAL
//
// It has no limits of a user's own and no dead letters: it reads a sound topic. goka gives its
// records no time, so a decision's is when it was sent.
//
// Files, in the order of a record's path: main.go (the processor), judge.go (the decision),
// murmur.go (where a record goes).
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/IBM/sarama"
	"github.com/lovoo/goka"
	"github.com/lovoo/goka/codec"
	"github.com/lovoo/goka/storage"
	"github.com/syndtr/goleveldb/leveldb/opt"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "goka:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 12 {
		return fmt.Errorf("%d arguments given, want 12", len(args))
	}
	var n [7]int64
	for i, text := range args[5:] {
		var err error
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return fmt.Errorf("argument %d: %w", i+6, err)
		}
	}
	output := goka.Stream(args[4])
	j := &judge{output: output, schema: uint32(n[1]), span: n[2], grace: n[3], disorder: n[4],
		maxCount: n[5], maxTotal: n[6]}
	tune(time.Duration(n[0]) * time.Millisecond)
	graph := goka.DefineGroup(goka.Group(args[1]),
		goka.Input(goka.Stream(args[3]), new(codec.Bytes), j.transaction),
		goka.Output(output, new(codec.Bytes)),
		goka.Persist(new(codec.Bytes)))
	replicas := goka.NewTopicManagerConfig()
	replicas.Table.Replication = 1
	replicas.Stream.Replication = 1
	processor, err := goka.NewProcessor(strings.Split(args[0], ","), graph,
		goka.WithHasher(newMurmur2),
		goka.WithTopicManagerBuilder(goka.TopicManagerBuilderWithTopicManagerConfig(replicas)),
		goka.WithStorageBuilder(storage.BuilderWithOptions(args[2],
			&opt.Options{WriteBuffer: 32 << 20, BlockCacheCapacity: 32 << 20})))
	if err != nil {
		return fmt.Errorf("make the processor: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return processor.Run(ctx)
}

// tune makes goka commit as often as the other contestants, read from the start, fetch much, and
// send often enough that latency is not that of its default of 100 ms.
func tune(commit time.Duration) {
	cfg := goka.DefaultConfig()
	cfg.Version = sarama.V2_8_0_0
	cfg.Consumer.Offsets.Initial = sarama.OffsetOldest
	cfg.Consumer.Offsets.AutoCommit.Interval = commit
	cfg.Consumer.Fetch.Default = 4 << 20
	cfg.ChannelBufferSize = 4096
	cfg.Producer.Compression = sarama.CompressionLZ4
	cfg.Producer.Flush.Frequency = 10 * time.Millisecond
	cfg.Producer.Flush.Bytes = 256 << 10
	goka.ReplaceGlobalConfig(cfg)
}
