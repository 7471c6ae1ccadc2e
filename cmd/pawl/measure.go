package main

import (
	"context"
	"fmt"
	"time"
)

// measurePoll is how often the child and the group are looked at.
const measurePoll = 20 * time.Millisecond

// run is the measurement: load, process, latency, verify.
func (b *benchRun) run(ctx context.Context) error {
	streams := b.inputs[:len(b.pipeline.inputs)]
	if err := createInputs(ctx, b.adm, streams, b.options.partitions); err != nil {
		return err
	}
	if err := createTables(ctx, b.adm, b.inputs[len(streams):], b.options.partitions); err != nil {
		return err
	}
	if err := b.load(ctx); err != nil {
		return err
	}
	if err := b.fleet.start(ctx); err != nil {
		return err
	}
	if err := b.process(ctx); err != nil {
		return err
	}
	if err := b.latency(ctx); err != nil {
		return err
	}
	if err := drain(ctx, b.adm, b.group, b.inputs, drainLimit, func(int64) {}); err != nil {
		return err
	}
	if err := b.fleet.stop(stopLimit); err != nil {
		return err
	}
	return b.verify(ctx)
}

// load fills the input topics as fast as the broker takes it.
func (b *benchRun) load(ctx context.Context) error {
	bar := newProgress(b.app.stdout, "load", b.options.events)
	err := b.cluster.feed(ctx, b.pipeline, b.settings, feed{count: b.options.events,
		seed: b.options.seed, users: b.options.users, skew: b.options.skew,
		told: func(sent int64) { bar.set(sent, b.options.events) }})
	bar.finish()
	if err == nil {
		err = ctx.Err() // a load that was cut short measures nothing
	}
	return err
}

// process watches the child from its start to the commit that covers the last input. What it used
// before a task ran is start-up.
func (b *benchRun) process(ctx context.Context) error {
	child := b.fleet.members[0].process()
	bar := newProgress(b.app.stdout, "process", b.options.events)
	defer bar.finish()
	var began time.Time
	lookedAt := time.Now()
	var atStart, before time.Duration
	var lagThen int64 = -1
	for {
		now := time.Now()
		used, err := child.CPUTime()
		if err != nil {
			return err
		}
		all, err := groupProgress(ctx, b.adm, b.group, b.inputs)
		if err == nil {
			left := lag(all)
			lagThen = max(lagThen, left)
			if began.IsZero() && (left < lagThen || b.taskRuns()) {
				// The look before the first sign of work: none of the work is left out.
				began, atStart = lookedAt, before
			}
			bar.set(b.options.events-min(left, b.options.events), b.options.events)
			if left == 0 {
				return b.measured(time.Since(began), atStart)
			}
		}
		lookedAt, before = now, used
		select {
		case err := <-b.fleet.failed:
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(measurePoll):
		}
	}
}

// taskRuns tells whether the child has a task past its restore.
func (b *benchRun) taskRuns() bool {
	last, _ := b.fleet.members[0].known()
	if last == nil {
		return false
	}
	for _, t := range last.Tasks {
		if t.State == "RUNNING" {
			return true
		}
	}
	return false
}

func (b *benchRun) measured(took, atStart time.Duration) error {
	child := b.fleet.members[0].process()
	used, err := child.CPUTime()
	if err != nil {
		return err
	}
	if b.result.PeakRSS, err = child.PeakRSS(); err != nil {
		return err
	}
	millions := float64(b.options.events) / 1e6
	b.result.EventsPerSecond = float64(b.options.events) / took.Seconds()
	b.result.CPUPerMillion = (used - atStart).Seconds() / millions
	b.result.StartupCPU = atStart.Seconds()
	return nil
}

// verify compares everything the run wrote with the model.
func (b *benchRun) verify(ctx context.Context) error {
	bar := newProgress(b.app.stdout, "verify", b.options.events)
	report, err := b.cluster.verdict(ctx, b.pipeline.spec(b.settings), b.group, bar.set)
	bar.finish()
	if err != nil {
		return fmt.Errorf("bench %s: %w", b.pipeline.name, err)
	}
	b.verdict = report
	b.result.Missing, b.result.Extra = report.Missing, report.Extra
	b.result.Different, b.result.StateDifferent = report.Different, report.StateDifferent
	b.result.Verified = report.Oracle == "match"
	return nil
}
