package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness/process"
	"pawl/internal/recovery"
	"pawl/internal/settings"
)

const (
	// recoveryBuild bounds how long a state takes to come into being.
	recoveryBuild = 2 * time.Hour
	// recoveryLimit bounds how long a program takes to answer again.
	recoveryLimit = 30 * time.Minute
)

// recoveryRun is one measurement with topics, state and ids of its own.
type recoveryRun struct {
	app      *app
	options  recoveryOptions
	cluster  *cluster
	settings *settings.Settings
	dir      string
	group    string // also the prefix of all topics
	client   *kgo.Client
	adm      *kadm.Client
	input    *recovery.Input
	result   returnReport
}

// contestant is a program with a state that can be killed.
type contestant interface {
	name() string
	group() string
	answers() string // the topic it writes to
	start() (*process.Process, error)
	// wipe removes the local state of the program, which has ended and is to come back from rung.
	wipe(rung string) error
	// rungs are the ways back that there are.
	rungs() []string
	// ready waits until a way back is open.
	ready(ctx context.Context, rung string) error
	// read fills in what the program said of its restore.
	read(log string, into *recoveryRung) error
}

func (b *recoveryRun) prepare(ctx context.Context) error {
	var raw [4]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return fmt.Errorf("make a name for this run: %w", err)
	}
	b.group = "pawl-bench-" + hex.EncodeToString(raw[:])
	var err error
	if b.client, err = b.cluster.client(kgo.MaxBufferedRecords(100_000)); err != nil {
		return err
	}
	b.adm = kadm.NewClient(b.client)
	o := b.options
	b.result = returnReport{Keys: o.keys, Partitions: o.partitions, Rate: o.rate, Seed: o.seed,
		Embedded: b.cluster.embedded != nil, Faults: []string{}}
	events := b.topic(recovery.Events)
	err = createInputs(ctx, b.adm, []string{events}, o.partitions)
	if err == nil {
		b.input, err = recovery.NewInput(ctx, b.client, b.cluster.schemas(), events, o.keys, o.seed)
	}
	if err != nil {
		return errors.Join(err, b.remove())
	}
	return nil
}

func (b *recoveryRun) topic(name string) string { return b.group + "-" + name }

// remove deletes what the run made on the cluster.
func (b *recoveryRun) remove() error {
	defer b.client.Close()
	// The command's context may have ended, yet nothing may stay behind.
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	return deleteTopics(ctx, b.adm, b.group, b.group+"-", b.group+"s-")
}

// run measures one program after the other on the same input.
func (b *recoveryRun) run(ctx context.Context) error {
	all := []contestant{newPawlContestant(b)}
	if b.options.streams {
		s, err := newStreamsContestant(b)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	bar := newProgress(b.app.stdout, "load", b.options.keys)
	err := b.input.Load(ctx, func(sent int64) { bar.set(sent, b.options.keys) })
	bar.finish()
	if err != nil {
		return err
	}
	for _, c := range all {
		if err := b.measure(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.name(), err)
		}
	}
	b.result.Verified = len(b.result.Faults) == 0 && b.result.Answers > 0
	return nil
}

// measure brings one program's state into being and takes it through all its ways back.
func (b *recoveryRun) measure(ctx context.Context, c contestant) error {
	if err := createInputs(ctx, b.adm, []string{c.answers()}, b.options.partitions); err != nil {
		return err
	}
	proc, err := c.start()
	if err != nil {
		return err
	}
	defer func() { proc.Kill9() }()
	if err := b.build(ctx, c, proc); err != nil {
		return err
	}
	watch, err := recovery.NewWatch(ctx, b.adm, b.input, c.answers(), b.cluster.options()...)
	if err != nil {
		return err
	}
	defer watch.Stop()
	feeding, stop := context.WithCancel(ctx)
	fed := make(chan error, 1)
	go func() { fed <- b.input.Feed(feeding, b.options.rate) }()
	for _, rung := range c.rungs() {
		for range b.options.repeat {
			if err = b.rung(ctx, c, rung, watch, &proc); err != nil {
				break
			}
		}
	}
	stop()
	if err = errors.Join(err, <-fed); err != nil {
		return err
	}
	judging, cancel := context.WithTimeout(ctx, recoveryLimit)
	defer cancel()
	b.result.Faults = append(b.result.Faults, watch.Judge(judging)...)
	b.result.Answers += watch.Answers()
	return nil
}

