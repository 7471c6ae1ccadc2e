package recovery

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Input writes the events. First each of Keys keys once, then a steady feed of keys drawn at
// random, whose events are to be answered.
type Input struct {
	client *kgo.Client
	topic  string
	keys   int64
	enc    *schemas.Encoder[event]
	random *rand.Rand

	mu     sync.Mutex
	counts map[int64]int64 // events of a key, where the feed had it
	expect []expectation   // by sequence number − 1
}

// expectation is what the answer to an event must be.
type expectation struct {
	count int64
	acked bool
}

// NewInput writes to a topic, through a client that is the caller's to close.
func NewInput(ctx context.Context, client *kgo.Client, registry schemas.Registry, topic string,
	keys int64, seed uint64) (*Input, error) {
	typ := eventType()
	id, err := registry.Register(ctx, topic+"-value", typ.String())
	if err != nil {
		return nil, fmt.Errorf("register the schema of %s: %w", topic, err)
	}
	return &Input{client: client, topic: topic, keys: keys, enc: schemas.NewEncoder(typ, id),
		random: rand.New(rand.NewPCG(seed, 14)), counts: make(map[int64]int64)}, nil
}

// stride is a prime that walks over all keys in an order that is not theirs: sorted records would
// be too easy to bring into a sorted store.
const stride = 2_147_483_647

// Load writes one event of each key and waits until the broker has them all.
func (in *Input) Load(ctx context.Context, told func(sent int64)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	now := time.Now()
	for i := range in.keys {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		rec, err := in.record(i*stride%in.keys, 0, now)
		if err != nil {
			return err
		}
		in.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				cancel(fmt.Errorf("write the state's events to %s: %w", in.topic, err))
			}
		})
		if i%10_000 == 0 {
			told(i)
		}
	}
	if err := in.client.Flush(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("write the state's events to %s: %w", in.topic, err)
	}
	told(in.keys)
	return context.Cause(ctx)
}

func (in *Input) record(key, seq int64, at time.Time) (*kgo.Record, error) {
	e := event{Seq: seq, Payload: make([]byte, payloadLen)}
	for j := 0; j < payloadLen; j += 8 {
		var eight [8]byte
		binary.LittleEndian.PutUint64(eight[:], in.random.Uint64())
		copy(e.Payload[j:], eight[:])
	}
	value, err := in.enc.Append(nil, &e)
	if err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	name := append(make([]byte, 0, 16), "key-"...)
	return &kgo.Record{Topic: in.topic, Key: strconv.AppendInt(name, 1e9+key, 10), Value: value,
		Timestamp: at}, nil
}

// Feed writes rate events a second until ctx ends, and waits for those under way. An event that the
// broker did not take is expected of nobody.
func (in *Input) Feed(ctx context.Context, rate int) error {
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	ticker := time.NewTicker(feedTick)
	defer ticker.Stop()
	for due := 0.0; ctx.Err() == nil && life.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-life.Done():
		case now := <-ticker.C:
			due += float64(rate) * feedTick.Seconds()
			for ; due >= 1; due-- {
				if err := in.ask(life, now, cancel); err != nil {
					return err
				}
			}
		}
	}
	if err := in.client.Flush(life); err != nil && life.Err() == nil {
		return fmt.Errorf("feed %s: %w", in.topic, err)
	}
	return context.Cause(life)
}

const feedTick = 10 * time.Millisecond

// ask writes one event that is to be answered.
func (in *Input) ask(ctx context.Context, at time.Time, cancel context.CancelCauseFunc) error {
	key := in.random.Int64N(in.keys)
	in.mu.Lock()
	in.counts[key]++
	in.expect = append(in.expect, expectation{count: 1 + in.counts[key]})
	seq := int64(len(in.expect))
	in.mu.Unlock()
	rec, err := in.record(key, seq, at)
	if err != nil {
		return err
	}
	in.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
		if err != nil {
			cancel(fmt.Errorf("feed %s: %w", in.topic, err))
			return
		}
		in.mu.Lock()
		in.expect[seq-1].acked = true
		in.mu.Unlock()
	})
	return nil
}

// Asked is the last sequence number so far.
func (in *Input) Asked() int64 {
	in.mu.Lock()
	defer in.mu.Unlock()
	return int64(len(in.expect))
}

// expected is the count that the answer to an event must have.
func (in *Input) expected(seq int64) (count int64, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if seq < 1 || seq > int64(len(in.expect)) {
		return 0, false
	}
	return in.expect[seq-1].count, true
}

// acked are the events that the broker took after the given sequence number.
func (in *Input) acked(after int64) (seqs []int64) {
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := after; i < int64(len(in.expect)); i++ {
		if in.expect[i].acked {
			seqs = append(seqs, i+1)
		}
	}
	return seqs
}
