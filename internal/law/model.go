package law

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

const (
	decoded  = 64 << 20 // bytes of state kept decoded between records
	buffered = 16 << 20 // bytes of changes kept before the store
)

// model is one task of a pipeline in a process that nothing ever happens to. Every record is an
// epoch. It implements verify.Model.
type model struct {
	build    func() *processor.Pipeline
	cfg      processor.Config
	resolver *schemas.Resolver // shows values

	app     *processor.Offline // nil before the first record
	task    *processor.OfflineTask
	inputs  map[string]int
	kinds   map[string]string
	epochs  int64
	failure error // once set, nothing goes on
}

// open binds the pipeline and takes the task over, as the first instance that ever did.
func (m *model) open(partition int32) error {
	var err error
	m.app, err = processor.NewOffline(m.cfg, int(partition)+1, m.build())
	if err != nil {
		return err
	}
	m.inputs, m.kinds = make(map[string]int), make(map[string]string)
	for _, t := range m.app.Topics() {
		m.kinds[t.Name] = t.Kind
		if t.Kind == processor.TopicInput || t.Kind == processor.TopicTable {
			m.inputs[t.Name] = len(m.inputs)
		}
	}
	claim, err := m.app.Claim(partition)
	if err != nil {
		return err
	}
	logs := processor.OfflineLogs{Changelog: []*kgo.Record{claim},
		Offsets: make([]int64, len(m.inputs)), Ends: make([]int64, len(m.inputs))}
	for i := range logs.Offsets {
		logs.Offsets[i] = -1
	}
	// No table is read ahead of the rest: the caller brings the records in their order.
	m.task, err = m.app.Open(partition, statestore.NewMem(), logs)
	return err
}

// Feed implements verify.Model.
func (m *model) Feed(_ context.Context, in verify.Input) (verify.Outcome, error) {
	out, err := m.feed(in)
	if err != nil && m.failure == nil {
		m.failure = fmt.Errorf("the undisturbed pass: %w", err)
	}
	return out, m.failure
}

func (m *model) feed(in verify.Input) (out verify.Outcome, err error) {
	if m.failure != nil {
		return out, m.failure
	}
	if m.task == nil {
		if err := m.open(in.Partition); err != nil {
			return out, err
		}
	}
	input, ok := m.inputs[in.Topic]
	if !ok {
		return out, fmt.Errorf("topic %s is no input of the pipeline", in.Topic)
	}
	before := m.task.Position().Inputs[input]
	rec := &kgo.Record{Topic: in.Topic, Partition: in.Partition, Offset: in.Offset, Key: in.Key,
		Value: in.Value, Headers: in.Headers, Timestamp: time.UnixMilli(in.Timestamp)}
	if err := m.take(input, rec); err != nil {
		return out, err
	}
	out, err = m.commit()
	out.Fate = fate(before, m.task.Position().Inputs[input])
	if n := len(out.LateFor); out.Fate == verify.Late && n > 0 {
		out.Window, out.LateFor = out.LateFor[n-1], out.LateFor[:n-1]
	}
	return out, err
}

// take steps through one record. One that turns out to be broken after it had changed state is
// taken again, and goes to the dead letters then.
func (m *model) take(input int, rec *kgo.Record) error {
	for {
		m.task.Feed(input, []*kgo.Record{rec}, rec.Offset+1)
		err := m.step(input, rec)
		if !errors.Is(err, processor.ErrDiscard) {
			return err
		}
		if err := m.task.Discard(); err != nil {
			return err
		}
	}
}

func (m *model) step(input int, rec *kgo.Record) error {
	for m.task.Position().Inputs[input].Offset <= rec.Offset {
		ok, err := m.task.Step()
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("task %s waits for another input than %s, whose offset %d is next",
				m.task.Name(), rec.Topic, rec.Offset)
		}
	}
	return nil
}

// commit ends the epoch and returns what it sent.
func (m *model) commit() (out verify.Outcome, err error) {
	fx, err := m.task.Seal()
	if err != nil || fx == nil {
		return out, err
	}
	sent, _ := m.task.Records(fx)
	for _, r := range sent {
		switch m.kinds[r.Topic] {
		case processor.TopicOutput:
			out.Outputs = append(out.Outputs, verify.Output{Topic: r.Topic, Key: string(r.Key),
				Timestamp: r.Timestamp.UnixMilli(), Value: verify.NewWire(r.Value, m.resolver)})
		case processor.TopicLate:
			out.LateFor = append(out.LateFor, window(m.cfg.ApplicationID, r.Topic))
		case processor.TopicDLQ:
			out.Exception = exception(r)
		}
	}
	m.epochs++
	if err := m.task.Apply(fx, m.epochs, decoded); err != nil {
		return out, err
	}
	if m.task.Store().Bytes() > buffered {
		err = m.task.Store().Spill()
	}
	return out, err
}

// exception is the class of a dead letter. The last header of that name is the engine's own.
func exception(r *kgo.Record) (class string) {
	for _, h := range r.Headers {
		if h.Key == "__streams.errors.exception" {
			class = string(h.Value)
		}
	}
	return class
}

// fate is the one count of the ledger that rose.
func fate(before, after record.Input) verify.Fate {
	switch {
	case after.Late > before.Late:
		return verify.Late
	case after.Dead > before.Dead:
		return verify.Dead
	case after.Deduplicated > before.Deduplicated:
		return verify.Deduplicated
	case after.Filtered > before.Filtered:
		return verify.Filtered
	}
	return verify.Processed
}

// Idle implements verify.Model. A fault is told by the next Feed, or by State.
func (m *model) Idle(watermark int64) []verify.Output {
	if m.failure != nil || m.task == nil {
		return nil
	}
	var out verify.Outcome
	_, err := m.task.Idle(watermark)
	if err == nil {
		out, err = m.commit()
	}
	if err != nil {
		m.failure = fmt.Errorf("the undisturbed pass: idle tick at %d ms: %w", watermark, err)
	}
	return out.Outputs
}

// Watermark implements verify.Model.
func (m *model) Watermark() int64 {
	if m.task == nil {
		return math.MinInt64 // as a task says that has seen no event time yet
	}
	return m.task.Position().Watermark
}

// State implements verify.Model. A fault that nobody was told stands in it, and is a difference.
func (m *model) State() map[string]any {
	state := make(map[string]any)
	if m.task != nil && m.failure == nil {
		store := m.task.Store()
		m.failure = store.Spill() // what is buffered is in order only where tables are scanned
		if m.failure == nil {
			m.failure = store.Scan([]byte{1}, []byte{0xFF}, func(key, value []byte) bool {
				state[keyText(key)] = verify.NewWire(value, m.resolver)
				return true
			})
		}
	}
	if m.failure != nil {
		state["(fault)"] = m.failure.Error()
	}
	return state
}
