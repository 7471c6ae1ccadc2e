//go:build unix

package speed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pawl/pipelines/fraud"
)

// Turn is what one contestant did in one round.
type Turn struct {
	Contestant string   `json:"contestant"`
	Run        int      `json:"run"` // from 1
	Load       string   `json:"load_average"`
	Bulk       *Bulk    `json:"bulk,omitempty"`
	Paced      []Paced  `json:"paced,omitempty"`
	Verdict    *Verdict `json:"verdict,omitempty"`       // of the bulk
	PacedRight *Verdict `json:"paced_verdict,omitempty"` // of the paced load
	Verified   bool     `json:"verified"`
	Failed     string   `json:"failed,omitempty"` // why there is less than there should be
}

// Run holds the contest. Its error says that there was none; a contestant that fails or is wrong
// stands in the report.
func Run(ctx context.Context, o Options) (*Report, error) {
	f, err := openField(ctx, o)
	if err != nil {
		return nil, err
	}
	defer f.close()
	return f.hold(ctx)
}

// hold is the contest, once there is a place for it.
func (f *field) hold(ctx context.Context) (*Report, error) {
	r := newReport(ctx, f)
	entrants, absent, err := f.entrants(ctx)
	if err != nil {
		return nil, err
	}
	r.enter(entrants, absent)
	if err := f.fill(ctx); err != nil {
		return nil, err
	}
	r.Decisions, r.Alerts = f.truth.decisions, f.truth.alerts
	if err := f.warm(ctx); err != nil {
		return nil, err
	}
	for run := 1; run <= f.options.Runs; run++ {
		for _, e := range entrants {
			turn := f.turn(ctx, e, run)
			if ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			r.Turns = append(r.Turns, turn)
		}
	}
	r.conclude()
	return r, nil
}

// fill loads the bulk input and asks the oracle about it.
func (f *field) fill(ctx context.Context) error {
	topic := bulk + fraud.Transactions
	f.told("loading %d events", f.options.Events)
	if err := f.createTopic(ctx, topic); err != nil {
		return err
	}
	if err := f.preload(ctx, topic, f.options.Seed, f.options.Events, true); err != nil {
		return err
	}
	f.told("asking the oracle")
	source, err := f.source("peer-oracle")
	if err != nil {
		return err
	}
	defer source.Close()
	f.truth, err = findTruth(ctx, source, f.registry, topic)
	return err
}

// warm has the raw copy run once, for nobody's figures: the first turn would pay for a broker that
// has compiled nothing yet.
func (f *field) warm(ctx context.Context) error {
	p, err := prepareCopy(ctx, f)
	var lacks *errAbsent
	if errors.As(err, &lacks) {
		return nil
	}
	if err != nil {
		return err
	}
	f.told("warming the broker up")
	copies := entrant{&contestant{name: "warm-up", copies: true}, p}
	if _, _, err = f.bulkTurn(ctx, copies, 0); err != nil {
		return fmt.Errorf("warm the broker up: %w", err)
	}
	return nil
}

// turn is one contestant's, bulk first.
func (f *field) turn(ctx context.Context, e entrant, run int) Turn {
	t := Turn{Contestant: e.name, Run: run, Load: loadAverage()}
	limited, cancel := context.WithTimeoutCause(ctx, f.options.Limit,
		fmt.Errorf("given up after %v", f.options.Limit))
	defer cancel()
	var err error
	if t.Bulk, t.Verdict, err = f.bulkTurn(limited, e, run); err == nil {
		f.told("run %d of %d, %s: %.2f CPU s per million, %.2f settled, %.0f events/s in %v: %v",
			run, f.options.Runs, e.name, t.Bulk.CPU, t.Bulk.Settled, t.Bulk.Rate,
			time.Duration(t.Bulk.Seconds*float64(time.Second)).Round(time.Millisecond), t.Verdict)
		if e.probe == 0 && len(f.options.Rates) > 0 {
			t.Paced, t.PacedRight, err = f.pacedTurn(limited, e, run)
		}
	}
	for _, p := range t.Paced {
		f.told("run %d of %d, %s: p50 %.1f ms, p99 %.1f ms at %d/s", run, f.options.Runs, e.name,
			p.P50, p.P99, p.Rate)
	}
	if err != nil && ctx.Err() == nil {
		if limited.Err() != nil {
			err = fmt.Errorf("%w: %w", context.Cause(limited), err)
		}
		t.Failed = err.Error()
		f.told("run %d of %d, %s failed: %v", run, f.options.Runs, e.name, err)
	}
	t.Verified = err == nil && t.Verdict.Right(e.exactlyOnce) &&
		(t.PacedRight == nil || t.PacedRight.Right(e.exactlyOnce))
	return t
}
