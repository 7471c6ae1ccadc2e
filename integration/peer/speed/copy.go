//go:build unix

package speed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// prepareCopy has the command of the options call Copy.
func prepareCopy(_ context.Context, f *field) (program, error) {
	if len(f.options.Copy) == 0 {
		return program{}, &errAbsent{"no command that calls speed.Copy is given"}
	}
	return program{path: f.options.Copy[0], version: moduleVersion("github.com/twmb/franz-go"),
		args: func(j job) []string {
			text, err := json.Marshal(j)
			if err != nil {
				panic(err) // strings and numbers alone
			}
			return append(append([]string(nil), f.options.Copy[1:]...), string(text))
		}}, nil
}

// Copy copies records from one topic to another in transactions, partition by partition, without a
// look into them, until ctx ends. What it costs is what no exactly-once processor can go below.
func Copy(ctx context.Context, text string) error {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return fmt.Errorf("read the job %s: %w", text, err)
	}
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(strings.Split(j.Brokers, ",")...),
		kgo.ConsumerGroup(j.Application), kgo.ConsumeTopics(j.Input),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxBytes(16<<20), kgo.FetchMaxPartitionBytes(4<<20),
		kgo.TransactionalID(j.Application),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.SnappyCompression()),
		kgo.ProducerLinger(5*time.Millisecond), kgo.MaxBufferedRecords(100_000))
	if err != nil {
		return fmt.Errorf("connect to %s: %w", j.Brokers, err)
	}
	defer session.Close()
	for ctx.Err() == nil {
		if err := copyOnce(ctx, session, j); err != nil {
			return err
		}
	}
	return nil
}

// copyOnce is one transaction: it begins with the first record and takes what comes within the
// commit interval.
func copyOnce(ctx context.Context, session *kgo.GroupTransactSession, j job) error {
	fetches := session.PollFetches(ctx)
	if ctx.Err() != nil {
		return nil
	}
	if err := fetches.Err(); err != nil {
		return fmt.Errorf("read %s: %w", j.Input, err)
	}
	if err := session.Begin(); err != nil {
		return fmt.Errorf("begin a transaction: %w", err)
	}
	failed := make(chan error, 1)
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			select {
			case failed <- err:
			default:
			}
		}
	}
	full, cancel := context.WithTimeout(ctx, j.Commit)
	defer cancel()
	for {
		fetches.EachRecord(func(rec *kgo.Record) {
			session.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: j.Output,
				Partition: rec.Partition, Key: rec.Key, Value: rec.Value,
				Timestamp: rec.Timestamp}, acked)
		})
		if full.Err() != nil {
			break
		}
		fetches = session.PollFetches(full)
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) &&
			ctx.Err() == nil {
			return fmt.Errorf("read %s: %w", j.Input, err)
		}
	}
	ending := context.WithoutCancel(ctx)
	if err := session.Client().Flush(ending); err != nil {
		return fmt.Errorf("send to %s: %w", j.Output, err)
	}
	select {
	case err := <-failed:
		return errors.Join(fmt.Errorf("send to %s: %w", j.Output, err), abort(ending, session))
	default:
	}
	if _, err := session.End(ending, kgo.TryCommit); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

func abort(ctx context.Context, session *kgo.GroupTransactSession) error {
	_, err := session.End(ctx, kgo.TryAbort)
	return err
}
