package processortest

import (
	"flag"
	"fmt"
	"testing"

	"pawl/processor"
	"pawl/statestore"
)

var seedFlag = flag.Uint64("pawl.seed", 0, "the one schedule that Exactly shall try; 0: all")

// Exactly holds a pipeline to the law that Pawl rests on: the same input gives the same committed
// outputs and the same state, however it is cut into epochs and whenever the process dies.
//
// It runs the records once in one epoch, and then under many schedules: fetches and epochs of any
// size, epochs sealed while others go on, aborted transactions, and processes that are killed
// before or after the commit, before or after it reached the store, with the store on disk or not,
// or lost. Each must leave the same records with the same headers on each partition, task by task
// in the same order (outputs, dead letters, late records, ticks), the same ledger, watermark and
// state. The first difference fails the test together with the schedule's seed: run the test again
// with -pawl.seed=N to try that schedule alone.
//
// pipeline is called for each process anew, as it would be in main: what a handler keeps outside
// its tables is lost when the process dies. Records stand in their topics in the order given; of a
// table, those that stand before the first record of another input are read first.
//
// What fails: state in variables, the order of a map, the clock, chance, changing a value that a
// table gave without setting it. What is wrong in the same way every time does not: that takes
// expectations, or a model.
func Exactly(t testing.TB, pipeline func() *processor.Pipeline, records []Record, opts ...Option) {
	t.Helper()
	set := newSettings(opts, 2, 3)
	want, err := plainly(set, pipeline, records)
	if err != nil {
		t.Fatalf("the records cannot be processed in one epoch: %v", err)
	}
	for seed := uint64(1); seed <= set.seeds(schedules); seed++ {
		if *seedFlag != 0 {
			seed = *seedFlag
		}
		if text := scheduled(set, pipeline, records, seed, want); text != "" {
			t.Fatalf("seed %d: %s\n(again, alone: -pawl.seed=%d)", seed, text, seed)
		}
		if *seedFlag != 0 {
			return
		}
	}
}

// schedules is how many are tried unless the test says, and how many seeds are simulated.
const schedules = 40

// plainly runs the records in one epoch.
func plainly(set settings, pipeline func() *processor.Pipeline, records []Record) (*outcome,
	error) {
	c, err := filled(set, pipeline, records, func() disk { return newMemory() })
	if err != nil {
		return nil, err
	}
	for _, m := range c.members {
		for more := true; more; {
			c.feedAll(m)
			if more, err = c.step(m); err != nil {
				return nil, err
			}
		}
		for ticked := true; ticked; {
			if ticked, err = c.tick(m); err != nil {
				return nil, err
			}
		}
		if err := c.seal(m); err != nil {
			return nil, err
		}
	}
	c.commit()
	if err := c.apply(func() int64 { return 1 << 30 }); err != nil {
		return nil, err
	}
	return c.outcome()
}

// filled is a cluster with all records in their topics, and a process that runs.
func filled(set settings, pipeline func() *processor.Pipeline, records []Record,
	newDisk func() disk) (*cluster, error) {
	c, err := newCluster(set, pipeline, newDisk)
	if err != nil {
		return nil, err
	}
	streams := false
	for i, r := range records {
		if err := c.send(r); err != nil {
			return nil, fmt.Errorf("record %d: %w", i, err)
		}
		if streams = streams || c.kinds[r.Topic] == processor.TopicInput; !streams {
			for p, log := range c.logs[r.Topic] {
				c.boot[r.Topic][p] = int64(len(log))
			}
		}
	}
	return c, c.start()
}

// pebbleEvery is how seldom a schedule runs on the real store, which takes longer.
const pebbleEvery = 8

// scheduled runs the records under one schedule and returns what is wrong with the result.
func scheduled(set settings, pipeline func() *processor.Pipeline, records []Record, seed uint64,
	want *outcome) (wrong string) {
	newDisk := func() disk { return newMemory() }
	if seed%pebbleEvery == 0 {
		newDisk = func() disk { return statestore.NewCrashDisk() }
	}
	c, err := filled(set, pipeline, records, newDisk)
	if err != nil {
		return err.Error()
	}
	defer func() {
		if err := c.close(); err != nil && wrong == "" {
			wrong = err.Error()
		}
	}()
	s := newSchedule(c, seed, len(records), newDisk)
	got, err := s.run()
	if err != nil {
		return fmt.Sprintf("%v\nafter %s", err, s.story())
	}
	if text := got.diff(want); text != "" {
		return fmt.Sprintf("%s\nafter %s", text, s.story())
	}
	return ""
}
