package deadletter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
)

// unsettledError says that it is not known, or not yet, what became of a transaction.
type unsettledError struct{ error }

// Unwrap gives the cause.
func (e *unsettledError) Unwrap() error { return e.error }

// writerID is the transactional id of whoever handles the application's dead letters.
func (d *Desk) writerID() string { return d.o.ApplicationID + "-deadletter" }

// writer is the producer. While it is not fenced by the next one, nobody else writes markers.
type writer struct {
	d      *Desk
	client *kgo.Client

	mu     sync.Mutex
	limits map[string]int32 // max.message.bytes, by topic
	counts map[string]int32 // partitions, by topic
}

// newWriter fences the writer before, and ends what it left open.
func (d *Desk) newWriter(ctx context.Context) (*writer, error) {
	w := &writer{d: d, limits: make(map[string]int32), counts: make(map[string]int32)}
	opts := append(append([]kgo.Opt(nil), d.o.Kafka...), kgo.TransactionalID(d.writerID()),
		kgo.TransactionTimeout(d.o.TransactionTimeout),
		kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerBatchMaxBytesFn(w.limit), kgo.BrokerMaxWriteBytes(100<<20),
		kgo.RetryTimeout(d.o.TransactionTimeout), kgo.WithHooks(&endHook{d.o.Passed}))
	var err error
	if w.client, err = kgo.NewClient(opts...); err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	if _, _, err := w.client.ProducerID(ctx); err != nil {
		w.client.Close()
		return nil, fmt.Errorf("initialise transactional id %s: %w", d.writerID(), err)
	}
	return w, nil
}

// endHook sees the EndTxn request leave: the only way to die between its sending and its answer.
type endHook struct{ passed func(string) }

// OnBrokerWrite implements kgo.HookBrokerWrite.
func (h *endHook) OnBrokerWrite(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration,
	err error) {
	if key == (&kmsg.EndTxnRequest{}).Key() && err == nil {
		h.passed("deadletter-sent")
	}
}

func (w *writer) close() { w.client.Close() }

func (w *writer) limit(topic string) int32 {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n, ok := w.limits[topic]; ok {
		return n
	}
	return 1048588 // Kafka's default
}

