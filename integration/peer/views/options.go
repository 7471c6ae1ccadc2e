//go:build unix

package views

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options say what is run and how often.
type Options struct {
	Events     int64         // records in the pipeline's main input
	Users      int           // among whom the records of activity and funnel are spread
	Sensors    int           // of iot
	Pages      int           // of pageviews
	Pace       float64       // records per second of event time
	Partitions int           // of every topic
	Runs       int           // rounds, in each of which both have a turn
	Only       []string      // names of pipelines; none means all
	Commit     time.Duration // commit interval of both
	Seed       uint64        // of the input
	Limit      time.Duration // after which a turn is given up

	Kafka    string // a broker to use rather than one of its own, with Registry
	Registry string // its registry
	Dir      string // where topics, state and logs go
	Pawl     string // the program

	Told func(line string) // progress
}

// Defaults are the options of a whole contest but for its places.
func Defaults() Options {
	return Options{Events: 1_000_000, Users: 100_000, Sensors: 10_000, Pages: 1_000, Pace: 2_500,
		Partitions: 4, Runs: 3, Commit: 100 * time.Millisecond, Seed: 1,
		Limit: 10 * time.Minute, Pawl: "bin/pawl"}
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
	fault(o.Sensors < 1, "--sensors=%d is out of range; give 1 or more", o.Sensors)
	fault(o.Pages < 3, "--pages=%d is out of range; give 3 or more", o.Pages)
	fault(!(o.Pace > 0), "--pace=%v is out of range; give more than 0", o.Pace)
	fault(o.Partitions < 1 || o.Partitions > 1000,
		"--partitions=%d is out of range; give 1 to 1000", o.Partitions)
	fault(o.Runs < 1, "--runs=%d is out of range; give 1 or more", o.Runs)
	fault(o.Commit < time.Millisecond, "--commit-interval=%v is too short; give 1ms or more",
		o.Commit)
	fault((o.Kafka == "") != (o.Registry == ""),
		"--kafka and --registry belong together; give both or none")
	var names []string
	for _, v := range all() {
		names = append(names, v.name)
	}
	for _, name := range o.Only {
		fault(!slices.Contains(names, name), "--only has %q; give some of %s", name,
			strings.Join(names, ","))
	}
	if len(faults) > 0 {
		return errors.New(strings.Join(faults, "\n"))
	}
	return nil
}
