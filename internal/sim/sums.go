package sim

import "time"

// Sums are what many runs together were.
type Sums struct {
	Seeds, Crashes, Epochs, Aborted, Faults int
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
	for _, n := range r.Faults {
		s.Faults += n
	}
}
