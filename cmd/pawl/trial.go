package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pawl/internal/verify"
)

// What a trial says of the load and of the pipeline.
const (
	loadRunning = "running"
	loadPaused  = "paused"
	loadDone    = "done"

	verdictNone     = "none"
	verdictChecking = "checking"
	verdictMatch    = "match"
	verdictMismatch = "mismatch"
)

// trial is how an act is verified while its demo goes on: whoever sends the load stops, waits until
// all of it is processed, compares, and goes on.
type trial struct {
	orders chan time.Duration // to verify, and how long the load stays paused after that
	ended  chan struct{}      // no order is taken any more

	mu    sync.Mutex
	asked bool // from an order to the load's going on
	known trialStatus
}

// trialStatus is what is known of a trial.
type trialStatus struct {
	Load      string         `json:"load"`
	Verdict   string         `json:"verdict"`
	VerdictAt *time.Time     `json:"verdict_at"`
	Detail    string         `json:"verdict_detail"`
	Report    *verify.Report `json:"report,omitempty"` // what the verdict rests on
}

func newTrial() *trial {
	return &trial{orders: make(chan time.Duration), ended: make(chan struct{}),
		known: trialStatus{Load: loadRunning, Verdict: verdictNone}}
}

// status is a snapshot.
func (t *trial) status() trialStatus {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known
}

// busy tells whether a verification was asked for and the load has not gone on yet.
func (t *trial) busy() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.asked
}

// errBusy refuses what does not go together with a verification.
var errBusy = errors.New("a verification is under way; wait until its load runs again")

// order has the act verified, soon, and its load paused for a while after that.
func (t *trial) order(hold time.Duration) error {
	t.mu.Lock()
	if t.asked {
		t.mu.Unlock()
		return errBusy
	}
	before := t.known.Verdict
	t.asked, t.known.Verdict = true, verdictChecking
	t.mu.Unlock()
	select {
	case t.orders <- hold:
		return nil
	case <-t.ended:
		t.change(func(s *trialStatus) { s.Verdict, t.asked = before, false })
		return errLoadEnded
	}
}

func (t *trial) change(f func(s *trialStatus)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.known)
}

// conclude notes a verdict, or why there is none.
func (t *trial) conclude(r *verify.Report, err error) {
	now := time.Now().UTC()
	t.change(func(s *trialStatus) {
		s.Verdict, s.VerdictAt, s.Report = verdictNone, &now, r
		if err != nil {
			s.Detail = err.Error()
			return
		}
		s.Verdict = r.Oracle
		s.Detail = fmt.Sprintf("%d records in, %d out, %d state keys: %d missing, %d extra, "+
			"%d different, %d state entries different", r.RecordsIn, r.RecordsOut, r.StateKeys,
			r.Missing, r.Extra, r.Different, r.StateDifferent)
	})
}

// verify compares what an act left with its oracle, in the middle of a demo as at its end.
func (st *stage) verify(ctx context.Context, t *act, told func(done, total int64)) (
	*verify.Report, error) {
	t.trial.change(func(s *trialStatus) { s.Verdict = verdictChecking })
	r, err := st.cluster.verdict(ctx, t.pipeline.spec(t.settings), t.group, told)
	t.trial.conclude(r, err)
	return r, err
}

// feedAndTry sends an act's load until ctx ends, and verifies the act when that is ordered.
func (st *stage) feedAndTry(ctx context.Context, t *act) error {
	defer t.trial.change(func(s *trialStatus) { s.Load = loadDone })
	defer close(t.trial.ended)
	for pauses := 0; ctx.Err() == nil; pauses++ {
		sending, pause := context.WithCancel(ctx)
		sent := make(chan error, 1)
		part := st.feed(t)
		part.seed += uint64(pauses) << 32 // ids of before would count as sent twice
		go func() { sent <- st.cluster.feed(sending, t.pipeline, t.settings, part) }()
		select {
		case err := <-sent:
			pause()
			return err
		case hold := <-t.trial.orders:
			pause()
			if err := <-sent; err != nil && !errors.Is(err, context.Canceled) {
				return err
			}
			st.try(ctx, t, hold)
		}
	}
	return nil
}

// try verifies an act whose load is paused.
func (st *stage) try(ctx context.Context, t *act, hold time.Duration) {
	name := t.pipeline.name
	t.trial.change(func(s *trialStatus) { s.Load = loadPaused })
	defer t.trial.change(func(s *trialStatus) { s.Load, t.trial.asked = loadRunning, false })
	st.view.event("the load of " + name + " pauses to be verified")
	err := drain(ctx, t.adm, t.group, t.inputs, drainLimit, func(int64) {})
	if err != nil {
		t.trial.conclude(nil, err)
	} else {
		_, err = st.verify(ctx, t, func(int64, int64) {})
	}
	if err != nil {
		st.view.event(fmt.Sprintf("%s cannot be verified now: %v", name, err))
	} else {
		now := t.trial.status()
		st.view.event(fmt.Sprintf("%s: %s (%s)", name, now.Verdict, now.Detail))
	}
	select {
	case <-time.After(hold):
	case <-ctx.Done():
	}
}
