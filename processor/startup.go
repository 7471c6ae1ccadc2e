package processor

import (
	"sync"
	"time"
)

// StartupInfo says what an instance's start took, until it committed records with all its tasks
// running.
type StartupInfo struct {
	Took  time.Duration
	Steps []StartupStep // in their order; together they are Took
}

// StartupStep is one part of a start. Those of tasks last until the last task is done with them.
type StartupStep struct {
	Name string
	Took time.Duration
}

// step is a part of an instance's start.
type step int

// Steps in the order of a start.
const (
	stepDirectory step = iota // the state directory is ours
	stepBrokers               // one has answered
	stepTopics                // all are there
	stepSchemas               // all have ids
	stepProducer              // an earlier process's transaction is settled
	stepGroup                 // tasks are assigned
	stepStores                // opened
	stepClaims                // committed
	stepRestore               // the stores stand at the claims
	stepProof                 // and agree with the group and the inputs
	stepCommit                // records are committed
	steps
)

var stepNames = [steps]string{"directory", "brokers", "topics", "schemas", "producer", "group",
	"stores", "claims", "restore", "proof", "commit"}

// startup is when an instance was done with each step of its start.
type startup struct {
	mu    sync.Mutex
	began time.Time
	at    [steps]time.Time
	told  bool
}

// done notes the end of a step, for one task or for all.
func (s *startup) done(what step) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.told {
		s.at[what] = time.Now()
	}
}

// info is what a start took, the first time it is asked.
func (s *startup) info() (info StartupInfo, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told {
		return info, false
	}
	s.told = true
	last := s.began
	for i, at := range s.at {
		if at.Before(last) { // another task was later with the step before
			at = last
		}
		info.Steps = append(info.Steps, StartupStep{stepNames[i], at.Sub(last)})
		last = at
	}
	info.Took = last.Sub(s.began)
	return info, true
}

// started tells what the start took, at the first commit with all tasks running.
func (in *Instance) started() {
	for _, s := range in.slots {
		if s.state == TaskCreated || s.state == TaskRestoring {
			return
		}
	}
	in.startup.done(stepCommit)
	info, first := in.startup.info()
	if !first {
		return
	}
	in.tell(func(l *Listener) {
		if l.Startup != nil {
			l.Startup(info)
		}
	})
}
