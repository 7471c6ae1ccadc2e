package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/checkpoint"
	"pawl/integration/harness/process"
	"pawl/integration/harness/s3"
	"pawl/internal/settings"
)

// mortal is a service in a process of its own that keeps checkpoints and is killed.
type mortal struct {
	t       *testing.T
	cluster *cluster
	flags   []string
	adm     *kadm.Client
	url     string
	dir     string
	target  checkpoint.Target
	proc    *process.Process
	seed    int
}

func newMortal(t *testing.T, url string) *mortal {
	t.Helper()
	c, flags := testCluster(t)
	m := &mortal{t: t, cluster: c, flags: flags, adm: c.admin(t), url: url, dir: t.TempDir()}
	if err := createInputs(t.Context(), m.adm, []string{"transactions"}, 1); err != nil {
		t.Fatal(err)
	}
	var err error
	if m.target, err = checkpoint.Open(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.target.Close() })
	return m
}

// start starts the service again, which may die before it runs.
func (m *mortal) start(env ...string) {
	m.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	m.proc, err = process.Start(process.Spec{Path: exe, Env: env,
		Log: filepath.Join(m.t.TempDir(), "log"),
		Args: append([]string{"run", "fraud", "--set", "application.id=mortal",
			"--set", "instance.id=one", "--set", "state.dir=" + m.dir,
			"--set", "http.listen=127.0.0.1:0", "--set", "checkpoint.url=" + m.url,
			"--set", "checkpoint.interval=1s", "--set", "checkpoint.keep.last=1",
			"--set", "checkpoint.on.stop=true"}, m.flags...)})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(m.proc.Kill9)
}

// says waits for the process to write a line with the text.
func (m *mortal) says(text string) {
	m.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		out, err := m.proc.Output()
		if err == nil && strings.Contains(out, text) {
			return
		}
		if time.Now().After(end) || !m.proc.Running() {
			m.t.Fatalf("it never said %q:\n%s", text, out)
		}
	}
}

// feed sends n records.
func (m *mortal) feed(n int) {
	m.t.Helper()
	m.seed++
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", strconv.Itoa(n),
		"--rate", "0", "--seed", strconv.Itoa(m.seed)}, m.flags...)...)
	if code != 0 {
		m.t.Fatalf("generate: exit %d\n%s", code, said)
	}
}

// dies waits for the process to kill itself, and restarts it.
func (m *mortal) dies() {
	m.t.Helper()
	if code, err := m.proc.Wait(30 * time.Second); err != nil || code != -1 {
		m.t.Fatalf("exit %d, %v; want death by signal\n%s", code, err, m.proc.Tail(20))
	}
}

// complete lists the checkpoints that are whole.
func (m *mortal) complete() map[string]bool {
	m.t.Helper()
	s, err := checkpoint.NewSeries(m.target, "mortal", "fraud-0")
	if err != nil {
		m.t.Fatal(err)
	}
	entries, err := s.List(context.Background())
	if err != nil {
		m.t.Fatal(err)
	}
	ids := make(map[string]bool)
	for _, e := range entries {
		if e.Fault != nil {
			m.t.Errorf("checkpoint %s: %v", e.ID, e.Fault)
		}
		ids[e.ID] = true
	}
	return ids
}

// TestKilledAroundCheckpoints kills the service at each point of taking a checkpoint, with another
// one there already, and of restoring from one; then everything it wrote must be the model's.
func TestKilledAroundCheckpoints(t *testing.T) {
	t.Run("folder", func(t *testing.T) { killAround(t, "file://"+t.TempDir()) })
	t.Run("s3", func(t *testing.T) { killAround(t, s3.Serve(t, nil)) })
}

func killAround(t *testing.T, url string) {
	m := newMortal(t, url)
	m.start()
	m.says("msg=restored")
	m.feed(300)
	m.says("msg=checkpoint ")
	for _, c := range []struct {
		point string
		made  int // checkpoints that the death leaves
	}{
		{"checkpoint-copied", 0}, {"checkpoint-uploaded", 0}, {"checkpoint-written", 1},
		{"checkpoint-pruned", 1},
	} {
		m.proc.Kill9()
		before := m.complete()
		m.start("PAWL_KILL_AT=" + c.point)
		m.says("msg=restored")
		m.feed(300)
		m.dies()
		after := m.complete()
		if len(before) == 0 || len(after) != len(before)+c.made {
			t.Errorf("%s: %d checkpoints before and %d after", c.point, len(before), len(after))
		}
		for id := range before {
			if !after[id] {
				t.Errorf("%s: checkpoint %s is gone", c.point, id)
			}
		}
		m.start()
		m.says("rung=local")
		m.feed(300)
		m.says("msg=checkpoint ")
	}
	m.proc.Kill9()
	m.lose()
	m.start("PAWL_KILL_AT=restore-downloaded")
	m.dies()
	m.start()
	m.says("rung=local") // the store was whole, and was taken as it is
	m.proc.Kill9()
	m.lose()
	m.start()
	m.says("rung=checkpoint-and-tail")
	m.feed(300)
	m.settle()
}

// lose removes the state from the disk.
func (m *mortal) lose() {
	m.t.Helper()
	if err := os.RemoveAll(filepath.Join(m.dir, "mortal", "fraud-0")); err != nil {
		m.t.Fatal(err)
	}
}

// settle stops the service when it is done, and compares all it wrote with the model.
func (m *mortal) settle() {
	m.t.Helper()
	topics := []string{"transactions", "fraud-limits"}
	if err := drain(m.t.Context(), m.adm, "mortal", topics, 20*time.Second,
		func(int64) {}); err != nil {
		m.t.Fatal(err)
	}
	if err := m.proc.Stop(30 * time.Second); err != nil || m.proc.ExitCode() != 0 {
		m.t.Fatalf("stop: exit %d, %v\n%s", m.proc.ExitCode(), err, m.proc.Tail(20))
	}
	p, err := pipelineNamed("fraud")
	if err != nil {
		m.t.Fatal(err)
	}
	s, err := settings.Load(settings.Sources{})
	if err != nil {
		m.t.Fatal(err)
	}
	report, err := m.cluster.verdict(m.t.Context(), p.spec(s), "mortal", func(int64, int64) {})
	if err != nil || report.Oracle != "match" || report.RecordsIn < 10*300 {
		m.t.Errorf("the verdict is %+v, %v", report, err)
	}
	left, err := filepath.Glob(filepath.Join(m.dir, "mortal", "*.*"))
	for _, path := range left {
		if filepath.Base(path) != "instance.id" {
			m.t.Errorf("%s is left, %v", path, err)
		}
	}
	code, _, said := pawl(nil, "checkpoint", "verify", "--url", m.url)
	if code != 0 {
		m.t.Errorf("verify: exit %d\n%s", code, said)
	}
}
