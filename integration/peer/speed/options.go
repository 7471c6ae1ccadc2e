//go:build unix

package speed

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pawl/pipelines/fraud"
)

// Options say what is run and how often.
type Options struct {
	Events     int64         // in the topic that everybody reads
	Users      int           // among whom the events are spread
	Partitions int           // of every topic
	Runs       int           // rounds, in each of which everybody has a turn
	Only       []string      // names of contestants; none means all
	Pace       float64       // preloaded events per second of event time
	Rates      []int         // events per second of the paced load; none measures no latency
	Paced      time.Duration // how long each rate lasts; its first third does not count
	Warm       int64         // events that a contestant has behind it when the paced load begins
	Commit     time.Duration // commit interval of everybody
	Seed       uint64        // of the load
	Limit      time.Duration // after which a turn is given up

	Dir     string   // where topics, state and logs go
	Pawl    string   // the program
	Copy    []string // the command that calls Copy with the job that follows as one argument
	Streams []string // further settings of Kafka Streams as key=value
	Goka    string   // folder of the module of goka's program
	Venv    string   // folder of the Python that has Quix Streams; made if it is missing

	jvm []string // for the broker and Kafka Streams, in tests that measure nothing

	Told func(line string) // progress
}

// Defaults are the options of a whole contest but for its places.
func Defaults() Options {
	return Options{Events: 2_000_000, Users: 100_000, Partitions: 4, Runs: 3,
		Pace: 5_000, Rates: []int{20_000, 1_000}, Paced: 15 * time.Second, Warm: 200_000,
		Commit: 100 * time.Millisecond, Seed: 1, Limit: 10 * time.Minute}
}

// Check tells everything that is wrong with the options, one fault per line.
func (o *Options) Check() error {
	var faults []string
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(o.Events < 1000, "--events=%d is too few; give 1000 or more", o.Events)
	fault(o.Users < 1, "--users=%d is out of range; give 1 or more", o.Users)
	fault(o.Partitions < 1 || o.Partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.Partitions)
	fault(o.Runs < 1, "--runs=%d is out of range; give 1 or more", o.Runs)
	fault(!(o.Pace >= 1), "--pace=%v is too slow; give 1 or more", o.Pace)
	fault(o.Warm < 1, "--warm=%d is out of range; give 1 or more", o.Warm)
	fault(o.Paced < time.Second, "--paced=%v is too short; give 1s or more", o.Paced)
	fault(o.Commit < time.Millisecond, "--commit-interval=%v is too short; give 1ms or more",
		o.Commit)
	for _, rate := range o.Rates {
		fault(rate < 1, "--rates has %d; give 1 or more", rate)
	}
	var names []string
	for _, c := range contestants() {
		names = append(names, c.name)
	}
	for _, setting := range o.Streams {
		key, _, ok := strings.Cut(setting, "=")
		fault(!ok || key == "", "--streams-set=%s is no setting; give key=value", setting)
	}
	for _, name := range o.Only {
		fault(!slices.Contains(names, name), "--only has %q; give some of %s", name,
			strings.Join(names, ","))
	}
	if len(faults) > 0 {
		return fmt.Errorf("%s", strings.Join(faults, "\n"))
	}
	return nil
}

// rules are the pipeline's own but for the limits, which are so high that alerts, which no peer
// writes, are few beside the decisions.
func rules() fraud.Config {
	cfg := fraud.Config{MaxCount: 25, MaxTotalCents: 2_000_000}
	cfg.EnsureDefaults()
	return cfg
}
