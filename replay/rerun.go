package replay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

const (
	handful   = 512      // records that are fetched at once, of an input
	epochSize = 2000     // steps between two seals
	cacheSize = 32 << 20 // decoded state of a task, in bytes
	spillSize = 16 << 20 // committed changes in memory, in bytes
)

// rerun takes a task from where store stands to a position, and gives what comes out to sink in
// order. The store is flushed then.
func (s *session) rerun(ctx context.Context, t *task, store statestore.Store, from record.Position,
	to *stand, sink func([]*kgo.Record) error, told func(records int64)) error {
	ticks, err := s.readTicks(ctx, t, from.Ticks, to.Ticks)
	if err != nil {
		return err
	}
	stretch := processor.Stretch{Until: to.Inputs, Ticks: ticks, Booted: to.Bootstrapped}
	for _, in := range from.Inputs {
		stretch.Start = append(stretch.Start, in.Offset)
	}
	run, err := s.off.Rerun(t.partition, store, stretch)
	if err != nil {
		return err
	}
	r := &rerunner{s: s, t: t, run: run, to: to, sink: sink, told: told}
	defer r.close()
	for i, in := range t.inputs {
		log, err := s.source.Open(ctx, in.Topic, in.Partition,
			verify.Bounds{From: from.Inputs[i].Offset, To: to.Inputs[i].Offset})
		if err != nil {
			return fmt.Errorf("open %s-%d: %w", in.Topic, in.Partition, err)
		}
		r.logs = append(r.logs, log)
	}
	if err := r.all(ctx); err != nil {
		return fmt.Errorf("replay %s: %w", t.name, err)
	}
	return run.Store().Flush()
}

// rerunner is a task that is run again.
type rerunner struct {
	s     *session
	t     *task
	run   *processor.RerunTask
	to    *stand
	logs  []verify.Log
	sink  func([]*kgo.Record) error
	told  func(records int64)
	steps int
}

func (r *rerunner) close() {
	for _, log := range r.logs {
		log.Close()
	}
}

func (r *rerunner) all(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		stepped, err := r.run.Step()
		switch {
		case errors.Is(err, processor.ErrDiscard):
			r.steps = 0
			if err := r.run.Discard(); err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		case stepped:
			if r.steps++; r.steps < epochSize {
				continue
			}
		case r.run.Wants() >= 0:
			if err := r.feed(ctx, r.run.Wants()); err != nil {
				return err
			}
			continue
		}
		if !stepped {
			r.run.Settle()
		}
		if err := r.commit(); err != nil {
			return err
		}
		if !stepped {
			return nil
		}
	}
}

// feed reads more of an input.
func (r *rerunner) feed(ctx context.Context, input int) error {
	var recs []*kgo.Record
	for len(recs) < handful {
		rec, err := r.logs[input].Next(ctx)
		if err == io.EOF {
			r.run.Feed(input, recs)
			r.run.End(input)
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s-%d: %w", r.t.inputs[input].Topic,
				r.t.inputs[input].Partition, err)
		}
		recs = append(recs, rec)
	}
	r.run.Feed(input, recs)
	return nil
}

// commit applies what was processed, when it is handed on.
func (r *rerunner) commit() error {
	r.steps = 0
	fx, err := r.run.Seal()
	if err != nil || fx == nil {
		return err
	}
	records := fx.Records
	outputs, _ := r.run.Records(fx)
	if err := r.sink(outputs); err != nil {
		return err
	}
	if err := r.run.Apply(fx, r.to.at, cacheSize); err != nil {
		return err
	}
	r.told(records)
	if r.run.Store().Bytes() > spillSize {
		return r.run.Store().Spill()
	}
	return nil
}
