//go:build synctests

// The brokers and clients draw from the global sources of chance too.
//go:debug randseednop=0

package sim_test

import (
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"

	"pawl/internal/sim"
)

// TestMain runs a campaign or a part of one when it is asked to, else the tests.
func TestMain(m *testing.M) {
	if os.Getenv(seedsVariable) != "" {
		os.Exit(campaign())
	}
	m.Run()
}

// fewSeeds are enough to notice that something is broken altogether.
const fewSeeds = 40

// TestSeeds simulates a few seeds; in a process of a campaign, those that it is given.
func TestSeeds(t *testing.T) {
	procs := runtime.GOMAXPROCS(1) // or the order of goroutines is less of the seed's doing
	defer runtime.GOMAXPROCS(procs)
	if part := os.Getenv(partVariable); part != "" {
		runPart(t, part)
		return
	}
	for seed := uint64(1); seed <= fewSeeds; seed++ {
		r := simulate(t, seed)
		if len(r.Violations) > 0 {
			t.Errorf("seed %d (%s) failed; make sim SEEDS=1 SEED=%d\n%s", seed, r.App, seed,
				failure(r))
		}
	}
}

// simulate runs one seed in a bubble of its own.
func simulate(t *testing.T, seed uint64) (r *sim.Report) {
	cryptotest.SetGlobalRandom(t, seed)
	//lint:ignore SA1019 the clients' and brokers' own source cannot be seeded otherwise
	rand.Seed(int64(seed))
	dir := t.TempDir()
	defer func() {
		if fault := recover(); fault != nil {
			stacks := make([]byte, 1<<20)
			r = &sim.Report{Seed: seed, App: app(seed).Name, Violations: []sim.Violation{{
				Invariant: "I12", Where: "bubble", Detail: fmt.Sprintf("%v\n%s", fault,
					stacks[:runtime.Stack(stacks, true)])}}}
		}
	}()
	synctest.Test(t, func(*testing.T) {
		r = sim.Run(sim.Config{Seed: seed, App: app(seed), Dir: dir})
	})
	return r
}

// failure prints what a failed run has to say.
func failure(r *sim.Report) string {
	var b strings.Builder
	for _, line := range r.Trace {
		fmt.Fprintln(&b, line)
	}
	for _, v := range r.Violations {
		fmt.Fprintln(&b, v)
	}
	return b.String()
}
