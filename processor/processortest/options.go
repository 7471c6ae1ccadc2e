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
// New and Script, 2 for Exactly.
func Partitions(n int) Option { return func(s *settings) { s.partitions = n } }

// GlobalPartitions gives each topic of a global table so many partitions. Default 1 for New and
// Script, 3 for Exactly.
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

// Schedules sets how many schedules Exactly tries. Default 40, and 10 under -short.
func Schedules(n int) Option { return func(s *settings) { s.schedules = n } }

// IdleFor has Exactly go on after the last record: the inputs are quiet while event time moves, in
// three ticks, to so long after the latest record, so that windows close and timers fire.
func IdleFor(d time.Duration) Option { return func(s *settings) { s.idle = d } }

// settings are all options together.
type settings struct {
	engine     processor.Config
	partitions int
	globals    int
	schedules  int
	idle       time.Duration
}

func newSettings(opts []Option, partitions, globals int) settings {
	s := settings{partitions: partitions, globals: globals, schedules: 40,
		engine: processor.Config{ApplicationID: "test"}}
	if testing.Short() {
		s.schedules = 10
	}
	for _, o := range opts {
		o(&s)
	}
	if s.engine.Registry == nil {
		s.engine.Registry = schemas.NewMemory()
	}
	return s
}