// build waits until the program has processed what is there.
func (b *recoveryRun) build(ctx context.Context, c contestant, proc *process.Process) error {
	life, cancel := alive(ctx, proc)
	defer cancel(nil)
	bar := newProgress(b.app.stdout, c.name()+": state", b.options.keys)
	defer bar.finish()
	return drain(life, b.adm, c.group(), []string{b.topic(recovery.Events)}, recoveryBuild,
		func(lag int64) {
			bar.set(b.options.keys-min(lag, b.options.keys), b.options.keys)
		})
}

// alive is a context that ends with a process that ends by itself.
func alive(ctx context.Context, proc *process.Process) (context.Context, context.CancelCauseFunc) {
	life, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-proc.Done():
			cancel(fmt.Errorf("%s ended with exit code %d; it said:\n%s", proc.Name(),
				proc.ExitCode(), proc.Tail(10)))
		case <-life.Done():
		}
	}()
	return life, cancel
}

// rung kills the program, leaves it what the rung says, starts it, and waits for answers.
func (b *recoveryRun) rung(ctx context.Context, c contestant, rung string, watch *recovery.Watch,
	proc **process.Process) error {
	if err := b.settled(ctx, c, rung, watch, *proc); err != nil {
		return err
	}
	(*proc).Kill9()
	if rung != rungLocal {
		if err := c.wipe(rung); err != nil {
			return err
		}
	}
	before, err := (*proc).Output()
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeoutCause(ctx, recoveryLimit,
		fmt.Errorf("no answer within %v", recoveryLimit))
	defer cancel()
	began := time.Now()
	if *proc, err = c.start(); err != nil {
		return err
	}
	life, release := alive(limited, *proc)
	defer release(nil)
	first, all, err := watch.Await(life)
	if err != nil {
		return fmt.Errorf("start from %s: %w", rung, err)
	}
	got := recoveryRung{System: c.name(), Rung: rung, FirstOutput: seconds(first.Sub(began)),
		AllPartitions: seconds(all.Sub(began))}
	used, err := (*proc).CPUTime()
	if err == nil {
		got.CPU = seconds(used)
		got.PeakRSS, err = (*proc).PeakRSS()
	}
	var log string
	if err == nil {
		log, err = (*proc).Output()
	}
	if err == nil {
		err = c.read(log[len(before):], &got)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(b.app.stdout, "%s from %s: first output after %.2f s, all partitions %.2f s\n",
		got.System, rung, got.FirstOutput, got.AllPartitions)
	b.result.Rungs = append(b.result.Rungs, got)
	return nil
}

// settled waits until the program runs as it does when nothing happened for a while, and the rung
// can be taken.
func (b *recoveryRun) settled(ctx context.Context, c contestant, rung string,
	watch *recovery.Watch, proc *process.Process) error {
	life, release := alive(ctx, proc)
	defer release(nil)
	limited, cancel := context.WithTimeoutCause(life, recoveryLimit,
		fmt.Errorf("not ready for a start from %s within %v", rung, recoveryLimit))
	defer cancel()
	if _, _, err := watch.Await(limited); err != nil {
		return err
	}
	select {
	case <-limited.Done():
		return context.Cause(limited)
	case <-time.After(b.options.settle):
	}
	return c.ready(limited, rung)
}

// logOf is where a program of the run says what it does.
func (b *recoveryRun) logOf(name string) string { return filepath.Join(b.dir, name+".log") }
