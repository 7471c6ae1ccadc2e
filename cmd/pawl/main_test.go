package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// TestMain lets the demo and the bench start this test binary as the instances they run.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && slices.Contains([]string{"run", "bench", "deadletter"}, os.Args[1]) {
		main()
	}
	os.Exit(m.Run())
}

// output can be read while a command still writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// pawl runs a command line in this process.
func pawl(environ []string, args ...string) (code int, stdout, stderr string) {
	var out, errs output
	code = run(context.Background(), args, environ, &out, &errs)
	return code, out.String(), errs.String()
}

// TestExitCodes runs command lines that end before anything is contacted.
func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	good := []string{"--set", "application.id=a", "--set", "state.dir=" + dir, "--kafka",
		"127.0.0.1:1", "--registry", "http://127.0.0.1:1"}
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		code    int
		said    string // on standard error
	}{
		{"version", nil, []string{"version"}, 0, ""},
		{"no command", nil, nil, 0, ""},
		{"unknown command", nil, []string{"rum"}, 2,
			`command "rum" is unknown; did you mean run?`},
		{"unknown flag", nil, []string{"demo", "--crash"}, 2,
			"unknown flag: --crash; see pawl demo"},
		{"flag's type", nil, []string{"demo", "--rate", "x"}, 2,
			`invalid argument "x" for "--rate"`},
		{"no pipeline", nil, []string{"run"}, 2, "pawl run needs one pipeline; use fraud"},
		{"unknown pipeline", nil, []string{"run", "frod"}, 2, `pipeline "frod" is unknown; use fraud`},
		{"argument", nil, []string{"demo", "fraud"}, 2, `pawl demo takes no argument "fraud"`},
		{"good settings", nil, append([]string{"config", "fraud"}, good...), 0, ""},
		{"bad setting", nil, append([]string{"config", "--set", "fraud.span=5"}, good...), 2,
			"fraud.span=5 (from flag --set): is not a duration"},
		{"bad environment", []string{"PAWL_FRAUD_SPAN=0s"},
			append([]string{"run", "fraud"}, good...), 2,
			"fraud.span=0s (from environment PAWL_FRAUD_SPAN): is zero"},
		{"bad point", []string{"PAWL_KILL_AT=flush"}, append([]string{"run", "fraud"}, good...), 2,
			"PAWL_KILL_AT=flush (from environment): no such point; use before-begin, first-ack, " +
				"flushed, offsets-pending, end-sent, end-answered, applying, applied, " +
				"overlapping, spilling, spilled, claimed, restoring, restored, revoking, " +
				"checkpoint-copied, checkpoint-uploaded, checkpoint-written, checkpoint-pruned, " +
				"restore-downloaded, replay-begun, replay-flushed, replay-offsets, replay-ended, " +
				"deadletter-fenced, deadletter-begun, deadletter-flushed, deadletter-sent, " +
				"deadletter-ended\n"},
		{"nothing set", nil, []string{"run", "fraud"}, 2, "application.id= (from default): "},
		{"no such file", nil, []string{"run", "fraud", "--config", dir + "/x"}, 2,
			"(from file " + dir + "/x): cannot be read"},
		{"demo's flags", nil, []string{"demo", "--rate", "0", "--instances", "65"}, 2,
			"--rate=0 is out of range; give 1 to 10000000\n--instances=65 is out of range"},
		{"demo's report", nil, []string{"demo", "--report", dir + "/no/r.json"}, 2,
			"--report=" + dir + "/no/r.json cannot be written"},
		{"half a cluster", nil, []string{"demo", "--kafka", "h:1"}, 2,
			"--kafka without --registry"},
		{"bench's flags", nil, []string{"bench", "fraud", "--events", "0", "--skew", "-1"}, 2,
			"--events=0 is out of range; give 1 or more\n--skew=-1 is out of range; give 0 to 10"},
		{"bench's interval", nil, []string{"bench", "fraud", "--commit-interval", "-1s"}, 2,
			"commit.interval=-1s (from flag --commit-interval): is negative"},
		{"generate's cluster", nil, []string{"generate", "fraud"}, 2,
			"bootstrap.servers= (from default): no broker address"},
		{"generate's flags", nil, []string{"generate", "fraud", "--disorder", "2"}, 2,
			"--disorder=2 is out of range"},
	} {
		code, stdout, stderr := pawl(c.environ, c.args...)
		if code != c.code || !strings.Contains(stderr, c.said) {
			t.Errorf("%s: exit %d, want %d; said\n%s\nwant %s", c.name, code, c.code, stderr,
				c.said)
		}
		if c.code == 0 && stdout == "" {
			t.Errorf("%s: said nothing", c.name)
		}
	}
}

// TestFaultsAreComplete has one line for each of the faults and nothing else.
func TestFaultsAreComplete(t *testing.T) {
	_, _, stderr := pawl([]string{"PAWL_KILL_AT=applied:0"}, "run", "fraud", "--set", "x=1",
		"--set", "schema.registry.url=localhost", "--set", "fraud.max.total.cents=-5")
	var keys []string
	for line := range strings.Lines(stderr) {
		key, _, _ := strings.Cut(line, "=")
		keys = append(keys, key)
	}
	want := "x schema.registry.url fraud.max.total.cents application.id bootstrap.servers " +
		"state.dir PAWL_KILL_AT"
	if got := strings.Join(keys, " "); got != want {
		t.Errorf("faults of %s\nwant %s\n%s", got, want, stderr)
	}
}

// TestHelpTeaches asks every command for its help.
func TestHelpTeaches(t *testing.T) {
	for _, name := range []string{"demo", "run", "generate", "bench", "checkpoint", "state",
		"config", "version"} {
		code, stdout, stderr := pawl(nil, name, "--help")
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Examples:\n  pawl "+name) {
			t.Errorf("pawl %s --help: exit %d %s\n%s", name, code, stderr, stdout)
		}
		for line := range strings.Lines(stdout) {
			if len(line) > 101 {
				t.Errorf("pawl %s --help: line is too long: %s", name, line)
			}
		}
	}
}

func TestConfigJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.yaml")
	text := "commit.interval.ms: 50\nschema.registry.user: u\nschema.registry.password: hunter2\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, _ := pawl(nil, "config", "fraud", "--json", "--config", file)
	var got configReport
	if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 2 {
		t.Fatalf("exit %d, %v\n%s", code, err, stdout)
	}
	if strings.Contains(stdout, "hunter2") {
		t.Error("the password is shown")
	}
	found := 0
	for _, e := range got.Settings {
		if e.Name == "commit.interval" && e.Value == "50ms" && e.Source == "file "+file+":1" ||
			e.Name == "schema.registry.password" && e.Value == "******" {
			found++
		}
	}
	if found != 2 || len(got.Faults) != 4 || len(got.Notices) != 1 {
		t.Errorf("got %s", stdout)
	}
}
