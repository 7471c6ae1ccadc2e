package processor

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
)

// ahead looks at a task's fetched records before their step: it has the services of their
// enrichments asked, and keeps what they answer until the record is committed. It belongs to the
// task's goroutine, but for the answers, which workers bring.
type ahead struct {
	task   string
	inputs []aheadInput
	ctx    context.Context // of the task: its end cancels the calls
	calls  sync.WaitGroup
	tell   func(func(*Listener))
	wake   func()

	offline bool  // nothing is looked at ahead: each record is asked about at its turn, once
	failure error // of a service, offline

	mu sync.Mutex // guards list and left of all answers
}

type aheadInput struct {
	scout   scout              // nil: the records need nothing
	answers map[int64]*answers // by offset; of records that are not committed
	next    int64              // offset of the first record that was not looked at
	untaken int                // answers of records that the core has not taken yet
}

// answers of one record.
type answers struct {
	list  []answer // one per enrichment of the input
	left  int      // not there yet
	taken bool     // the core is past the record
}

// scout reads an input's records ahead of the core.
type scout interface {
	services() int
	window() int // how many records may be asked about ahead of the core
	// read decodes and checks rec; the value serves ask. An error is the core's to judge.
	read(rec *kgo.Record) error
	// ask asks an enrichment of the input about the value read.
	ask(service int, done func(answer))
	// shed says why rec is to be shed: end is the input's known end. "" when it is not.
	shed(rec *kgo.Record, end int64) (reason string, err error)
	impatient() bool // a record that waits may come to be shed
}

func newAhead(ctx context.Context, t *task, offline bool) *ahead {
	a := &ahead{task: t.name, ctx: ctx, tell: t.in.tell, wake: t.nudge, offline: offline,
		inputs: make([]aheadInput, len(t.in.bind.inputs))}
	for i, in := range t.in.bind.inputs {
		if sc := t.in.pipe.inputs[in.source].scout(t.core, i, a); sc != nil {
			a.inputs[i] = aheadInput{scout: sc, answers: make(map[int64]*answers),
				next: t.core.position.Inputs[i].Offset}
		}
	}
	return a
}

// look asks about fetched records, up to the input's window.
func (a *ahead) look(m *merge) {
	for i := range a.inputs {
		in := &a.inputs[i]
		if in.scout == nil || in.scout.services() == 0 {
			continue
		}
		m.inputs[i].from(in.next, func(rec *kgo.Record) bool {
			if in.untaken >= in.scout.window() || !a.consider(in, rec, m.inputs[i].end) {
				return false
			}
			in.next = rec.Offset + 1
			return true
		})
	}
}

// consider asks about rec unless it is known that it needs no answer; false means that nothing is
// known about it, because its schema is not.
func (a *ahead) consider(in *aheadInput, rec *kgo.Record, end int64) bool {
	if rec.Attrs.IsControl() || in.answers[rec.Offset] != nil {
		return true
	}
	if reason, err := in.scout.shed(rec, end); reason != "" || err != nil {
		return true
	}
	if err := in.scout.read(rec); err != nil {
		return !isUnknownSchema(err)
	}
	a.ask(in, rec)
	return true
}

// ask asks about the record that was read last.
func (a *ahead) ask(in *aheadInput, rec *kgo.Record) {
	n := in.scout.services()
	all := &answers{list: make([]answer, n), left: n}
	in.answers[rec.Offset] = all
	in.untaken++
	for i := range n {
		in.scout.ask(i, func(one answer) {
			a.mu.Lock()
			all.list[i] = one
			all.left--
			last := all.left == 0
			a.mu.Unlock()
			if last {
				a.wake()
			}
		})
	}
}

