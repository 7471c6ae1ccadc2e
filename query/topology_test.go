package query

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

// TestTopologySums adds up what tasks on several instances move.
func TestTopologySums(t *testing.T) {
	c := newCluster(t, "fraud", 3, 3, "")
	for p := range int32(3) {
		c.states[p].tasks[p].rates = map[string]float64{"input:in": 10.2, "store:t": float64(p),
			"step:p": 10.2, "output:out": 0.2}
	}
	got := c.get(t, 1, "/v1/topology")
	if got.code != http.StatusOK || got.body["complete"] != true ||
		got.header.Get("ETag") != "" || got.body["pipeline"] != "fraud" {
		t.Fatalf("%d %s, ETag %q", got.code, got.text, got.header.Get("ETag"))
	}
	nodes := fmt.Sprint(got.body["nodes"])
	for _, want := range []string{"id:input:in kind:input name:in rate:30.6",
		"id:step:p kind:step name:p rate:30.6", "id:store:t kind:store name:t rate:3",
		"id:output:out kind:output name:out rate:0.6"} {
		if !strings.Contains(nodes, want) {
			t.Errorf("no %s in %s", want, nodes)
		}
	}
	want := "[map[from:input:in rate:30.6 to:step:p] map[from:step:p rate:3 to:store:t] " +
		"map[from:step:p rate:0.6 to:output:out]]"
	if edges := fmt.Sprint(got.body["edges"]); edges != want {
		t.Errorf("edges %s, want %s", edges, want)
	}
	c.servers[2].Close()
	got = c.get(t, 1, "/v1/topology")
	if got.body["complete"] != false || fmt.Sprint(got.body["missing"]) != "[fraud-2]" ||
		!strings.Contains(fmt.Sprint(got.body["nodes"]), "rate:20.4") {
		t.Errorf("without an instance: %s", got.text)
	}
}

// TestOpenWindows says of each window when it closes, and which input keeps it open.
func TestOpenWindows(t *testing.T) {
	c := newCluster(t, "activity", 2, 2, "")
	for n := range 3 {
		c.set(t, "per-minute", "u", str("u").Int(int64(n)*60_000), `{"event_count":1}`)
	}
	c.set(t, "per-minute", "v", str("v").Int(0), `{"event_count":1}`)
	s, p := c.of("u")
	mark := s.tasks[p].pos.Watermark
	s.tasks[p].inputs = []processor.InputStatus{
		{Topic: "a", Partition: p, Offset: 5, LSO: 5, Watermark: time.UnixMilli(1000)},
		{Topic: "b", Partition: p, Offset: 3, LSO: 10}}
	for i := range 2 { // from either instance
		got := c.get(t, i, "/v1/windows/per-minute/u")
		list, _ := got.body["windows"].([]any)
		if got.code != http.StatusOK || len(list) != 3 || got.header.Get("ETag") != "" {
			t.Fatalf("%d %s", got.code, got.text)
		}
		second := list[1].(map[string]any)
		left := time.Duration(130_000-mark) * time.Millisecond
		if second["start"] != "1970-01-01T00:01:00Z" || second["end"] != "1970-01-01T00:02:00Z" ||
			second["closes_at"] != "1970-01-01T00:02:10Z" || second["open"] != true ||
			second["reason"] != fmt.Sprintf("the watermark is %v before closes_at; "+
				"records there are wait to be processed: b-%d, 7 records", left, p) {
			t.Errorf("second window: %v", second)
		}
		if held := fmt.Sprint(second["held_by"]); held != fmt.Sprintf(
			"[map[behind:7 idle:false partition:%d topic:b watermark:<nil>]]", p) {
			t.Errorf("held by %s", held)
		}
	}
	s.tasks[p].inputs[1].Offset = 10
	got := c.get(t, 0, "/v1/windows/per-minute/u?limit=1")
	list, _ := got.body["windows"].([]any)
	if held := fmt.Sprint(list[0].(map[string]any)["held_by"]); len(list) != 1 || held !=
		fmt.Sprintf("[map[behind:0 idle:true partition:%d topic:a watermark:"+
			"1970-01-01T00:00:01Z] map[behind:0 idle:true partition:%d topic:b watermark:<nil>]]",
			p, p) || !strings.Contains(got.text, "read to their ends") {
		t.Errorf("all are idle: %s", got.text)
	}
	if got := c.get(t, 0, "/v1/windows/per-minute/x"); fmt.Sprint(got.body["windows"]) != "[]" {
		t.Errorf("a key without windows: %d %s", got.code, got.text)
	}
	if got := c.get(t, 0, "/v1/windows/batches/u"); got.code != http.StatusBadRequest ||
		!strings.Contains(got.text, "activity has per-minute") {
		t.Errorf("a store without windows: %d %s", got.code, got.text)
	}
}

// TestOpenSessions reads sessions from the store that keeps their spans.
func TestOpenSessions(t *testing.T) {
	c := newCluster(t, "funnel", 1, 1, "")
	c.set(t, "session-sessions", "u", str("u"),
		`{"open":[{"start":1000,"end":2000},{"start":9000,"end":9000}]}`)
	got := c.get(t, 0, "/v1/windows/session/u")
	list, _ := got.body["windows"].([]any)
	if len(list) != 2 {
		t.Fatalf("%d %s", got.code, got.text)
	}
	first := list[0].(map[string]any)
	if first["start"] != "1970-01-01T00:00:01Z" || first["end"] != "1970-01-01T00:00:02Z" ||
		first["closes_at"] != "1970-01-01T00:30:02.001Z" {
		t.Errorf("first session: %v", first)
	}
}
