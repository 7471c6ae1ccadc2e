package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// TestBenchAll measures all pipelines at once, on the embedded cluster.
func TestBenchAll(t *testing.T) {
	report := filepath.Join(t.TempDir(), "b.json")
	code, stdout, stderr := pawl(os.Environ(), "bench", "all", "--rate", strconv.Itoa(500),
		"--duration", "6s", "--partitions", "2", "--report", report)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	got := readJSON(t, report)
	if got["verified"] != true || got["embedded_broker"] != true || got["rate"] != 500.0 {
		t.Errorf("report %v", got)
	}
	latency, results := got["pipelines"].(map[string]any), got["results"].(map[string]any)
	for _, name := range []string{"fraud", "iot"} {
		l := latency[name].(map[string]any)
		p50, p99, n := l["p50"].(float64), l["p99"].(float64), results[name].(float64)
		// A third of the time does not count; the rest is about 400 records of each.
		if p50 <= 0 || p99 < p50 || p99 > 60_000 || n < 200 || n > 550 {
			t.Errorf("%s: p50 %v, p99 %v of %v results", name, p50, p99, n)
		}
	}
	// A count is emitted when the watermark has passed its second, about 2 s later.
	if l := latency["pageviews"].(map[string]any); l["p50"].(float64) < 1500 {
		t.Errorf("pageviews: %v", l)
	}
}
