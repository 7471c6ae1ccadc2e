//go:build synctests

package sim_test

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"

	"pawl/internal/sim"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

// forgetful is a model that is wrong about one record in fifty.
type forgetful struct {
	verify.Model
	fed int
}

// Feed implements verify.Model.
func (m *forgetful) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	out, err := m.Model.Feed(ctx, in)
	if m.fed++; m.fed%50 == 7 {
		out.Outputs = nil
	}
	return out, err
}

// cheating counts without state: nothing shows, but after a crash or an abort.
func cheating() *processor.Pipeline {
	sums := make(map[string]int64)
	p := processor.New("count")
	_ = processor.Keyed(p, "state", tallyType())
	out := processor.Output(p, countOut, tallyType())
	processor.Input(p, countIn, tallyType(), func(ctx *processor.Context, t tally) error {
		n := sums[t.Key] + t.N
		if sums[t.Key] = n; n%11 == 0 {
			delete(sums, t.Key)
		}
		out.Emit(ctx, t.Key, tally{Key: t.Key, N: n})
		return nil
	})
	return p
}

// withoutState leaves the state out of what is compared.
func withoutState(spec verify.Spec) verify.Spec {
	model := spec.NewModel
	spec.NewModel = func(r *schemas.Resolver) verify.Model { return stateless{model(r)} }
	return spec
}

type stateless struct{ verify.Model }

// State implements verify.Model.
func (stateless) State() map[string]any { return nil }

// TestOracleBites: a run without a fault has no violation; one whose outputs are not the oracle's
// has; and what only a crash breaks is seen under faults.
func TestOracleBites(t *testing.T) {
	procs := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(procs)
	right, wrong, cheat := countApp(), countApp(), countApp()
	wrong.Spec.NewModel = func(r *schemas.Resolver) verify.Model {
		return &forgetful{Model: newCountModel(r)}
	}
	cheat.New, cheat.Spec = cheating, withoutState(cheat.Spec)
	for name, c := range map[string]struct {
		app    sim.App
		calm   bool
		broken bool
	}{
		"right, no faults":                  {right, true, false},
		"wrong model, no faults":            {wrong, true, true},
		"state beside the engine":           {cheat, false, true},
		"state beside the engine, no fault": {cheat, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			var r *sim.Report
			synctest.Test(t, func(*testing.T) {
				r = sim.Run(sim.Config{Seed: 3, App: c.app, Dir: dir, Calm: c.calm,
					Partitions: 1})
			})
			if c.broken != slices.ContainsFunc(r.Violations, func(v sim.Violation) bool {
				return v.Invariant == "I1"
			}) {
				t.Errorf("violations %v", r.Violations)
			}
			if r.Epochs == 0 || r.Records == 0 || c.calm != (r.Crashes == 0) ||
				c.calm != (len(r.Faults) == 0) {
				r.Trace = nil
				t.Errorf("the run was not what it should be: %+v", r)
			}
		})
	}
}
