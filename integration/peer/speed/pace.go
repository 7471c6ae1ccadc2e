//go:build unix

package speed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// Paced is the latency at one rate: from when an event is due, whether it is sent then or not,
// until a reader of committed records has its output.
type Paced struct {
	Rate int     `json:"rate"`
	P50  float64 `json:"p50_ms"`
	P99  float64 `json:"p99_ms"`
}

// pacedTurn measures the latency of a contestant that has some events behind it.
func (f *field) pacedTurn(ctx context.Context, e entrant, run int) (all []Paced, _ *Verdict,
	err error) {
	defer func() { err = errors.Join(err, f.tidy(ctx)) }()
	j := f.job(e.contestant, run, paced)
	for _, topic := range []string{j.Input, j.Output} {
		if err := f.createTopic(ctx, topic); err != nil {
			return nil, nil, err
		}
	}
	seed := f.options.Seed + 1 // ids are of a seed
	if err := f.preload(ctx, j.Input, seed, f.options.Warm, false); err != nil {
		return nil, nil, err
	}
	proc, err := f.start(e.contestant, e.program, j)
	if err != nil {
		return nil, nil, err
	}
	defer proc.Kill9()
	if _, err := f.watch(ctx, proc, j, f.options.Warm, nil); err != nil {
		return nil, nil, err
	}
	sum := f.options.Warm
	for _, rate := range f.options.Rates {
		seed++
		p := &pacer{field: f, job: j, rate: rate, seed: seed,
			count: int(float64(rate) * f.options.Paced.Seconds())}
		latency, err := p.run(ctx)
		if err != nil {
			return nil, nil, fmt.Errorf("%d events/s: %w; it said:\n%s", rate, err, proc.Tail(10))
		}
		all = append(all, latency)
		sum += int64(p.count)
	}
	if _, err := f.watch(ctx, proc, j, sum, nil); err != nil {
		return nil, nil, err
	}
	if err := end(proc); err != nil {
		return nil, nil, err
	}
	verdict, err := f.judgePaced(ctx, e, j)
	return all, verdict, err
}

// pacer sends events when they are due, and sees when their outputs come.
type pacer struct {
	field *field
	job   job
	rate  int
	count int
	seed  uint64

	began time.Time // when the first is due
}

// due is when the event of an index is.
func (p *pacer) due(n int) time.Time {
	return p.began.Add(time.Duration(float64(n) / float64(p.rate) * float64(time.Second)))
}

func (p *pacer) run(ctx context.Context) (Paced, error) {
	ends, err := p.field.adm.ListCommittedOffsets(ctx, p.job.Output)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return Paced{}, fmt.Errorf("end offsets of %s: %w", p.job.Output, err)
	}
	consumer, err := kgo.NewClient(append(p.field.brokers(),
		kgo.ConsumePartitions(ends.KOffsets()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return Paced{}, fmt.Errorf("make consumer: %w", err)
	}
	defer consumer.Close()
	producer, err := kgo.NewClient(append(p.field.brokers(),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)), kgo.ProducerLinger(0),
		kgo.MaxBufferedRecords(1_000_000))...)
	if err != nil {
		return Paced{}, fmt.Errorf("make producer: %w", err)
	}
	defer producer.Close()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	id, err := schemas.Bind(ctx, p.field.registry, schemas.NewResolver(p.field.registry),
		p.job.Input+"-value", schema.TransactionType().String(), true)
	if err != nil {
		return Paced{}, err
	}
	p.began = time.Now().Add(100 * time.Millisecond)
	var sending sync.WaitGroup
	sending.Go(func() { p.send(ctx, fail, producer, id) })
	took, err := p.read(ctx, consumer)
	fail(nil)
	sending.Wait()
	if err != nil {
		return Paced{}, err
	}
	took = took[p.count/3:]
	slices.Sort(took)
	ms := func(q float64) float64 {
		return float64(took[int(q*float64(len(took)-1)+0.5)].Microseconds()) / 1000
	}
	return Paced{Rate: p.rate, P50: ms(0.5), P99: ms(0.99)}, nil
}

