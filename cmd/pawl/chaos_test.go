package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pawl/integration/harness/process"
	"pawl/internal/chaos"
)

// TestChaosEmbedded has faults of all sorts done to real processes until three of them have been
// recovered from, however long this machine takes.
func TestChaosEmbedded(t *testing.T) {
	dir := t.TempDir()
	report := filepath.Join(dir, "r.json")
	b := inBackground(t, "chaos", "--pipelines", "fraud", "--duration", "0", "--rate", "300",
		"--seed", "5", "--brokers", "1", "--dir", dir, "--report", report,
		"--faults", "kill,kill-at,disk-full,corrupt-sst,poison,reset,delay,registry-down")
	until(t.Context(), 2*time.Minute, func() bool {
		return strings.Count(b.out.String(), ": recovered after") >= 3 || len(b.code) > 0
	})
	b.stop()
	code := <-b.code
	stdout, stderr := b.out.String(), b.errs.String()
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	got := readJSON(t, report)
	wantKeys(t, "report", got, "seed faults records epochs_committed epochs_aborted "+
		"commits_unconfirmed recovery_seconds oracle violations timeline samples instances")
	wantKeys(t, "recovery_seconds", got["recovery_seconds"].(map[string]any), "p50 p99 max")
	faults := got["faults"].(map[string]any)
	wantKeys(t, "faults", faults, "kill kill-at disk-full corrupt-sst poison reset delay "+
		"registry-down")
	if total := got["faults_total"].(float64); total < 3 || len(faults) != 8 {
		t.Errorf("%v faults: %v", total, faults)
	}
	if got["oracle"] != "match" || got["records"].(float64) < 1000 ||
		got["epochs_committed"].(float64) < 10 || len(got["violations"].([]any)) != 0 {
		t.Errorf("report %v", got)
	}
	page, err := os.ReadFile(filepath.Join(dir, "r.html"))
	if err != nil || !strings.Contains(string(page), "nothing was violated") {
		t.Errorf("the page: %v\n%s", err, page)
	}
	if strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "violations: 0\n") ||
		!strings.Contains(stdout, "took effect") {
		t.Errorf("said\n%s", stdout)
	}
}

// TestChaosOnGivenCluster leaves no topic behind.
func TestChaosOnGivenCluster(t *testing.T) {
	c, _ := testCluster(t)
	t.Setenv("TMPDIR", t.TempDir())
	code, stdout, stderr := pawl(os.Environ(), "chaos", "--pipelines", "activity", "--duration",
		"4s", "--broker", c.brokers[0], "--registry", c.registry.URL, "--faults", "kill,reset")
	if code != 0 || !strings.Contains(stdout, "oracle: match\n") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	topics, err := c.admin(t).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "pawl-chaos-") {
			t.Errorf("topic %s was left", name)
		}
	}
}

func TestChaosRefuses(t *testing.T) {
	t.Setenv("PAWL_SERVERS_DIR", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--faults kil", []string{"--faults=kil is no kind of fault; the nearest is kill"}},
		{"--faults kill,blckhole", []string{"the nearest is blackhole"}},
		{"--faults broker-kill", []string{"needs brokers of our own", "--broker local"}},
		{"--broker local --brokers 1 --faults coordinator-kill", []string{"--brokers 3"}},
		{"--brokers 2 --rate 0 --instances 0",
			[]string{"--brokers=2", "--rate=0", "--instances=0"}},
		{"--broker somewhere", []string{"--broker=somewhere is neither", "needs --registry"}},
		{"--registry http://127.0.0.1:1", []string{"is for --broker ADDR"}},
		{"--pipelines fruad", []string{"--pipelines=fruad is unknown"}},
		{"--report nowhere/r.json", []string{"--report=nowhere/r.json cannot be written"}},
		{"--broker local", []string{"--broker=local: ", "make servers"}},
		{"--broker 127.0.0.1:1 --registry http://127.0.0.1:1 --set startup.timeout=1s",
			[]string{"could not run", "127.0.0.1:1"}},
	} {
		t.Run(c.args, func(t *testing.T) {
			code, _, stderr := pawl(nil, append([]string{"chaos"}, strings.Fields(c.args)...)...)
			if code != 2 {
				t.Errorf("exit %d, want 2", code)
			}
			for _, want := range c.want {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not in\n%s", want, stderr)
				}
			}
		})
	}
}

// TestHelpTellsKinds: each kind stands in the help with the brokers it works on.
func TestHelpTellsKinds(t *testing.T) {
	_, stdout, _ := pawl(nil, "chaos", "--help")
	for _, trait := range chaos.Traits() {
		if !strings.Contains(stdout, "  "+string(trait.Kind)+" ") {
			t.Errorf("the help has no %s:\n%s", trait.Kind, stdout)
		}
	}
	if !strings.Contains(stdout, "broker-kill      L ") ||
		!strings.Contains(stdout, "kill             E L A") {
		t.Errorf("said\n%s", stdout)
	}
}

