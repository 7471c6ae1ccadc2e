//go:build unix

package integration

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"pawl/internal/loadgen"
)

const (
	killRate    = 12_000 // transactions per second
	killRateMin = 10_000 // what the test promises to have run under
	randomKills = 30

	killedBySignal = -1 // the exit code of a process that a signal ended
)

// TestKilledInstancesLoseAndRepeatNothing kills three instances under load: 30 times at random
// moments, and twice at each named point of the transaction. Then every output and all state must
// be what the oracle says.
func TestKilledInstancesLoseAndRepeatNothing(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 6)
	nodes := []*node{s.node("n1"), s.node("n2"), s.node("n3")}
	began := time.Now()
	for _, n := range nodes {
		n.start()
	}
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	var sent loadgen.Result
	loaded := make(chan error, 1)
	go func() {
		var err error
		sent, err = s.load(ctx, killRate, 1)
		loaded <- err
	}()
	for _, n := range nodes {
		n.await(began)
	}
	var recoveries []time.Duration
	random := rand.New(rand.NewPCG(1, 1))
	for range randomKills {
		time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		n := nodes[random.IntN(len(nodes))]
		n.proc.Kill9()
		killed := time.Now()
		n.start()
		recoveries = append(recoveries, n.await(killed))
	}
	recoveries = append(recoveries, killAtEachPoint(t, nodes, random)...)
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.drained(time.Minute)
	for _, n := range nodes {
		if code := n.proc.Stop(); code != 0 {
			t.Fatalf("%s ended with exit code %d", n.name, code)
		}
	}
	s.check()
	rate := float64(sent.Records) / sent.Elapsed.Seconds()
	t.Logf("%d transactions at %.0f/s, %d kills; recovery %s", sent.Records, rate,
		len(recoveries), percentiles(recoveries))
	if rate < killRateMin {
		t.Errorf("the load was %.0f transactions/s, the proof wants %d", rate, killRateMin)
	}
}

// killAtEachPoint has instances kill themselves, twice at each named point.
func killAtEachPoint(t *testing.T, nodes []*node, random *rand.Rand) []time.Duration {
	t.Helper()
	var recoveries []time.Duration
	for i, point := range []string{"before-begin", "first-ack", "flushed", "offsets-pending",
		"end-sent", "end-answered", "applying", "applied"} {
		// The first is the claim's transaction, the seventh one in full flow.
		for round, nth := range []string{"1", "7"} {
			n := nodes[(i+round+random.IntN(2))%len(nodes)]
			n.proc.Kill9()
			n.start("PAWL_KILL_AT=" + point + ":" + nth)
			select {
			case <-n.proc.Done():
			case <-time.After(time.Minute):
				t.Fatalf("%s did not pass %s %s times: %s", n.name, point, nth, n.proc.Output())
			}
			if code := n.proc.ExitCode(); code != killedBySignal {
				t.Fatalf("%s ended at %s with exit code %d, not by a kill: %s", n.name, point, code,
					n.proc.Output())
			}
			killed := time.Now()
			n.start()
			recoveries = append(recoveries, n.await(killed))
		}
	}
	return recoveries
}
