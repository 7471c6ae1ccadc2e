package processortest

import (
	"testing"
	"time"

	"pawl/processor"
	"pawl/schemas"
)

// An Option changes what a pipeline is tested under.
type Option func(*settings)

// Partitions gives every topic so many partitions, and the pipeline as many tasks. Default 1 for
// New and Script, 2 for the others.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// GlobalPartitions gives each topic of a global table so many partitions. Default 1 for New and
// Script, 3 for the others.
func GlobalPartitions(n int) Option { return func(s *settings) { s.globals = n } }

// MaxOutOfOrderness sets max.out.of.orderness. Default as in processor.Config.
func MaxOutOfOrderness(d time.Duration) Option {
	return func(s *settings) { s.engine.MaxOutOfOrderness = d }
}

// MaxFutureSkew sets max.future.skew. Default as in processor.Config.
func MaxFutureSkew(d time.Duration) Option {
	return func(s *settings) { s.engine.MaxFutureSkew = d }
}

// ApplicationID sets application.id, which the names of dead-letter and late topics begin with.
// Default "test".
func ApplicationID(id string) Option {
	return func(s *settings) { s.engine.ApplicationID = id }
}

// Registry gives a registry of the test's own, for records that were encoded under its ids.
func Registry(r *schemas.Memory) Option { return func(s *settings) { s.engine.Registry = r } }

// Schedules sets how many schedules Exactly tries, and how many seeds Simulate. Default 40, and 10
// under -short.
func Schedules(n int) Option { return func(s *settings) { s.schedules = n } }

// IdleFor has Exactly go on after the last record: the inputs are quiet while event time moves, in
// three ticks, to so long after the latest record, so that windows close and timers fire. Under
// Chaos time is real, and this does nothing.
func IdleFor(d time.Duration) Option { return func(s *settings) { s.idle = d } }

// Duration is how long Chaos takes to send the records and have things go wrong. Default 10s.
func Duration(d time.Duration) Option { return func(s *settings) { s.duration = d } }

// Instances is how many instances share the partitions under Chaos. Default 2.
func Instances(n int) Option { return func(s *settings) { s.instances = n } }

// settings are all options together.
type settings struct {
	engine     processor.Config
	partitions int
	globals    int
	schedules  int
	idle       time.Duration
	duration   time.Duration
	instances  int
}

func newSettings(opts []Option, partitions, globals int) settings {
	s := settings{partitions: partitions, globals: globals,
		engine: processor.Config{ApplicationID: "test"}}
	for _, o := range opts {
		o(&s)
	}
	if s.engine.Registry == nil {
		s.engine.Registry = schemas.NewMemory()
	}
	return s
}

// seeds is how many to try: what the test says, or so many, and fewer under -short.
func (s *settings) seeds(usually int) uint64 {
	switch {
	case s.schedules > 0:
		return uint64(s.schedules)
	case testing.Short():
		return uint64(max(usually/4, 1))
	}
	return uint64(usually)
}
