//go:build unix

package views

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"pawl/integration/harness/process"
)

// Turn is one run of a contestant over the whole input. CPU is seconds of the process, per million
// records of the input.
type Turn struct {
	Pipeline   string   `json:"pipeline"`
	Contestant string   `json:"contestant"`
	Run        int      `json:"run"`
	Records    int64    `json:"records"`
	CPU        float64  `json:"cpu_seconds_per_million"`         // whole run, with the start
	Settled    float64  `json:"settled_cpu_seconds_per_million"` // after half of the input
	Rate       float64  `json:"records_per_second"`              // from the first commit on
	PeakMiB    float64  `json:"peak_memory_mib"`
	Broker     float64  `json:"broker_cpu_seconds_per_million,omitempty"`
	Verdict    *Verdict `json:"verdict"`
}

// stopLimit bounds how long a program may take to end.
const stopLimit = 30 * time.Second

// job is a contestant's in one run.
func (a *arena) job(c contestant, run int) job {
	application := fmt.Sprintf("%s%s%d", a.prefix, c.name, run)
	return job{application: application, dir: filepath.Join(a.dir, application)}
}

// turn runs one contestant, measures it, and compares its outputs, which it leaves on the broker.
func (a *arena) turn(ctx context.Context, c contestant, run int) (*Turn, error) {
	j := a.job(c, run)
	if err := os.MkdirAll(j.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", c.name, err)
	}
	args, err := c.ready(ctx, a, j)
	if err != nil {
		return nil, err
	}
	t := &Turn{Pipeline: a.name, Contestant: c.name, Run: run, Records: a.records}
	if err := a.measure(ctx, c, j, args, t); err != nil {
		return nil, err
	}
	if t.Verdict, err = c.judge(ctx, a, j); err != nil {
		return nil, fmt.Errorf("compare what %s wrote: %w", c.name, err)
	}
	return t, os.RemoveAll(j.dir)
}

// measure starts the program, watches it until all of the input is committed, and ends it.
func (a *arena) measure(ctx context.Context, c contestant, j job, args []string, t *Turn) error {
	ctx, cancel := context.WithTimeoutCause(ctx, a.options.Limit,
		fmt.Errorf("%s was not done within %v", c.name, a.options.Limit))
	defer cancel()
	broker, err := a.brokerCPU()
	if err != nil {
		return err
	}
	proc, err := process.Start(process.Spec{Name: c.name, Path: c.path, Args: args,
		Log: j.dir + ".log"})
	if err != nil {
		return err
	}
	defer proc.Kill9()
	if err := a.watch(ctx, proc, j, t); err != nil {
		return fmt.Errorf("%s: %w; it last said:\n%s", j.application, err, proc.Tail(20))
	}
	after, err := a.brokerCPU()
	if err != nil {
		return err
	}
	t.Broker = perMillion(after-broker, a.records)
	return proc.Stop(stopLimit)
}

// look is what is seen of a program at one moment.
type look struct {
	at        time.Time
	cpu       time.Duration
	committed int64
}

// watch looks at the program until it has committed all of the input.
func (a *arena) watch(ctx context.Context, proc *process.Process, j job, t *Turn) error {
	var before, half, last look // before the first commit, after half of the input, the last one
	for {
		cpu, err := proc.CPUTime()
		if err != nil {
			return err
		}
		committed, err := a.committed(ctx, j.application)
		if err != nil {
			return err
		}
		now := look{time.Now(), cpu, committed}
		if committed > 0 && before.at.IsZero() {
			before = last
		}
		last = now
		if committed >= a.records/2 && half.committed == 0 {
			half = now
		}
		if committed >= a.records {
			t.CPU = perMillion(now.cpu, a.records)
			t.Settled = perMillion(now.cpu-half.cpu, max(a.records-half.committed, 1))
			t.Rate = float64(a.records) / now.at.Sub(before.at).Seconds()
			peak, err := proc.PeakRSS()
			t.PeakMiB = float64(peak) / (1 << 20)
			return err
		}
		if !proc.Running() {
			return fmt.Errorf("it ended with exit code %d at %d of %d records", proc.ExitCode(),
				committed, a.records)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("at %d of %d records: %w", committed, a.records, err)
		}
	}
}

func perMillion(cpu time.Duration, records int64) float64 {
	return cpu.Seconds() / float64(records) * 1e6
}

// committed is how many records of the inputs a group has behind it.
func (a *arena) committed(ctx context.Context, group string) (sum int64, err error) {
	offsets, err := a.adm.FetchOffsetsForTopics(ctx, group, a.topics...)
	if err == nil {
		err = offsets.Error()
	}
	if errors.Is(err, kerr.GroupIDNotFound) || kerr.IsRetriable(err) {
		return 0, nil // it has not begun, or cannot be told right now
	}
	if err != nil {
		return 0, fmt.Errorf("committed offsets of group %s: %w", group, err)
	}
	for _, topic := range a.topics {
		for p := range int32(a.options.Partitions) {
			if o, ok := offsets.Lookup(topic, p); ok {
				sum += max(o.At, 0)
			}
		}
	}
	return sum, nil
}
