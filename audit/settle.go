package audit

import (
	"context"
	"fmt"
	"time"

	"pawl/internal/verify"
)

const (
	// patience is how long the transactions of a live application are waited for.
	patience = 2 * time.Minute
	// grace is how long those of a stopped one are: markers are written after the commit's answer.
	grace = 3 * time.Second
	// lookEvery is how often they are looked at.
	lookEvery = 20 * time.Millisecond
)

// pause waits a moment, or for the end of ctx.
func pause(ctx context.Context) error {
	timer := time.NewTimer(lookEvery)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// settle finds how far every topic is read. What the positions account for was sent before they
// were committed, but markers reach partitions one by one: of a live application, records that
// stand there now are waited for until they are decided. A stopped one may leave none undecided.
func (a *auditor) settle(ctx context.Context) error {
	names := []string{a.layout.changelog.name}
	for _, t := range a.layout.written() {
		names = append(names, t.name)
		bounds, err := a.settled(ctx, t.name)
		if err != nil {
			return err
		}
		a.bounds[t.name] = bounds
	}
	for _, in := range a.layout.inputs {
		bounds, err := a.cluster.Bounds(ctx, in.name)
		if err != nil {
			return err
		}
		a.bounds[in.name] = bounds
	}
	if a.report.Live {
		return nil
	}
	return a.noneOpen(ctx, names)
}

// noneOpen reports the transactions that a stopped application has left open.
func (a *auditor) noneOpen(ctx context.Context, names []string) error {
	for began := time.Now(); ; {
		open, err := a.cluster.OpenTransactions(ctx, names)
		if err != nil {
			return err
		}
		if len(open) == 0 || time.Since(began) >= a.grace {
			for _, t := range open {
				a.report.violated(OpenTransaction, t.id, "%s", t.detail)
			}
			return nil
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// settled waits until what stands on a topic now is decided, and returns how far it can be read.
func (a *auditor) settled(ctx context.Context, name string) ([]verify.Bounds, error) {
	ends, err := a.cluster.Ends(ctx, name)
	if err != nil {
		return nil, err
	}
	for began := time.Now(); ; {
		bounds, err := a.cluster.Bounds(ctx, name)
		if err != nil {
			return nil, err
		}
		if len(ends) != len(bounds) {
			return nil, fmt.Errorf("topic %s has %d partitions, and had %d", name, len(bounds),
				len(ends))
		}
		behind := -1
		for p := range bounds {
			if bounds[p].To < ends[p] {
				behind = p
			}
		}
		switch waited := time.Since(began); {
		case behind < 0:
			return bounds, nil
		case !a.report.Live && waited >= a.grace:
			a.undecided(name, bounds, ends)
			return bounds, nil
		case waited > patience:
			return nil, fmt.Errorf("%s could be read to offset %d only, of %d, for %v: a "+
				"transaction is open", part(name, int32(behind)), bounds[behind].To, ends[behind],
				patience)
		}
		if err := pause(ctx); err != nil {
			return nil, err
		}
	}
}

// undecided reports the records of a stopped application that are neither committed nor aborted.
func (a *auditor) undecided(name string, bounds []verify.Bounds, ends []int64) {
	for p := range bounds {
		if bounds[p].To < ends[p] {
			a.report.violated(OpenTransaction, part(name, int32(p)), "it can be read to offset %d "+
				"only, of %d: a transaction is open", bounds[p].To, ends[p])
		}
	}
}