// learn looks a topic up: how many partitions it has, and which batches it takes.
func (w *writer) learn(ctx context.Context, topic string) (partitions int32, err error) {
	w.mu.Lock()
	partitions, ok := w.counts[topic]
	w.mu.Unlock()
	if ok {
		return partitions, nil
	}
	listed, err := w.d.adm.ListTopics(ctx, topic)
	if err == nil {
		err = listed[topic].Err
	}
	if err != nil {
		return 0, fmt.Errorf("look up topic %s, where a record died: %w", topic, err)
	}
	configs, err := w.d.adm.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return 0, fmt.Errorf("read the configuration of topic %s: %w", topic, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, rc := range configs {
		for _, c := range rc.Configs {
			if c.Key != "max.message.bytes" || c.Value == nil {
				continue
			}
			if n, err := strconv.ParseInt(*c.Value, 10, 32); err == nil {
				w.limits[topic] = int32(n)
			}
		}
	}
	w.counts[topic] = int32(len(listed[topic].Partitions))
	return w.counts[topic], nil
}

// sent is a letter with what was produced for it.
type sent struct {
	letter *Letter
	record *kgo.Record // nil for a discard
	marker *kgo.Record
}

// prepare makes the records of a letter. A record goes to the partition that it had, so that it
// meets the state of its key; where that is gone, to the one that its key belongs to now.
func (b *batch) prepare(ctx context.Context, l *Letter) (s sent, err error) {
	m := Marker{State: b.j.what, Letter: l.ID, Reason: b.j.reason, At: time.Now().UTC(),
		Identity: l.sum(), Run: b.j.run}
	if b.j.what == Retried {
		count, err := b.w.learn(ctx, l.Topic)
		if err != nil {
			return s, err
		}
		to := l.Partition
		if to >= count {
			to = processor.PartitionOf(l.record.Key, count)
		}
		s.record = l.again(to)
		m.To, m.Attempt = &Place{Topic: l.Topic, Partition: to}, l.Attempts+1
	}
	value, err := json.Marshal(m)
	if err != nil {
		return s, fmt.Errorf("encode a marker: %w", err)
	}
	s.letter = l
	s.marker = &kgo.Record{Topic: b.d.handled, Key: []byte(l.key()), Value: value}
	return s, nil
}

// flush does what is asked for with the letters of the batch, in one transaction.
func (b *batch) flush(ctx context.Context) error {
	if len(b.letters) == 0 {
		return nil
	}
	var all []sent
	for _, l := range b.letters {
		s, err := b.prepare(ctx, l)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	if err := b.w.transact(ctx, b.j, all); err != nil {
		return err
	}
	// Seen, not believed: franz-go can abort a first transaction and return nil, when its records
	// were acknowledged before it has noted a new topic.
	if err := b.d.settled(ctx); err != nil {
		return err
	}
	for _, s := range all {
		if !b.own(b.d.judged(s.letter)) {
			return &unsettledError{fmt.Errorf("the transaction of %s was committed, and its "+
				"marker of dead letter %s is not there; run the same command again",
				b.d.writerID(), s.letter.ID)}
		}
		o := Outcome{ID: s.letter.ID, Result: string(b.j.what)}
		if s.record != nil {
			o.Attempt = s.letter.Attempts + 1
			o.To = ID{s.record.Topic, s.record.Partition, s.record.Offset}.String()
			b.j.ended[s.letter.key()] = o.To
		}
		b.result.add(o)
	}
	b.letters, b.bytes = nil, 0
	clear(b.names)
	return nil
}

// transact produces and commits, or leaves nothing.
func (w *writer) transact(ctx context.Context, j *job, all []sent) error {
	if err := w.client.BeginTransaction(); err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	if err := w.produce(ctx, j, all); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.d.o.TransactionTimeout)
		defer cancel()
		// Whatever becomes of the abort, the next writer ends what is open.
		_ = w.client.AbortBufferedRecords(end)
		_ = w.client.EndTransaction(end, kgo.TryAbort)
		return err
	}
	w.d.o.Passed("deadletter-flushed")
	// Not ctx: a cancelled EndTxn would have an outcome that nobody learns.
	if err := w.client.EndTransaction(context.WithoutCancel(ctx), kgo.TryCommit); err != nil {
		return &unsettledError{fmt.Errorf("commit the transaction of %s: %w; run the same command "+
			"again: it does what is not done yet", w.d.writerID(), err)}
	}
	w.d.o.Passed("deadletter-ended")
	return nil
}

// produce sends everything. The first record goes alone.
func (w *writer) produce(ctx context.Context, j *job, all []sent) error {
	var mu sync.Mutex
	var failed error
	send := func(s sent, r *kgo.Record) {
		w.client.Produce(ctx, r, func(r *kgo.Record, err error) {
			if err == nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			j.alone = j.alone || own(err)
			if own(err) && len(all) == 1 {
				j.refused[s.letter.ID] = fmt.Sprintf("%s-%d does not take its record: %v",
					r.Topic, r.Partition, err)
			}
			if failed == nil {
				failed = fmt.Errorf("produce to %s-%d: %w", r.Topic, r.Partition, err)
			}
		})
	}
	flush := func() error {
		err := w.client.Flush(ctx)
		mu.Lock()
		defer mu.Unlock()
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case failed != nil:
			return &unsettledError{failed}
		}
		return err
	}
	for i, s := range all {
		if s.record != nil {
			send(s, s.record)
		}
		if i == 0 {
			if err := flush(); err != nil {
				return err
			}
			w.d.o.Passed("deadletter-begun")
		}
		send(s, s.marker)
	}
	return flush()
}

// own says that an error is about the record itself and not about the way to the broker.
func own(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.InvalidRecord) ||
		errors.Is(err, kerr.InvalidTimestamp)
}
