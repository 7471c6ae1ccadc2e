package browser

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"
)

// demoStatus is what /demo/status tells of one pipeline.
type demoStatus struct {
	Instances []struct {
		Name  string `json:"name"`
		State string `json:"state"`
		PID   int    `json:"pid"`
	} `json:"instances"`
	Crashes      int      `json:"crashes"`
	LastRecovery *float64 `json:"last_recovery_seconds"`
	Load         string   `json:"load"`
	Verdict      string   `json:"verdict"`
}

// pids are the processes by name.
func (s demoStatus) pids() map[string]int {
	pids := make(map[string]int)
	for _, i := range s.Instances {
		pids[i.Name] = i.PID
	}
	return pids
}

// statusOf asks the demo about a pipeline.
func statusOf(tb testing.TB, pipeline string) demoStatus {
	tb.Helper()
	var all struct {
		Pipelines map[string]demoStatus `json:"pipelines"`
	}
	request(tb, http.MethodGet, "/demo/status", nil, &all)
	s, ok := all.Pipelines[pipeline]
	if !ok {
		tb.Fatalf("/demo/status tells nothing of %s", pipeline)
	}
	return s
}

// statusUntil asks until ok says so, or ends the test with what it waited for.
func statusUntil(tb testing.TB, pipeline string, limit time.Duration, what string,
	ok func(demoStatus) bool,
) demoStatus {
	tb.Helper()
	end := time.Now().Add(limit)
	for {
		s := statusOf(tb, pipeline)
		if ok(s) {
			return s
		}
		if time.Now().After(end) {
			tb.Fatalf("waited %v in vain for %s of %s; the demo says %+v", limit, what, pipeline, s)
		}
		select {
		case <-tb.Context().Done():
			tb.Fatal(tb.Context().Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// request asks the console, beside the browser, and expects a good answer.
func request(tb testing.TB, method, path string, body, answer any) {
	tb.Helper()
	status, got := try(tb, method, path, body)
	if status/100 != 2 {
		tb.Fatalf("%s %s gave %d: %s", method, path, status, got)
	}
	if answer == nil {
		return
	}
	if err := json.Unmarshal(got, answer); err != nil {
		tb.Fatalf("%s %s gave %s: %v", method, path, got, err)
	}
}

// try is request for any answer.
func try(tb testing.TB, method, path string, body any) (status int, answer []byte) {
	tb.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		tb.Fatal(err)
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, "http://"+shared.console(tb)+path,
		bytes.NewReader(encoded))
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	got, err := http.DefaultClient.Do(r)
	if err != nil {
		tb.Fatal(err)
	}
	defer got.Body.Close()
	answer, err = io.ReadAll(got.Body)
	if err != nil {
		tb.Fatalf("%s %s: %v", method, path, err)
	}
	return got.StatusCode, answer
}
