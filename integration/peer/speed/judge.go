//go:build unix

package speed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// Verdict is what a reader of committed records finds wrong with a contestant's outputs.
type Verdict struct {
	Outputs    int64    `json:"outputs"`
	Missing    int64    `json:"missing"`
	Extra      int64    `json:"extra"` // decisions about transactions that are none of the input's
	Different  int64    `json:"different"`
	Duplicates int64    `json:"duplicates"`
	Disordered int64    `json:"disordered"` // after one whose transaction came later
	State      int64    `json:"state_different"`
	Examples   []string `json:"examples,omitempty"`
}

// Right tells whether nothing is wrong. At least once allows duplicates, and what comes of sending
// again: another order.
func (v *Verdict) Right(exactlyOnce bool) bool {
	wrong := v.Missing + v.Extra + v.Different + v.State
	if exactlyOnce {
		wrong += v.Duplicates + v.Disordered
	}
	return wrong == 0 && v.Outputs > 0
}

// String is the verdict in words.
func (v *Verdict) String() string {
	return fmt.Sprintf("%d outputs: %d missing, %d extra, %d different, %d duplicates, "+
		"%d out of order, %d state entries different", v.Outputs, v.Missing, v.Extra,
		v.Different, v.Duplicates, v.Disordered, v.State)
}

const examples = 5

func (v *Verdict) count(n *int64, format string, args ...any) {
	*n++
	if len(v.Examples) < examples {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// judgeDecisions compares a topic of decisions with what it should hold. Where a program cannot
// give records a time, times are not compared.
func judgeDecisions(ctx context.Context, s verify.Source, r schemas.Registry, topic string,
	t *truth, times bool) (*Verdict, error) {
	bounds, err := s.Bounds(ctx, topic)
	if err != nil {
		return nil, err
	}
	if len(bounds) != len(t.partitions) {
		return nil, fmt.Errorf("topic %s has %d partitions, its input %d", topic, len(bounds),
			len(t.partitions))
	}
	v := new(Verdict)
	resolver := schemas.NewResolver(r)
	dec := schemas.NewDecoder(schema.DecisionType(), resolver)
	for p, b := range bounds {
		lane := &lane{verdict: v, wants: t.partitions[p], times: times,
			done: make([]bool, len(t.partitions[p]))}
		err := verify.Each(ctx, s, topic, int32(p), b, func(rec *kgo.Record) error {
			var d schema.Decision
			broken, err := verify.Read(ctx, resolver, dec, rec.Value, &d)
			if err != nil {
				return err
			}
			if broken != "" {
				d = schema.Decision{TransactionID: broken}
			}
			lane.take(rec, d)
			return nil
		})
		if err != nil {
			return nil, err
		}
		lane.finish()
	}
	return v, nil
}

// lane is one partition of a topic of decisions.
type lane struct {
	verdict *Verdict
	wants   []want
	times   bool
	done    []bool
	next    int            // the one after the last that was found
	at      map[string]int // index of each want; nil until order is lost
}

// take looks a decision's transaction up, the next one first, and compares.
func (l *lane) take(rec *kgo.Record, d schema.Decision) {
	v := l.verdict
	v.Outputs++
	i, ok := l.find(d.TransactionID)
	switch {
	case !ok:
		v.count(&v.Extra, "%s-%d at %d: %+v is about no transaction of this partition", rec.Topic,
			rec.Partition, rec.Offset, d)
		return
	case l.done[i]:
		v.count(&v.Duplicates, "%s-%d at %d: %+v is there again", rec.Topic, rec.Partition,
			rec.Offset, d)
		return
	case i < l.next:
		v.count(&v.Disordered, "%s-%d at %d: %+v comes late", rec.Topic, rec.Partition, rec.Offset,
			d)
	}
	l.done[i], l.next = true, max(l.next, i+1)
	w := &l.wants[i]
	at := rec.Timestamp.UnixMilli()
	if d != w.decision || string(rec.Key) != w.decision.UserID || l.times && at != w.at {
		v.count(&v.Different, "%s-%d at %d: key %q, time %d: %+v, want time %d: %+v", rec.Topic,
			rec.Partition, rec.Offset, rec.Key, at, d, w.at, w.decision)
	}
}

func (l *lane) find(id string) (int, bool) {
	if l.next < len(l.wants) && l.wants[l.next].decision.TransactionID == id {
		return l.next, true
	}
	if l.at == nil {
		l.at = make(map[string]int, len(l.wants))
		for i := range l.wants {
			l.at[l.wants[i].decision.TransactionID] = i
		}
	}
	i, ok := l.at[id]
	return i, ok
}

// finish counts what was never found.
func (l *lane) finish() {
	for i, done := range l.done {
		if !done {
			l.verdict.count(&l.verdict.Missing, "no decision %+v", l.wants[i].decision)
		}
	}
}

// judgeCopy compares two topics record by record.
func judgeCopy(ctx context.Context, s verify.Source, input, output string) (*Verdict, error) {
	from, err := s.Bounds(ctx, input)
	if err != nil {
		return nil, err
	}
	to, err := s.Bounds(ctx, output)
	if err != nil {
		return nil, err
	}
	if len(from) != len(to) {
		return nil, fmt.Errorf("topic %s has %d partitions, its input %d", output, len(to),
			len(from))
	}
	v := new(Verdict)
	for p := range from {
		if err := v.copied(ctx, s, input, output, int32(p), from[p], to[p]); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// copied compares one partition of both.
func (v *Verdict) copied(ctx context.Context, s verify.Source, input, output string,
	partition int32, from, to verify.Bounds) error {
	left, err := s.Open(ctx, input, partition, from)
	if err != nil {
		return err
	}
	defer left.Close()
	right, err := s.Open(ctx, output, partition, to)
	if err != nil {
		return err
	}
	defer right.Close()
	for {
		a, aErr := left.Next(ctx)
		b, bErr := right.Next(ctx)
		for _, err := range []error{aErr, bErr} {
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("compare %s with %s: %w", output, input, err)
			}
		}
		if bErr == nil {
			v.Outputs++
		}
		switch {
		case aErr != nil && bErr != nil:
			return nil
		case bErr != nil:
			v.count(&v.Missing, "no copy of %s-%d at %d", input, partition, a.Offset)
		case aErr != nil:
			v.count(&v.Extra, "%s-%d at %d is no copy", output, partition, b.Offset)
		case !bytes.Equal(a.Key, b.Key) || !bytes.Equal(a.Value, b.Value) ||
			!a.Timestamp.Equal(b.Timestamp):
			v.count(&v.Different, "%s-%d at %d is no copy of offset %d", output, partition,
				b.Offset, a.Offset)
		}
	}
}
