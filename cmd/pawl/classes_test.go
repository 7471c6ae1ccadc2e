package main

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
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
		// A third of the time does not count; the rest is about 400 records of each, and on a
		// machine that has to make up for lost time no more than all 600.
		if p50 <= 0 || p99 < p50 || p99 > 60_000 || n < 200 || n > 650 {
			t.Errorf("%s: p50 %v, p99 %v of %v results", name, p50, p99, n)
		}
	}
	// A count is emitted when the watermark has passed its second, about 2 s later.
	if l := latency["pageviews"].(map[string]any); l["p50"].(float64) < 1500 {
		t.Errorf("pageviews: %v", l)
	}
}

// TestWarmUpDoesNotCount: what was sent while the processes got warm is left out, also when its
// result comes later.
func TestWarmUpDoesNotCount(t *testing.T) {
	from := time.Unix(1000, 0)
	early, late := origin{0, 1}, origin{0, 2}
	seen := from.Add(3 * time.Second)
	s := observed{from: from, sent: &sendTimes{at: map[origin]time.Time{
		early: from.Add(-time.Second), late: from.Add(time.Second)}},
		seen: map[origin]time.Time{early: seen, late: seen}}
	if l, n := s.report(); n != 1 || l.P50 != 2000 {
		t.Errorf("%d results count, p50 %v ms", n, l.P50)
	}
}
