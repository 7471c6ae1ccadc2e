package loadgen

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Record is one record to send. The slices belong to the sender.
type Record struct {
	Topic     string
	Key       []byte
	Value     []byte
	Timestamp int64 // Kafka's, in ms
}

// Generator makes a pipeline's input, without end.
type Generator interface {
	// Schemas returns the schema of each topic. The first topic is the one that counts and paces;
	// records of the others come along.
	Schemas() []Schema
	// Bind tells the ids under which the schemas are registered, by topic, before the first Next.
	Bind(ids map[string]int32)
	// Next returns the next record.
	Next() Record
}

// Schema is the schema of a topic's values, to be registered under its subject.
type Schema struct{ Topic, Text string }

// Config says what to send where.
type Config struct {
	Generator Generator
	// Options lead to the cluster: seed brokers, dialer, TLS, SASL.
	Options []kgo.Opt
	// Registry gives the schemas their ids; unless ReadOnlyRegistry, they are registered.
	Registry         schemas.Registry
	ReadOnlyRegistry bool
	// SubjectStrategy says under which subjects they stand. Default schemas.TopicName.
	SubjectStrategy schemas.SubjectStrategy
	// Rename sends a topic's records to another topic, as `generate --topic` wants.
	Rename map[string]string
	// Count of records of the first topic; 0 means until ctx ends.
	Count int64
	// Rate in records of the first topic per second; 0 means as fast as possible.
	Rate float64
	// Progress, when set, is called about every second while sending, and at the end.
	Progress func(Result)
}

// Result says what was sent: acknowledged by the broker.
type Result struct {
	Records int64            // of the first topic
	Topics  map[string]int64 // of each topic, as named by the generator
	Bytes   int64            // keys and values
	Elapsed time.Duration
}

const (
	// flushTimeout bounds the wait for the broker after the last record.
	flushTimeout = 60 * time.Second
	// pace is how far ahead of its plan a run may get before it sleeps.
	pace = 2 * time.Millisecond
	// burst is how many records are sent between looks at the clock.
	burst = 16
)

// run is one call of Run.
type run struct {
	cfg    Config
	client *kgo.Client
	main   string
	sent   map[string]*atomic.Int64
	bytes  atomic.Int64
	began  time.Time
	cancel context.CancelCauseFunc
}

// Run sends until Count is reached or ctx ends, then waits for what is under way. The end of ctx
// is no error. The Result holds what arrived, also beside an error.
func Run(ctx context.Context, cfg Config) (Result, error) {
	r := &run{cfg: cfg, sent: make(map[string]*atomic.Int64), began: time.Now()}
	ids := make(map[string]int32)
	resolver := schemas.NewResolver(cfg.Registry)
	for i, s := range cfg.Generator.Schemas() {
		if i == 0 {
			r.main = s.Topic
		}
		r.sent[s.Topic] = new(atomic.Int64)
		subject, err := cfg.SubjectStrategy.Subject(r.topic(s.Topic), s.Text)
		if err != nil {
			return Result{}, err
		}
		id, err := schemas.Bind(ctx, cfg.Registry, resolver, subject, s.Text,
			!cfg.ReadOnlyRegistry)
		if err != nil {
			return Result{}, err
		}
		ids[s.Topic] = id
	}
	cfg.Generator.Bind(ids)
	// No RecordDeliveryTimeout: kgo counts it from a record's own timestamp, and ours may be past.
	opts := append([]kgo.Opt{
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), // murmur2, as Kafka's default
		kgo.ProducerLinger(5 * time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(50_000),
	}, cfg.Options...)
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return Result{}, fmt.Errorf("make producer: %w", err)
	}
	defer client.Close()
	r.client = client
	err = r.all(ctx)
	return r.result(), err
}

// all sends, reports progress, and waits for the answers.
func (r *run) all(ctx context.Context) error {
	sending, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r.cancel = cancel
	stop := make(chan struct{})
	var aside sync.WaitGroup
	aside.Go(func() { r.report(stop) })
	// A record that the producer took is not given up when ctx ends, but flushed, for a while.
	lasting, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	aside.Go(func() {
		select {
		case <-stop:
			return
		case <-ctx.Done():
		}
		select {
		case <-stop:
		case <-time.After(flushTimeout):
			giveUp()
		}
	})
	r.send(sending, lasting)
	flush, done := context.WithTimeout(context.WithoutCancel(ctx), flushTimeout)
	defer done()
	err := r.client.Flush(flush)
	close(stop)
	aside.Wait()
	var failed *sendError
	if errors.As(context.Cause(sending), &failed) {
		return failed
	}
	if err != nil {
		return fmt.Errorf("%d records are not acknowledged after %v: %w",
			r.client.BufferedProduceRecords(), flushTimeout, err)
	}
	return nil
}

// sendError stops a run: a record was refused.
type sendError struct {
	topic string
	err   error
}

func (e *sendError) Error() string { return fmt.Sprintf("send to topic %s: %v", e.topic, e.err) }
func (e *sendError) Unwrap() error { return e.err }

// send hands records to the producer, at the pace asked for, until ctx ends.
func (r *run) send(ctx, lasting context.Context) {
	for n := int64(0); ctx.Err() == nil && (r.cfg.Count == 0 || n < r.cfg.Count); {
		if n%burst == 0 && !r.wait(ctx, n) {
			return
		}
		rec := r.cfg.Generator.Next()
		if rec.Topic == r.main {
			n++
		}
		r.client.Produce(lasting, &kgo.Record{Topic: r.topic(rec.Topic), Key: rec.Key,
			Value: rec.Value, Timestamp: time.UnixMilli(rec.Timestamp)}, r.acked(rec.Topic))
	}
}

// acked counts a record when the broker has it.
func (r *run) acked(topic string) func(*kgo.Record, error) {
	return func(rec *kgo.Record, err error) {
		if err != nil {
			r.cancel(&sendError{rec.Topic, err})
			return
		}
		r.sent[topic].Add(1)
		r.bytes.Add(int64(len(rec.Key) + len(rec.Value)))
	}
}

// wait sleeps until record n is due and reports whether ctx still goes on.
func (r *run) wait(ctx context.Context, n int64) bool {
	if r.cfg.Rate <= 0 {
		return true
	}
	due := time.Duration(float64(n) / r.cfg.Rate * float64(time.Second))
	ahead := due - time.Since(r.began)
	if ahead < pace {
		return true
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// report calls Progress until stop, and once more then.
func (r *run) report(stop <-chan struct{}) {
	if r.cfg.Progress == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.cfg.Progress(r.result())
		case <-stop:
			r.cfg.Progress(r.result())
			return
		}
	}
}

func (r *run) result() Result {
	res := Result{Records: r.sent[r.main].Load(), Topics: make(map[string]int64),
		Bytes: r.bytes.Load(), Elapsed: time.Since(r.began)}
	for topic, n := range r.sent {
		res.Topics[topic] = n.Load()
	}
	return res
}

// topic is where a generator's topic goes.
func (r *run) topic(name string) string {
	if to, ok := r.cfg.Rename[name]; ok {
		return to
	}
	return name
}