// send hands each event to the producer when it is due, within a millisecond.
func (p *pacer) send(ctx context.Context, fail func(error), producer *kgo.Client, id int32) {
	generator := p.field.load(p.seed, p.began, float64(p.rate), false)
	generator.Bind(map[string]int32{fraud.Transactions: id, fraud.LimitsTopic: id})
	acked := func(_ *kgo.Record, err error) {
		if err != nil {
			fail(fmt.Errorf("send to %s: %w", p.job.Input, err))
		}
	}
	for n := 0; n < p.count; {
		for now := time.Now(); n < p.count && !p.due(n).After(now); n++ {
			r := generator.Next()
			producer.Produce(context.WithoutCancel(ctx), &kgo.Record{Topic: p.job.Input, Key: r.Key,
				Value: r.Value, Timestamp: time.UnixMilli(r.Timestamp)}, acked)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(max(time.Until(p.due(n)), time.Millisecond)):
		}
	}
}

// read notes how long after its time the output of each event came.
func (p *pacer) read(ctx context.Context, consumer *kgo.Client) ([]time.Duration, error) {
	took := make([]time.Duration, p.count)
	kind, _, _ := strings.Cut(loadgen.ID("t", p.seed, 0), "-")
	for seen := 0; seen < p.count; {
		fetches := consumer.PollFetches(ctx)
		now := time.Now()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%d of %d outputs have come: %w", seen, p.count,
				context.Cause(ctx))
		}
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("read %s: %w", p.job.Output, err)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			seeded, number, _ := strings.Cut(transactionID(rec.Value), "-")
			n, err := strconv.Atoi(number) // from 1
			if err == nil && seeded == kind && n >= 1 && n <= p.count && took[n-1] == 0 {
				took[n-1] = now.Sub(p.due(n - 1))
				seen++
			}
		})
	}
	return took, nil
}

// transactionID is the first field of transactions and decisions alike.
func transactionID(value []byte) string {
	if len(value) < schemas.HeaderSize {
		return ""
	}
	rest := value[schemas.HeaderSize:]
	length, n := binary.Varint(rest)
	if n <= 0 || length < 0 || length > int64(len(rest)-n) {
		return ""
	}
	return string(rest[n : n+int(length)])
}

// judgePaced finds out what should have come of the paced input, and compares.
func (f *field) judgePaced(ctx context.Context, e entrant, j job) (*Verdict, error) {
	source, err := f.source(j.Application)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	t, err := findTruth(ctx, source, f.registry, j.Input)
	if err != nil {
		return nil, err
	}
	return f.judge(ctx, e, j, t)
}

// judge compares what a contestant wrote with what it should have. Pawl's alerts, late records,
// state and ledger are looked at as well.
func (f *field) judge(ctx context.Context, e entrant, j job, t *truth) (*Verdict, error) {
	source, err := f.source(j.Application)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	if e.copies {
		return judgeCopy(ctx, source, j.Input, j.Output)
	}
	v, err := judgeDecisions(ctx, source, f.registry, j.Output, t, !e.ownTimes)
	if err != nil || !e.isPawl() {
		return v, err
	}
	whole, err := verify.Check(ctx, verify.Options{Spec: fraud.Spec(rules()).WithPrefix(j.Prefix),
		ApplicationID: j.Application, Source: source, Registry: f.registry})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	v.Missing = max(v.Missing, whole.Missing+whole.Unprocessed)
	v.Extra = max(v.Extra, whole.Extra)
	v.Different = max(v.Different, whole.Different)
	v.State = whole.StateDifferent + whole.LedgerDifferent
	for _, example := range whole.Examples {
		v.Examples = append(v.Examples, example.String())
	}
	return v, nil
}
