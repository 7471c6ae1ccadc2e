package processor

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

func (s *Source[V]) bind(c *core, index int) inputStep {
	return &sourceStep[V]{Source: s, core: c, index: index, source: c.bind.inputs[index].source,
		dec: schemas.NewDecoder(s.typ, c.bind.resolver)}
}

// sourceStep runs one input's records through one task: decode, check, time, handler, timers.
type sourceStep[V any] struct {
	*Source[V]
	core   *core
	index  int // in the position
	source int // in the pipeline
	dec    *schemas.Decoder[V]
	val    V
}

func (s *sourceStep[V]) step(rec *kgo.Record) error {
	c := s.core
	if s.table != nil {
		return s.upsert(rec)
	}
	if err := s.decode(rec); err != nil {
		return err
	}
	at, err := s.timeOf(rec)
	if err != nil {
		return err
	}
	if s.late != noWindow && c.older(at, s.grace.Milliseconds()) {
		if err := c.late(rec, s.late, at); err != nil {
			return err
		}
		c.position.Inputs[s.index].Late++
		return nil
	}
	if s.shedding != nil && c.given.shed != "" {
		return c.shed(s.index, rec, c.given.shed)
	}
	if len(s.enrich) > 0 {
		if err := c.given.fault(); err != nil {
			return err
		}
	}
	c.watermark = max(c.watermark, at-c.bind.disorder)
	c.ctx.enter(rec, s.source, rec.Key, at)
	if len(s.enrich) > 0 {
		c.ctx.answers = c.given.answers
	}
	c.ctx.fate = fateProcessed
	outputs := len(c.fx.Outputs)
	if err := s.handler(&c.ctx, s.val); err != nil {
		return err
	}
	s.count(c.ctx.wrote || len(c.fx.Outputs) > outputs)
	c.fx.flow.reached[s.index] = max(c.fx.flow.reached[s.index], at)
	return c.fire(rec, s.source)
}

// count raises the one count of the ledger that the record belongs to. A record that led to
// anything counts as processed, whatever a part of the handler did without it.
func (s *sourceStep[V]) count(acted bool) {
	in := &s.core.position.Inputs[s.index]
	switch {
	case acted || s.core.ctx.fate == fateProcessed:
		in.Processed++
	case s.core.ctx.fate == fateDeduplicated:
		in.Deduplicated++
		s.core.fx.delta.Deduplicated++
	default:
		in.Filtered++
		s.core.fx.delta.Filtered++
	}
}

// older tells whether, before the record, the watermark was more than slack ms beyond at.
func (c *core) older(at, slack int64) bool {
	return c.before != noWatermark && at < c.before-slack
}

// decode fills s.val, or returns a RejectError for a record that breaks a rule of the input.
func (s *sourceStep[V]) decode(rec *kgo.Record) error {
	if rec.Value == nil {
		return RejectAs("NullValue", "the value is null; topic %s needs one", rec.Topic)
	}
	if err := s.decodeValue(rec); err != nil {
		return err
	}
	if len(rec.Key) == 0 {
		return RejectAs("MissingKey", "the key is missing; topic %s needs one", rec.Topic)
	}
	if s.key != nil {
		if want := s.key(s.val); want != string(rec.Key) {
			return RejectAs("KeyMismatch", "the key is %.100q, but the value's is %.100q",
				rec.Key, want)
		}
	}
	if s.check != nil {
		return s.check(s.val)
	}
	return nil
}

func (s *sourceStep[V]) decodeValue(rec *kgo.Record) error {
	if err := s.dec.Decode(rec.Value, &s.val); err != nil {
		var bad *schemas.DecodeError
		if errors.As(err, &bad) {
			return &RejectError{Exception: bad.Kind, Message: bad.Error()}
		}
		return err
	}
	if s.core.trace != nil {
		s.core.trace.Decoded()
	}
	return nil
}

func (s *sourceStep[V]) timeOf(rec *kgo.Record) (int64, error) {
	stamp := rec.Timestamp.UnixMilli()
	at := stamp
	if s.eventTime != nil {
		at = s.eventTime(s.val).UnixMilli()
	}
	if at < 0 {
		return 0, RejectAs("InvalidTimestamp", "event time %d ms is negative", at)
	}
	// A negative stamp stands for none; taken as it is, the difference could overflow.
	if at-max(stamp, 0) > s.core.bind.maxSkew {
		return 0, RejectAs("FutureTimestamp", "event time %s is more than %v (max.future.skew) "+
			"ahead of the record's timestamp %s", timeText(at),
			time.Duration(s.core.bind.maxSkew)*time.Millisecond, timeText(stamp))
	}
	return at, nil
}

func timeText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }

// upsert applies a table input's record: a null value deletes the key.
func (s *sourceStep[V]) upsert(rec *kgo.Record) error {
	c := s.core
	if len(rec.Key) == 0 {
		return RejectAs("MissingKey", "the key is missing; topic %s needs one", rec.Topic)
	}
	if rec.Value != nil {
		if err := s.decode(rec); err != nil {
			return err
		}
	}
	c.ctx.enter(rec, s.source, rec.Key, rec.Timestamp.UnixMilli())
	if rec.Value == nil {
		s.table.Delete(&c.ctx)
	} else {
		s.table.Set(&c.ctx, s.val)
	}
	c.position.Inputs[s.index].Processed++
	return nil
}
