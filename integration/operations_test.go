//go:build unix

package integration

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/internal/survey"
	"pawl/processor"
)

// operate runs a command on the stage's application and gives its exit code and what it said.
func (s *stage) operate(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	for _, kv := range []string{"application.id=" + s.app, "topic.prefix=" + s.prefix(),
		"bootstrap.servers=" + s.brokers, "schema.registry.url=" + s.url} {
		args = append(args, "--set", kv)
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, shared.Pawl(s.t), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); cmd.ProcessState == nil {
		s.t.Fatalf("pawl %v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// said is operate for one that must end with an exit code, and say something.
func (s *stage) said(code int, want string, args ...string) {
	s.t.Helper()
	got, out, errs := s.operate(args...)
	if got != code || !strings.Contains(out+errs, want) {
		s.t.Fatalf("pawl %v: exit %d, want %d and %q\n%s%s", args, got, code, want, out, errs)
	}
}

// standing is what pawl status tells.
func (s *stage) standing() survey.Report {
	s.t.Helper()
	code, out, errs := s.operate("status", "--json")
	var report survey.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		s.t.Fatalf("pawl status: exit %d, %v\n%s%s", code, err, out, errs)
	}
	return report
}

// undecided says how many partitions of the changelog end in an open transaction.
func (s *stage) undecided() (n int) {
	s.t.Helper()
	topic := processor.ChangelogName(s.app, "fraud")
	ends, err := s.adm.ListEndOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	stable, err := s.adm.ListCommittedOffsets(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	for p, end := range ends[topic] {
		if at, ok := stable.Lookup(topic, p); !ok || at.Offset < end.Offset {
			n++
		}
	}
	return n
}

// TestTransactionOfTheDead: what a killed instance left open is found, described and aborted, and
// nothing is lost or repeated.
func TestTransactionOfTheDead(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 2)
	n := s.node("n1")
	n.settings = []string{"transaction.timeout=10m", "session.timeout=6s"}
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() {
		_, err := s.load(ctx, 500, 3)
		loaded <- err
	}()
	n.start("PAWL_KILL_AT=flushed:20")
	select {
	case <-n.proc.Done():
	case <-time.After(time.Minute):
		t.Fatalf("it does not kill itself: %s", n.proc.Output())
	}
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	id := s.app + "-n1"
	s.said(1, "is in the group", "transactions", "abort", id, "--execute")
	s.until("its transaction is orphaned", func() bool {
		code, out, _ := s.operate("transactions", "find-hanging")
		return code == 1 && strings.Contains(out, "orphaned:") && strings.Contains(out, id)
	})
	if s.undecided() == 0 {
		t.Error("nothing is held back")
	}
	s.said(0, "state        Ongoing", "transactions", "describe", id)
	s.said(0, "-fraud-changelog-0 from offset", "transactions", "describe", id)
	s.said(0, id, "transactions", "list", "--open")
	s.said(0, "nothing was changed", "transactions", "abort", id)
	s.said(1, "1 transactions hang", "transactions", "find-hanging")
	s.said(0, "aborted: its transactional id is fenced", "transactions", "abort", id, "--execute")
	s.said(0, "nothing hangs", "transactions", "find-hanging")
	if held := s.undecided(); held > 0 {
		t.Errorf("%d partitions are still held back", held)
	}
	began := time.Now()
	n.start()
	n.await(began)
	s.drained(time.Minute)
	if code := n.proc.Stop(); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	s.check()
}

// TestPauseAndDrain: two instances under load are paused, resumed and drained, and what they did is
// the oracle's.
func TestPauseAndDrain(t *testing.T) {
	s := newStage(t, shared.Kafka(t), shared.Registry(t), 4)
	nodes := []*node{s.node("n1"), s.node("n2")}
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
		sent, err = s.load(ctx, 1000, 4)
		loaded <- err
	}()
	for _, n := range nodes {
		n.await(began)
	}
	s.said(0, "instance n2 at ", "pause")
	first := s.standing()
	for last := int64(-1); ; { // until what was in hand is committed
		first = s.standing()
		sum := int64(0)
		for _, task := range first.Tasks {
			sum += task.Epoch
		}
		if sum == last {
			break
		}
		last = sum
	}
	s.until("lag grows", func() bool { return s.standing().Lag > first.Lag+500 })
	second := s.standing()
	if second.State != survey.Paused || len(second.Instances) != 2 || len(second.Tasks) != 4 {
		t.Errorf("paused: %+v", second)
	}
	for i, task := range second.Tasks {
		if task.Epoch != first.Tasks[i].Epoch || task.State != "RUNNING" {
			t.Errorf("%s went from epoch %d to %d (%s) while paused", task.Task,
				first.Tasks[i].Epoch, task.Epoch, task.State)
		}
	}
	s.said(0, "instance n1 at ", "resume")
	s.until("it goes on", func() bool { return s.standing().Lag < second.Lag/2 })
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.said(0, "have stopped", "drain", "--timeout", "1m")
	for _, n := range nodes {
		if code := n.proc.Wait(10 * time.Second); code != 0 {
			t.Errorf("%s ended with exit code %d: %s", n.name, code, n.proc.Output())
		}
	}
	if lag, err := s.lag(); lag != 0 || err != nil {
		t.Errorf("drained with a lag of %d, %v", lag, err)
	}
	s.check()
	t.Logf("%d transactions sent", sent.Records)
}