// TestEndsAreJudged: what a fault explains is excused, everything else is a violation.
func TestEndsAreJudged(t *testing.T) {
	ran := &statusReport{State: "RUNNING"}
	for _, c := range []struct {
		name    string
		script  string
		last    *statusReport
		prepare func(d *ordeal, m *instance)
		bad     bool
	}{
		{name: "by itself", script: "exit 1", last: ran, bad: true},
		{name: "killed by a stranger", script: "kill -9 $$", last: ran, bad: true},
		{name: "killed by us", script: "kill -9 $$", last: ran,
			prepare: func(_ *ordeal, m *instance) { m.expectEnd() }},
		{name: "disk", script: "exit 1", last: ran,
			prepare: func(d *ordeal, m *instance) { d.excuse(m) }},
		{name: "disk, but killed", script: "kill -9 $$", last: ran, bad: true,
			prepare: func(d *ordeal, m *instance) { d.excuse(m) }},
		{name: "damage", script: "echo store is damaged; exit 1", last: ran,
			prepare: func(d *ordeal, m *instance) { d.spoiled[m] = true }},
		{name: "damage nobody did", script: "echo store is damaged; exit 1", last: ran, bad: true},
		{name: "outage at start", script: "exit 1",
			prepare: func(d *ordeal, _ *instance) { d.outage() }},
		{name: "outage while running", script: "exit 1", last: ran, bad: true,
			prepare: func(d *ordeal, _ *instance) { d.outage() }},
		{name: "panic in an outage", script: "exit 2", bad: true,
			prepare: func(d *ordeal, _ *instance) { d.outage() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &ordeal{excused: map[*instance]time.Time{}, spoiled: map[*instance]bool{},
				inVain: map[*instance]int{}, stage: &stage{view: newView(&output{})}}
			m := &instance{name: "m", spec: process.Spec{Path: "sh", Args: []string{"-c", c.script},
				Log: filepath.Join(t.TempDir(), "log")}}
			if err := m.start(); err != nil {
				t.Fatal(err)
			}
			if _, err := m.process().Wait(20 * time.Second); err != nil {
				t.Fatal(err)
			}
			m.last = c.last
			if c.prepare != nil {
				c.prepare(d, m)
			}
			_ = d.ended(m, m.process()) // whether it is started again is not asked here
			if bad := len(d.violations) > 0; bad != c.bad {
				t.Errorf("violations %v, want %v", d.violations, c.bad)
			}
		})
	}
}

// TestHeldInstanceIsNotStarted: a fleet starts a held member again when it is released, with the
// environment it was given, once.
func TestHeldInstanceIsNotStarted(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	m := &instance{name: "m", spec: process.Spec{Path: "sh", Log: log,
		Args: []string{"-c", `echo "once=$ONCE"; sleep 60`}}}
	if err := m.start(); err != nil {
		t.Fatal(err)
	}
	f := newFleet(fleetSpec{count: 1, event: func(string) {},
		ended: func(*instance, *process.Process) error { return nil }})
	f.members = []*instance{m}
	f.wait.Go(func() { f.keep(t.Context(), m) })
	defer f.kill()
	said := func(text string) func() bool {
		return func() bool { return saidSince(log, 0, text) }
	}
	if !until(t.Context(), 20*time.Second, said("once=\n")) {
		t.Fatal("it did not start")
	}
	release := m.hold()
	first := m.process()
	m.expectEnd("ONCE=yes")
	first.Kill9()
	if until(t.Context(), 300*time.Millisecond, func() bool { return m.process() != first }) {
		t.Fatal("a held instance was started")
	}
	release()
	if !until(t.Context(), 20*time.Second, said("once=yes\n")) || m.started() != 2 {
		t.Fatalf("it was started %d times", m.started())
	}
	m.process().Kill9()
	if !until(t.Context(), 20*time.Second, func() bool { return m.started() == 3 }) {
		t.Fatal("it was not started again")
	}
	if !until(t.Context(), 20*time.Second, func() bool {
		text, err := os.ReadFile(log)
		return err == nil && string(text) == "once=\nonce=yes\nonce=\n"
	}) {
		t.Error("the environment was given twice")
	}
}

func TestDetour(t *testing.T) {
	want := detour{"a:1": "127.0.0.1:2", "b:3": "127.0.0.1:4"}
	got, err := parseDetour([]string{"X=1", detourText(want)})
	if err != nil || len(got) != 2 || got["a:1"] != want["a:1"] || got["b:3"] != want["b:3"] {
		t.Errorf("parse %q = %v, %v", detourText(want), got, err)
	}
	if got, err := parseDetour([]string{"X=1"}); got != nil || err != nil {
		t.Errorf("without the variable: %v, %v", got, err)
	}
	for _, bad := range []string{"a:1", "a=b:1", "a:1=b", "a:1=b:1,"} {
		if _, err := parseDetour([]string{"PAWL_DETOUR=" + bad}); err == nil ||
			!strings.Contains(err.Error(), "PAWL_DETOUR="+bad+" (from environment)") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestDiskFault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "disk")
	d := parseDiskFault([]string{"PAWL_DISK_FAULT=" + file})
	check := func(said string, write, fails bool) {
		t.Helper()
		if said != "" {
			if err := os.WriteFile(file, []byte(said+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.check(write); (err != nil) != fails {
			t.Errorf("%q, write %v: %v", said, write, err)
		}
	}
	check("", true, false)
	check(diskFull, true, true)
	check(diskFull, false, false)
	check(diskError, true, true)
	check(diskError, false, true)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	check("", true, false)
	if parseDiskFault([]string{"X=1"}) != nil {
		t.Error("a fault without the variable")
	}
}
