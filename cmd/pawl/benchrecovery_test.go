package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pawl/internal/recovery"
)

// TestBenchRecovery takes a small state through all ways back, and leaves no topic behind.
func TestBenchRecovery(t *testing.T) {
	c, _ := testCluster(t)
	var out, errs output
	a := &app{environ: os.Environ(), stdout: &out, stderr: &errs}
	report := filepath.Join(t.TempDir(), "r.json")
	err := a.runRecovery(t.Context(), recoveryOptions{
		flags: sourceFlags{kafka: c.brokers[0], registry: c.registry.URL},
		keys:  50_000, partitions: 2, rate: 500, repeat: 1, seed: 1, report: report,
		settle: time.Second})
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out.String(), errs.String())
	}
	t.Log(out.String())
	got := readJSON(t, report)
	wantKeys(t, "report", got, "keys partitions rate seed embedded_broker rungs answers faults "+
		"verified")
	if got["verified"] != true || got["answers"].(float64) < 500 {
		t.Errorf("report %v", got)
	}
	rungs := got["rungs"].([]any)
	for i, name := range []string{"local", "changelog"} {
		rung := rungs[i].(map[string]any)
		wantKeys(t, name, rung, "system rung first_output_seconds all_partitions_seconds "+
			"restored_records restored_bytes cpu_seconds peak_rss_bytes steps")
		first := rung["first_output_seconds"].(float64)
		all := rung["all_partitions_seconds"].(float64)
		if rung["rung"] != name || first <= 0 || all < first || rung["cpu_seconds"] == 0.0 {
			t.Errorf("%s: %v", name, rung)
		}
		steps := rung["steps"].(map[string]any)
		wantKeys(t, name, steps, "brokers schemas group restore commit")
		var sum float64
		for _, s := range steps {
			sum += s.(float64)
		}
		if sum < first/10 || sum > all {
			t.Errorf("%s: the steps take %v s of %v to %v", name, sum, first, all)
		}
	}
	// Nothing of the state's events may be left out from nothing, nor the store be thrown away.
	if n := rungs[1].(map[string]any)["restored_records"].(float64); n < 50_000 {
		t.Errorf("the changelog alone gave %v records", n)
	}
	if n := rungs[0].(map[string]any)["restored_records"].(float64); n >= 100_000 {
		t.Errorf("with its local store it read %v records", n)
	}
	topics, err := c.admin(t).ListTopics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range topics.Names() {
		if strings.HasPrefix(name, "pawl-bench-") || strings.Contains(name, recovery.Name) {
			t.Errorf("topic %s was left", name)
		}
	}
}

// TestBenchRecoveryRefuses what it cannot measure.
func TestBenchRecoveryRefuses(t *testing.T) {
	code, _, stderr := pawl(nil, "bench", "recovery", "--keys", "0", "--partitions", "0", "--rate",
		"1", "--repeat", "0", "--streams")
	for _, want := range []string{"--keys=0", "--partitions=0", "--rate=1", "--repeat=0",
		"--streams needs a real Kafka"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in\n%s", want, stderr)
		}
	}
	if code != 2 {
		t.Errorf("exit %d", code)
	}
}
