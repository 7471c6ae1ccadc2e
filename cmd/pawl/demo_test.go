package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func readJSON(t *testing.T, path string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return got
}

// wantKeys checks the shape that others rely on.
func wantKeys(t *testing.T, where string, got map[string]any, keys string) {
	t.Helper()
	for key := range strings.FieldsSeq(keys) {
		if _, ok := got[key]; !ok {
			t.Errorf("%s has no %s", where, key)
		}
	}
}

// TestDemo runs the whole demo with real child processes, and crashes.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	report := filepath.Join(dir, "r.json")
	// What the demo decides itself must win over the environment that the children see too.
	t.Setenv("PAWL_STATE_DIR", filepath.Join(dir, "wrong"))
	code, stdout, stderr := pawl(os.Environ(), "demo", "--pipelines", "fraud", "--duration", "5s",
		"--crash-every", "1500ms", "--rate", "500", "--seed", "7", "--dir", dir, "--report", report)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	got := readJSON(t, report)
	wantKeys(t, "report", got, "oracle crashes recovery_seconds seed pipelines")
	fraud := got["pipelines"].(map[string]any)["fraud"].(map[string]any)
	wantKeys(t, "pipelines.fraud", fraud, "records_in records_out missing extra different "+
		"state_keys state_different dead_lettered late oracle")
	if got["oracle"] != "match" || got["seed"] != 7.0 || got["crashes"].(float64) < 2 ||
		fraud["records_in"].(float64) < 2000 {
		t.Errorf("report %v", got)
	}
	recovery := got["recovery_seconds"].(map[string]any)
	if p50, most := recovery["p50"].(float64), recovery["max"].(float64); p50 <= 0 || most < p50 {
		t.Errorf("recovery %v", recovery)
	}
	if strings.Contains(stdout, "\x1b") || !strings.Contains(stdout, "oracle: match\n") ||
		!strings.Contains(stdout, "kill -9 fraud-") {
		t.Errorf("said\n%s", stdout)
	}
	if _, err := os.Stat(filepath.Join(dir, "wrong")); err == nil {
		t.Error("the children kept state where the environment said")
	}
	starts := 0
	code, _, stderr = pawl(nil, "checkpoint", "now", "--config", filepath.Join(dir, "fraud.yaml"))
	if code != 2 || !strings.Contains(stderr, "give --http with the address") {
		t.Errorf("checkpoint now asks whom it does not know: exit %d\n%s", code, stderr)
	}
	for _, name := range []string{"fraud-1.log", "fraud-2.log"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		starts += strings.Count(string(text), listeningAt)
	}
	if crashes := int(got["crashes"].(float64)); starts != 2+crashes {
		t.Errorf("2 instances with %d crashes started %d times", crashes, starts)
	}
	wantKeptDir(t, dir)
}

// wantKeptDir expects settings with which another command finds the cluster.
func wantKeptDir(t *testing.T, dir string) {
	t.Helper()
	code, _, stderr := pawl(nil, "config", "fraud", "--config", filepath.Join(dir, "fraud.yaml"))
	if code != 0 {
		t.Errorf("fraud.yaml is refused: %s", stderr)
	}
	for _, name := range []string{"fraud-1.log", "state-fraud-2", "cluster"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("--dir keeps no %s: %v", name, err)
		}
	}
}

// TestDemoInstancesCannotRun shows what the instances say instead of waiting for them.
func TestDemoInstancesCannotRun(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("PAWL_KILL_AT", "nowhere")
	t.Setenv("TMPDIR", tmp)
	start := time.Now()
	code, stdout, stderr := pawl(os.Environ(), "demo", "--pipelines", "fraud", "--duration", "5s")
	if code != 1 || !strings.Contains(stderr, "PAWL_KILL_AT=nowhere (from environment)") ||
		time.Since(start) > 30*time.Second {
		t.Errorf("exit %d after %v\n%s%s", code, time.Since(start), stdout, stderr)
	}
	if kept, err := os.ReadDir(tmp); err != nil || len(kept) != 1 ||
		!strings.Contains(stderr, "kept in "+filepath.Join(tmp, kept[0].Name())) {
		t.Errorf("logs are not kept: %v, %v\n%s", kept, err, stderr)
	}
}

// TestBenchOnGivenCluster leaves no topic behind.
func TestBenchOnGivenCluster(t *testing.T) {
	c, _ := testCluster(t)
	var out, errs output
	a := &app{environ: os.Environ(), stdout: &out, stderr: &errs}
	p, err := pipelineNamed("fraud")
	if err != nil {
		t.Fatal(err)
	}
	report := filepath.Join(t.TempDir(), "b.json")
	err = a.runBench(t.Context(), p, benchOptions{
		flags:  sourceFlags{kafka: c.brokers[0], registry: c.registry.URL},
		events: 20_000, users: 500, partitions: 2, commitInterval: 50 * time.Millisecond,
		report: report, latencyFor: time.Second})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	got := readJSON(t, report)
	wantKeys(t, "report", got, "missing extra different verified startup_cpu_seconds")
	for _, key := range []string{"events_per_second", "cpu_seconds_per_million", "peak_rss_bytes"} {
		if v, ok := got[key].(float64); !ok || v <= 0 {
			t.Errorf("%s is %v", key, got[key])
		}
	}
	latency := got["latency_ms"].(map[string]any)
	if p50, p99 := latency["p50"].(float64), latency["p99"].(float64); p50 <= 0 || p99 < p50 {
		t.Errorf("latency %v", latency)
	}
	if got["verified"] != true || got["commit_interval"] != "50ms" ||
		got["embedded_broker"] != false {
		t.Errorf("report %v", got)
	}
	topics, err := c.admin(t).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "pawl-bench-") {
			t.Errorf("topic %s was left", name)
		}
	}
}