// prepare gives the core what it needs beside the record.
func (a *ahead) prepare(c *core, next choice, end int64) error {
	in := &a.inputs[next.input]
	if in.scout == nil {
		return nil
	}
	reason, err := "", error(nil)
	if a.offline {
		err = a.askNow(in, next.rec)
	} else {
		reason, err = in.scout.shed(next.rec, end)
	}
	if err != nil {
		return err
	}
	c.given = given{shed: reason}
	all := in.answers[next.rec.Offset]
	if all == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if all.left == 0 {
		c.given.answers, c.given.ready = all.list, true
	}
	return nil
}

// askNow asks about a record at its turn, when there is no cluster. A service that is down and must
// be waited for fails the step.
func (a *ahead) askNow(in *aheadInput, rec *kgo.Record) error {
	if in.scout.services() == 0 || in.answers[rec.Offset] != nil || in.scout.read(rec) != nil {
		return nil
	}
	a.ask(in, rec)
	err := a.failure
	if err != nil {
		a.failure = nil
		in.untaken--
		delete(in.answers, rec.Offset)
	}
	return err
}

// take notes that the core is past a record.
func (a *ahead) take(c choice) {
	in := &a.inputs[c.input]
	if in.scout == nil {
		return
	}
	if all := in.answers[c.rec.Offset]; all != nil && !all.taken {
		all.taken = true
		in.untaken--
	}
}

// forget drops the answers of committed records.
func (a *ahead) forget(committed []record.Input) {
	for i := range a.inputs {
		in := &a.inputs[i]
		for offset, all := range in.answers {
			if offset < committed[i].Offset {
				delete(in.answers, offset)
				if !all.taken {
					in.untaken-- // unreachable: what is committed was taken
				}
			}
		}
	}
}

// rewind goes back with the core to what is committed. The answers stay, so that what is done
// again is done alike, and nobody is asked twice.
func (a *ahead) rewind(committed []record.Input) {
	a.forget(committed)
	for i := range a.inputs {
		in := &a.inputs[i]
		in.next, in.untaken = committed[i].Offset, len(in.answers)
		for _, all := range in.answers {
			all.taken = false
		}
	}
}

// impatience is how often a record that waits is looked at again, in case it is to be shed.
const impatience = 100 * time.Millisecond

// awaitAnswer has the task wait for the answers that c's record needs.
func (t *task) awaitAnswer(c choice) time.Duration {
	t.setIdle()
	in := &t.ahead.inputs[c.input]
	if in.answers[c.rec.Offset] == nil {
		// The look ahead found that it needed none, but it was not shed or late in the end.
		if err := in.scout.read(c.rec); err != nil {
			t.fault(fmt.Errorf("input %s offset %d: read for its enrichment: %w", c.rec.Topic,
				c.rec.Offset, err))
			return -1
		}
		t.ahead.ask(in, c.rec)
	}
	if in.scout.impatient() {
		return impatience
	}
	return -1
}

// sourceScout is the scout of a Source. Its decoder is apart from the core's.
type sourceScout[V any] struct {
	step   *sourceStep[V]
	askers []asker[V]
	size   int
}

func (s *Source[V]) scout(c *core, index int, a *ahead) scout {
	if len(s.enrich) == 0 && s.shedding == nil {
		return nil
	}
	sc := &sourceScout[V]{step: s.bind(c, index).(*sourceStep[V])}
	for _, e := range s.enrich {
		sc.askers = append(sc.askers, e.start(a))
		sc.size = max(sc.size, e.window())
	}
	return sc
}

func (s *sourceScout[V]) services() int { return len(s.askers) }
func (s *sourceScout[V]) window() int   { return s.size }

func (s *sourceScout[V]) ask(service int, done func(answer)) {
	s.askers[service].ask(s.step.val, done)
}

func (s *sourceScout[V]) read(rec *kgo.Record) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("a check panicked: %v", r)
		}
	}()
	var fresh V
	s.step.val = fresh // the one before may still be in use
	if err := s.step.decode(rec); err != nil {
		return err
	}
	_, err = s.step.timeOf(rec)
	return err
}

func isUnknownSchema(err error) bool {
	var unknown *schemas.UnknownIDError
	return errors.As(err, &unknown)
}
