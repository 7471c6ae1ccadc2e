//go:build unix

package speed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pawl/integration/harness/process"
)

// Bulk is what a contestant took for the whole preloaded input. The process is started for it: what
// it needs to start and to get warm is in it. Outputs that all came at once have no rate.
type Bulk struct {
	CPU     float64 `json:"cpu_seconds_per_million"`         // from the start of the process
	Settled float64 `json:"settled_cpu_seconds_per_million"` // after half of the outputs, or 0
	Broker  float64 `json:"broker_cpu_seconds_per_million"`
	Rate    float64 `json:"events_per_second"` // from the first output to the last, or 0
	Peak    float64 `json:"peak_rss_bytes"`
	Seconds float64 `json:"seconds"` // from the start to the commit of the last input
}

// sample is a look at a contestant at work.
type sample struct {
	at      time.Time
	outputs int64
	cpu     time.Duration
	broker  time.Duration
}

// stopLimit is how long a contestant may take to end.
const stopLimit = 30 * time.Second

// bulkTurn has a contestant process the bulk input, measures it and judges what it wrote.
func (f *field) bulkTurn(ctx context.Context, e entrant, run int) (_ *Bulk, _ *Verdict,
	err error) {
	defer func() { err = errors.Join(err, f.tidy(ctx)) }()
	j := f.job(e.contestant, run, bulk)
	if err := f.createTopic(ctx, j.Output); err != nil {
		return nil, nil, err
	}
	want := f.truth.decisions
	if e.copies {
		want = f.truth.events
	}
	broker, err := f.brokerCPU()
	if err != nil {
		return nil, nil, err
	}
	all := []sample{{at: time.Now(), broker: broker}}
	proc, err := f.start(e.contestant, e.program, j)
	if err != nil {
		return nil, nil, err
	}
	defer proc.Kill9()
	if all, err = f.watch(ctx, proc, j, want, all); err != nil {
		return nil, nil, err
	}
	peak, err := proc.PeakRSS()
	if err == nil {
		err = end(proc)
	}
	if err != nil {
		return nil, nil, err
	}
	figures := figuresOf(all, f.options.Events)
	figures.Peak = float64(peak)
	verdict, err := f.judge(ctx, e, j, f.truth)
	return figures, verdict, err
}

// end stops a contestant that has done its work. How it goes is its own affair, but it must go.
func end(proc *process.Process) error {
	err := proc.Stop(stopLimit)
	if errors.Is(err, process.ErrRunning) {
		return nil // it was killed, and everything that counts is committed
	}
	return err
}

// tidy removes what a turn left in the broker, also of a turn that was given up.
func (f *field) tidy(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.Canceled) {
		return nil // the broker goes as well
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	return f.clear(ctx)
}

// watch looks at a contestant until all outputs are there and all input is committed.
func (f *field) watch(ctx context.Context, proc *process.Process, j job, want int64,
	all []sample) ([]sample, error) {
	source, err := f.source(j.Application)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	for {
		if !proc.Running() {
			return nil, fmt.Errorf("%s ended with exit code %d; it said:\n%s", proc.Name(),
				proc.ExitCode(), proc.Tail(10))
		}
		now := sample{at: time.Now()}
		if now.outputs, err = f.outputs(ctx, j.Output); err != nil {
			return nil, err
		}
		if now.cpu, err = proc.CPUTime(); err != nil {
			return nil, err
		}
		if now.broker, err = f.brokerCPU(); err != nil {
			return nil, err
		}
		all = append(all, now)
		if now.outputs >= want {
			lag, err := source.Lag(ctx, j.Input)
			if err != nil {
				return nil, err
			}
			if lag == 0 {
				return all, nil
			}
		}
		if err := pause(ctx); err != nil {
			return nil, fmt.Errorf("%s has written %d of %d outputs: %w; it said:\n%s",
				proc.Name(), now.outputs, want, err, proc.Tail(10))
		}
	}
}

// figuresOf reads the looks, of which the first was before the start.
func figuresOf(all []sample, events int64) *Bulk {
	start, last := all[0], all[len(all)-1]
	var first, half, full *sample
	for i := range all {
		s := &all[i]
		if first == nil && s.outputs > 0 {
			first = s
		}
		if half == nil && s.outputs >= last.outputs/2 {
			half = s
		}
		if full == nil && s.outputs == last.outputs {
			full = s
		}
	}
	millions := float64(events) / 1e6
	b := &Bulk{CPU: last.cpu.Seconds() / millions,
		Broker:  (last.broker - start.broker).Seconds() / millions,
		Seconds: last.at.Sub(start.at).Seconds()}
	if n := last.outputs - half.outputs; n > 0 {
		b.Settled = (last.cpu - half.cpu).Seconds() / (float64(n) / 1e6)
	}
	if took := full.at.Sub(first.at).Seconds(); took > 0 {
		b.Rate = float64(last.outputs-first.outputs) / took
	}
	return b
}
