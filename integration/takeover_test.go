//go:build unix

package integration

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestTakeoverFencesTheDead kills an instance for good while its transaction is open, with a
// transaction timeout far beyond the test's patience. The instance that takes its tasks over has to
// end that transaction itself: it holds back the changelog's end, and the outputs of everybody.
func TestTakeoverFencesTheDead(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 4)
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() {
		_, err := s.load(ctx, 3_000, 4)
		loaded <- err
	}()
	patience := []string{"session.timeout=3s", "transaction.timeout=5m"}
	dead, heir := s.node("dead"), s.node("heir")
	dead.settings, heir.settings = patience, patience
	dead.start("PAWL_KILL_AT=flushed:9")
	select {
	case <-dead.proc.Done():
	case <-time.After(time.Minute):
		t.Fatal("the first instance did not die")
	}
	died := time.Now()
	heir.start()
	took := heir.await(died)
	if !strings.Contains(heir.proc.Output(), "fenced transactional id "+s.app+"-dead") {
		t.Errorf("the heir says nothing of the transaction it had to end:\n%s", heir.proc.Output())
	}
	t.Logf("taken over in %v, with a session timeout of 3s", took.Round(time.Millisecond))
	time.Sleep(time.Second)
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.drained(time.Minute)
	if code := heir.proc.Stop(); code != 0 {
		t.Fatalf("the heir ended with exit code %d", code)
	}
	s.check()
}
