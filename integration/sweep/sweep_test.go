package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/integration/harness/servers"
)

// TestGrid: one thing at a time differs from the base, and no point comes twice.
func TestGrid(t *testing.T) {
	steps := grid{events: 2_000_000, paced: 40 * time.Second, covered: 4}.steps()
	seen := map[Point]bool{}
	members := map[string]int{}
	for _, s := range steps {
		if seen[s.Point] {
			t.Errorf("%v comes twice", s.Point)
		}
		seen[s.Point] = true
		members[s.Factor]++
		if s.Point.Rate == 0 && s.Point.Events < 4*int64(s.Point.Keys) {
			t.Errorf("%v has fewer than 4 events for a key", s.Point)
		}
	}
	for _, f := range factors {
		if members[f] == 0 {
			t.Errorf("no point of %s", f)
		}
	}
	if steps[0].Factor != factorBase {
		t.Errorf("the first is %v, not the base", steps[0])
	}
	few := grid{events: 2_000_000, factors: []string{factorHot}}.steps()
	if len(few) != 1 || few[0].Point.Hot != 0.5 {
		t.Errorf("--factors hot gives %v", few)
	}
}

// TestResume: what a file has is not measured again, an unfinished line is cut off and its
// measurement made again, and what is no result is told.
func TestResume(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sweep.jsonl")
	all := turns(grid{events: 2_000_000, paced: time.Second}.steps(), 2)
	if got, err := readResults(path); err != nil || len(left(all, got)) != len(all) {
		t.Fatalf("without a file: %d results, %v", len(got), err)
	}
	for _, i := range []int{0, 3} {
		r := Result{Factor: all[i].Factor, Round: all[i].round, Point: all[i].Point, Events: 7}
		if err := appendResult(path, r); err != nil {
			t.Fatal(err)
		}
	}
	half, err := json.Marshal(Result{Point: all[5].Point})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(half)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	have, err := readResults(path)
	if err != nil || len(have) != 2 || have[1].Events != 7 {
		t.Fatalf("%d results, %v; want 2", len(have), err)
	}
	missing := left(all, have)
	if len(missing) != len(all)-2 || missing[0] != all[1] || missing[2] != all[4] {
		t.Errorf("%d of %d are left, first %v", len(missing), len(all), missing[0])
	}
	if err := appendResult(path, Result{Point: all[5].Point, Events: 9}); err != nil {
		t.Fatal(err)
	}
	have, err = readResults(path)
	if err != nil || len(have) != 3 || have[2].Events != 9 {
		t.Errorf("after an unfinished line: %d results, %v; want 3", len(have), err)
	}
	if err := os.WriteFile(path, []byte("{}\nnot\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readResults(path); err == nil || !strings.Contains(err.Error(), ":2 is no") {
		t.Errorf("a line that is no result: %v", err)
	}
}

// TestEstimate: what is left shrinks, and turns that take twice as long as guessed double it.
func TestEstimate(t *testing.T) {
	todo := turns(grid{events: 2_000_000, paced: 10 * time.Second}.steps(), 1)
	e := newEstimate(todo)
	rest := e.rest
	e.finished(todo[0], 2*guess(todo[0]))
	want := (2 * (rest - guess(todo[0]))).Round(time.Second).String()
	if !strings.Contains(e.String(), want) {
		t.Errorf("%v, want %s left", e, want)
	}
}

// TestParse reads what /proc and /metrics look like.
func TestParse(t *testing.T) {
	m, err := parseMetrics(strings.NewReader("# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"2\"} 4\n" +
		"ab 1e3\nb 5\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name   string
		labels []string
		want   int64
	}{{"a", nil, 7}, {"a", []string{`x="1"`}, 3}, {"ab", nil, 1000}, {"c", nil, 0}} {
		if got := m.sum(row.name, row.labels...); got != row.want {
			t.Errorf("sum of %s %v is %d, want %d", row.name, row.labels, got, row.want)
		}
	}
	if _, err := parseMetrics(strings.NewReader("a b\n")); err == nil {
		t.Error("a metric without a number was read")
	}
	u, err := usageOf(os.Getpid())
	if err != nil || u.user < 0 {
		t.Errorf("usage of this process: %+v, %v", u, err)
	}
}

// TestFlags: all that is wrong is told at once.
func TestFlags(t *testing.T) {
	o := runOptions{grid: grid{factors: []string{"shape"}}}
	err := o.check()
	if err == nil {
		t.Fatal("nothing is wrong")
	}
	for _, flag := range []string{"--events", "--paced-for", "--repeat", "--events-per-key",
		"--factors=shape"} {
		if !strings.Contains(err.Error(), flag) {
			t.Errorf("%v does not name %s", err, flag)
		}
	}
}

// TestMeasure makes two small measurements on real servers, one of each kind, and holds what was
// counted against what was sent.
func TestMeasure(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	st, err := openStage(ctx, t.TempDir())
	var missing *servers.Unavailable
	if errors.As(err, &missing) && os.Getenv("PAWL_REQUIRE_SERVERS") == "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	for _, p := range []Point{
		{Events: 200_000, Keys: 500, Partitions: 2, IntervalMS: 5, MemoryMB: 256, Hot: 0.5},
		{Rate: 2000, Events: 8000, Keys: 500, Partitions: 2, IntervalMS: 100, MemoryMB: 256},
	} {
		r, err := st.measure(ctx, p, true)
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		t.Logf("%+v", r)
		if r.Events <= 0 || r.Events >= p.Events || !r.Verified || r.WholeEvents != p.Events {
			t.Errorf("%v: %d events in the window, verified %v", p, r.Events, r.Verified)
		}
		if (p.Rate > 0) != (r.Loaded > 0) || r.Loaded > p.Events {
			t.Errorf("%v: %d events were loaded in the window", p, r.Loaded)
		}
		if r.Epochs <= 0 || r.TaskEpochs < r.Epochs || r.TaskEpochs > 2*r.Epochs {
			t.Errorf("%v: %d transactions of %d tasks", p, r.Epochs, r.TaskEpochs)
		}
		if r.StateChanges <= 0 || r.Changelog <= 0 || r.Sent <= r.Changelog || r.Received <= 0 ||
			r.PawlCPU() <= 0 || r.BrokerCPU() <= 0 || r.PeakRSS <= 0 || r.CacheBytes <= 0 {
			t.Errorf("%v: something was not counted: %+v", p, r)
		}
		removed(ctx, t, st)
	}
}

// removed waits until no topic of a measurement is left: a broker tells of a deleted one for a
// moment longer.
func removed(ctx context.Context, t *testing.T, st *stage) {
	t.Helper()
	var names []string
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		topics, err := st.adm.ListTopics(ctx)
		if err != nil {
			t.Fatal(err)
		}
		names = slices.DeleteFunc(topics.Names(),
			func(name string) bool { return !strings.HasPrefix(name, "sweep-") })
		if len(names) == 0 {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("topics are left: %v", names)
}
