package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pawl/internal/metrics"
	"pawl/processor"
)

func TestReady(t *testing.T) {
	task := func(name string, state processor.TaskState) processor.TaskStatus {
		return processor.TaskStatus{Name: name, State: state}
	}
	refused := task("fraud-1", processor.TaskRefused)
	refused.Reason, refused.Mend = "offsets differ", "reset them"
	for _, c := range []struct {
		name   string
		status processor.Status
		code   int
		detail string
	}{
		{"none assigned", processor.Status{State: "RUNNING"}, 200, ""},
		{"all run", processor.Status{State: "REBALANCING", Tasks: []processor.TaskStatus{
			task("fraud-0", processor.TaskRunning)}}, 200, ""},
		{"one was given away", processor.Status{State: "RUNNING", Tasks: []processor.TaskStatus{
			task("fraud-0", processor.TaskRunning),
			task("fraud-1", processor.TaskClosed)}}, 200, ""},
		{"one restores", processor.Status{State: "RUNNING", Tasks: []processor.TaskStatus{
			task("fraud-0", processor.TaskRunning), task("fraud-1", processor.TaskRestoring)}}, 503,
			"task fraud-1 is RESTORING"},
		{"one is refused", processor.Status{State: "RUNNING", Tasks: []processor.TaskStatus{
			task("fraud-0", processor.TaskRunning), refused}}, 503,
			"task fraud-1 is REFUSED: offsets differ; reset them"},
		{"it stops", processor.Status{State: "PENDING_SHUTDOWN"}, 503,
			"instance is PENDING_SHUTDOWN"},
		{"it failed", processor.Status{State: "ERROR", Reason: "disk full"}, 503,
			"instance is ERROR: disk full"},
	} {
		rec := httptest.NewRecorder()
		answerReady(rec, c.status)
		var got problem
		if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %v in %s", c.name, err, rec.Body)
		}
		kind := rec.Header().Get("Content-Type")
		if rec.Code != c.code || got.Detail != c.detail ||
			(kind == "application/problem+json") != (c.code != 200) {
			t.Errorf("%s: %d %s %s", c.name, rec.Code, kind, rec.Body)
		}
	}
}

// TestPaths asks a service whose instance has not started yet.
func TestPaths(t *testing.T) {
	h := newService("fraud").handler()
	for _, c := range []struct {
		method, path string
		code         int
		kind, body   string
	}{
		{"GET", "/ping", 200, "text/plain; charset=utf-8", "pong"},
		{"HEAD", "/ping", 200, "text/plain; charset=utf-8", ""},
		{"GET", "/ready", 503, "application/problem+json", "instance is CREATED"},
		{"GET", "/status", 200, "application/json", `"state":"CREATED"`},
		{"GET", "/metrics", 200, "text/plain; version=0.0.4", "pawl_epochs_committed_total"},
		{"GET", "/nothing", 404, "application/problem+json", "there is no /nothing"},
		{"GET", "/", 200, "text/html; charset=utf-8", "<title>Pawl</title>"},
		{"POST", "/", 405, "application/problem+json", "use GET"},
		{"GET", "/assets/app.js", 200, "text/javascript; charset=utf-8", "import"},
		{"GET", "/assets/nothing", 404, "application/problem+json", `"status":404`},
		{"GET", "/dashboard.json", 200, "application/json", `{"name":"fraud","base":""}`},
		{"POST", "/ready", 405, "application/problem+json", "POST /ready is not possible"},
	} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest(c.method, c.path, nil))
		kind := rec.Header().Get("Content-Type")
		if rec.Code != c.code || !strings.HasPrefix(kind, c.kind) ||
			!strings.Contains(rec.Body.String(), c.body) {
			t.Errorf("%s %s: %d %s %.300s", c.method, c.path, rec.Code, kind, rec.Body)
		}
	}
}

// TestDashboardNeedsNoToken: with a token set the page can be loaded, and holds nothing to hide.
func TestDashboardNeedsNoToken(t *testing.T) {
	svc := newService("fraud")
	svc.token = "secret"
	h := svc.handler()
	for at, code := range map[string]int{"/": 200, "/assets/app.js": 200, "/dashboard.json": 200,
		"/status": 401, "/metrics": 401, "/v1/tasks": 401, "/nothing": 401, "//": 401,
		"/assets": 401, "/dashboard.json/": 401, "/assets/../status": 404, "/ping": 200} {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, httptest.NewRequest("GET", at, nil))
		if rec.Code != code || strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("GET %s: %d; want %d", at, rec.Code, code)
		}
	}
}

// TestStatusReport has a task before its first record, whose watermark lies before all time.
func TestStatusReport(t *testing.T) {
	status := processor.Status{State: "RUNNING", OpenTransaction: 1500 * time.Millisecond,
		Tasks: []processor.TaskStatus{
			{Name: "fraud-0", State: processor.TaskRunning, Watermark: time.UnixMilli(-1 << 62)},
			{Name: "fraud-1", State: processor.TaskRunning, Watermark: time.UnixMilli(1500),
				Epoch: 7, HotKeys: []processor.HotKey{{Key: "u", Share: 0.5}},
				Inputs: []processor.InputStatus{
					{Topic: "t", Partition: 1, Offset: 2, End: 3, LSO: 3}}},
		}}
	rec := httptest.NewRecorder()
	writeJSON(rec, "application/json", http.StatusOK,
		reportStatus("fraud", status, metrics.Totals{Records: 9}))
	var got statusReport
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil || rec.Code != http.StatusOK {
		t.Fatalf("status %d, %v: %s", rec.Code, err, rec.Body)
	}
	if got.Tasks[0].Watermark != nil || got.Tasks[1].Watermark.UnixMilli() != 1500 ||
		got.Tasks[1].Epoch != 7 || got.OpenTransaction != 1.5 || got.Totals.Records != 9 {
		t.Errorf("came back as %s", rec.Body)
	}
	if body := rec.Body.String(); !strings.Contains(body, `"hot_keys":[]`) ||
		!strings.Contains(body, `"hot_keys":[{"key":"u","share":0.5}]`) {
		t.Errorf("hot keys came back as %s", body)
	}
	if !got.runs(place{"t", 1}) || got.runs(place{"t", 0}) || len(got.places()) != 1 {
		t.Errorf("places of %s are wrong", rec.Body)
	}
}

func TestListenFails(t *testing.T) {
	first := httptest.NewServer(http.NotFoundHandler())
	defer first.Close()
	addr := strings.TrimPrefix(first.URL, "http://")
	_, _, err := serve(t.Context(), addr, http.NotFoundHandler())
	if err == nil || !strings.Contains(err.Error(), "listen on http.listen="+addr) {
		t.Errorf("a taken port gives %v", err)
	}
}
