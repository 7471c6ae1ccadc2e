package processor

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/statestore"
)

// TestStartupAddsUp: the steps are in order and make the whole, also where one task was done with a
// step before another was with the one before; and it is told once.
func TestStartupAddsUp(t *testing.T) {
	began := time.Now()
	s := startup{began: began}
	for what := range steps {
		s.at[what] = began.Add(time.Duration(what+1) * time.Second)
	}
	s.at[stepClaims] = began.Add(20 * time.Second)
	s.at[stepRestore] = began.Add(10 * time.Second)
	s.at[stepProof], s.at[stepCommit] = began.Add(21*time.Second), began.Add(25*time.Second)
	info, first := s.info()
	var sum time.Duration
	for _, step := range info.Steps {
		sum += step.Took
	}
	if !first || len(info.Steps) != int(steps) || sum != info.Took || sum != 25*time.Second ||
		info.Steps[stepRestore].Took != 0 || info.Steps[stepCommit].Took != 4*time.Second {
		t.Errorf("%+v, %v", info, first)
	}
	if _, first := s.info(); first {
		t.Error("it is told twice")
	}
}

// TestRestoresTakeTurns: while a task runs, a restore waits for its turn, and gives it back.
func TestRestoresTakeTurns(t *testing.T) {
	info := &taskInfo{TaskStatus: TaskStatus{State: TaskRestoring}}
	in := &Instance{restores: make(chan struct{}, 1), statuses: map[int32]*taskInfo{0: info}}
	r := &restore{in: in, load: statestore.NewLoad(statestore.NewMem(), 1)}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	in.restores <- struct{}{} // another has the turn
	if err := r.takeAll(ended, kgo.Fetches{}); err != nil {
		t.Errorf("no task runs, and the restore waits: %v", err)
	}
	info.State = TaskRunning
	if err := r.takeAll(ended, kgo.Fetches{}); !errors.Is(err, context.Canceled) {
		t.Errorf("the restore did not wait for its turn: %v", err)
	}
	<-in.restores
	if err := r.takeAll(t.Context(), kgo.Fetches{}); err != nil || len(in.restores) != 0 {
		t.Errorf("%v; %d turns are not given back", err, len(in.restores))
	}
}
