//go:build unix

package speed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"pawl/integration/harness"
	"pawl/integration/harness/servers"
)

// copyRole makes the test binary the raw copy.
const copyRole = "speed-copy"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == copyRole {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		err := Copy(ctx, os.Args[2])
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestContest has three contestants measured, and three more that are wrong: the raw copy, which
// passes for a program that decides, one that dies, and one that does nothing.
func TestContest(t *testing.T) {
	harness.Streams(t) // skips or fails without it; where it is, the servers are
	built := t.TempDir()
	o := Defaults()
	o.Events, o.Users, o.Runs, o.Warm = 10_000, 250, 1, 1000
	o.Pace = 20 // windows slide
	o.Rates, o.Paced = []int{1000}, time.Second
	o.Only = []string{"pawl", "streams", "copy"}
	o.jvm = []string{"-XX:TieredStopAtLevel=1"}
	o.Dir = t.TempDir()
	o.Pawl = harness.Build(t, built, "pawl/cmd/pawl")
	o.Copy = []string{os.Args[0], copyRole}
	o.Told = func(line string) { t.Log(line) }
	f, err := openField(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	closed := sync.OnceFunc(f.close)
	defer closed()
	r, err := f.hold(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !r.Verified || len(r.Contestants) != 3 || len(r.Turns) != 3 {
		t.Errorf("verified %v, contestants %v, %d turns", r.Verified, r.Contestants, len(r.Turns))
	}
	for _, c := range r.Contestants {
		for _, figure := range []string{cpuWhole, cpuBroker, peakMemory, latency("p50", 1000),
			latency("p99", 1000)} {
			if m := c.Figures[figure]; m.Min <= 0 || m.Min > m.Median || m.Median > m.Max {
				t.Errorf("%s: %s is %v", c.Name, figure, m)
			}
		}
	}
	wrongOnes(t, f)
	closed()
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("the contest left %v in its folder, %v", left, err)
	}
}

// TestContestWithoutServers says what is missing, and leaves nothing.
func TestContestWithoutServers(t *testing.T) {
	t.Setenv("PAWL_SERVERS_DIR", t.TempDir())
	o := Defaults()
	o.Dir = t.TempDir()
	var missing *servers.Unavailable
	if _, err := Run(t.Context(), o); !errors.As(err, &missing) {
		t.Errorf("error %v, want one that says what is unavailable", err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("the contest left %v in its folder, %v", left, err)
	}
}

// wrongOnes have a turn each.
func wrongOnes(t *testing.T, f *field) {
	t.Helper()
	f.options.Rates = nil
	raw, err := prepareCopy(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	liar := entrant{&contestant{name: "liar", exactlyOnce: true}, raw}
	if turn := f.turn(t.Context(), liar, 1); turn.Verified || turn.Failed != "" ||
		turn.Verdict.Missing != f.truth.decisions {
		t.Errorf("copies pass for decisions: %+v, %v", turn, turn.Verdict)
	}
	f.options.Limit = 2 * time.Second
	for name, p := range map[string]program{
		"dead": {path: "false", args: func(job) []string { return nil }},
		"idle": {path: "sleep", args: func(job) []string { return []string{"60"} }},
	} {
		turn := f.turn(t.Context(), entrant{&contestant{name: name}, p}, 1)
		if turn.Verified || turn.Failed == "" {
			t.Errorf("a program that is %s is verified: %+v", name, turn)
		}
	}
	topics, err := f.adm.ListTopics(t.Context())
	if err != nil || len(topics) != 1 {
		t.Errorf("topics are left: %v, %v", topics.Names(), err)
	}
}
