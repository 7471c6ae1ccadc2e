package sim

import (
	"time"

	"pawl/processor"
)

// Sums are what many runs together were.
type Sums struct {
	Seeds, Crashes, Epochs, Aborted, Faults int
	Checkpoints                             int // written
	Restores                                map[processor.Rung]int
	Records                                 int64
	Virtual                                 time.Duration
}

// Add adds one run.
func (s *Sums) Add(r *Report) {
	s.Seeds++
	s.Crashes += r.Crashes
	s.Epochs += r.Epochs
	s.Aborted += r.Aborted
	s.Records += r.Records
	s.Virtual += r.Virtual
	s.Checkpoints += r.Checkpoints[processor.CheckpointWritten]
	if s.Restores == nil {
		s.Restores = make(map[processor.Rung]int)
	}
	for rung, n := range r.Restores {
		s.Restores[rung] += n
	}
	for _, n := range r.Faults {
		s.Faults += n
	}
}
