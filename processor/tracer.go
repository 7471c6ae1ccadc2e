package processor

import "github.com/twmb/franz-go/pkg/kgo"

// A Tracer follows chosen records from their input to the commit. The engine knows nothing of how a
// trace is kept: package internal/tracing has OpenTelemetry.
type Tracer interface {
	// Record is asked before a record is processed, by many tasks at once; nil means that it is not
	// followed. A record that is processed again, after an abort, is asked about again. rec is
	// valid during the call only.
	Record(task string, rec *kgo.Record) RecordTrace
	// Epoch is told that the transaction begins which commits these records, some of those that
	// Record chose; it must not keep the slice. done is called with the outcome, nil when it
	// committed.
	Epoch(e EpochTrace, records []RecordTrace) (done func(err error))
}

// RecordTrace is one record that is followed. Its methods are called in order, by one goroutine,
// before the epoch's.
type RecordTrace interface {
	// Decoded is called when the record's value was read, if it could be.
	Decoded()
	// Traceparent is the header of that name that the record's outputs get, in W3C's format.
	Traceparent() []byte
	// End is called after the step; an error means that the record will be processed again.
	End(err error)
}

// EpochTrace names an epoch.
type EpochTrace struct {
	Instance string
	Commit   int64 // the number of the epoch, as in EpochInfo
	Tasks    []string
}

// traceHeader is W3C's header that names the span that an output comes from.
const traceHeader = "traceparent"

// step takes a record through the core, followed if the tracer wants it.
func (t *task) step(c choice) error {
	tracer := t.in.cfg.Tracer
	if tracer == nil {
		return t.core.step(c.input, c.rec)
	}
	trace := tracer.Record(t.name, c.rec)
	if trace == nil {
		return t.core.step(c.input, c.rec)
	}
	t.core.trace = trace
	err := t.core.step(c.input, c.rec)
	t.core.trace = nil
	trace.End(err)
	return err
}

// traced tells the tracer of the epoch that commits records it follows.
func (in *Instance) traced(shares []*Effects) (done func(error)) {
	nothing := func(error) {}
	if in.cfg.Tracer == nil {
		return nothing
	}
	var records []RecordTrace
	e := EpochTrace{Instance: in.cfg.InstanceID, Commit: in.cycle.epochs + 1}
	for _, fx := range shares {
		e.Tasks = append(e.Tasks, fx.Task)
		records = append(records, fx.traces...)
	}
	if len(records) == 0 {
		return nothing
	}
	return in.cfg.Tracer.Epoch(e, records)
}
