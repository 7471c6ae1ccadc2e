package query

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"

	"pawl/internal/recent"
)

// fakeAlerts are alerts as a reader has them.
type fakeAlerts struct {
	mu       sync.Mutex
	snapshot recent.Snapshot
	err      error
	holders  int
}

func (a *fakeAlerts) Read(context.Context) (recent.Snapshot, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.snapshot, a.err
}

func (a *fakeAlerts) Hold() (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holders++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.holders--
	}
}

// someAlerts are n alerts of fraud, newest first, of five users and two tasks.
func someAlerts(n int) *fakeAlerts {
	a := &fakeAlerts{snapshot: recent.Snapshot{Offsets: map[int32]int64{0: 10, 1: 20}}}
	for i := range n {
		reason := "COUNT"
		if i%3 == 0 {
			reason = "AMOUNT"
		}
		a.snapshot.Records = append(a.snapshot.Records, recent.Record{Topic: "fraud-alerts",
			Partition: int32(i % 2), Offset: int64(1000 - i), Time: time.UnixMilli(5000 - int64(i)),
			Value: map[string]any{"user_id": fmt.Sprint("u", i%5), "reason": reason,
				"transaction_id": fmt.Sprint("t", i), "amount_cents": int64(i),
				"count": int32(7), "total_cents": int64(i)},
			Source: &recent.Source{Partition: int32(i % 2), Offset: int64(i)}})
	}
	return a
}

// alarmedWorlds are instances that have alerts and events.
func alarmedWorlds(t *testing.T) []world {
	openapi3filter.RegisterBodyDecoder("text/event-stream", openapi3filter.FileBodyDecoder)
	frauds := fraudCluster(t, 1, "").options[0]
	frauds.Alerts, frauds.AlertsTopic = someAlerts(9), "fraud-alerts"
	frauds.Feed = NewFeed(FeedOptions{Status: func() any { return "well" }})
	sensors := newCluster(t, "iot", 1, 2, "").options[0]
	sensors.Alerts = &fakeAlerts{snapshot: recent.Snapshot{Records: []recent.Record{{
		Topic: "iot-alerts", Value: map[string]any{"sensor_id": "s", "type": "LOW_BATTERY",
			"severity": "MEDIUM", "value": 0.1, "threshold": 0.2}}}}}
	down := frauds
	down.Alerts = &fakeAlerts{err: errors.New("no broker")}
	return []world{
		{frauds, []string{"/v1/fraud/alerts", "/v1/fraud/alerts?limit=2&user=u1&reason=COUNT",
			"/v1/fraud/alerts?limit=0", "/v1/iot/alerts", eventsPath + "?types=status",
			eventsPath + "?types=x"}},
		{sensors, []string{"/v1/iot/alerts?sensor=s&type=LOW_BATTERY", eventsPath}},
		{down, []string{"/v1/fraud/alerts"}},
	}
}

// patient is a context that hangs up on a path whose answer has no end.
func patient(t *testing.T, path string) context.Context {
	if !strings.HasPrefix(path, eventsPath) {
		return t.Context()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// alarmed is a cluster whose instances all read the same alerts.
func alarmed(t *testing.T, a Alerts) *fakeCluster {
	c := fraudCluster(t, 2, "")
	for i := range c.options {
		c.options[i].Alerts, c.options[i].AlertsTopic = a, "fraud-alerts"
		h, stop := New(c.options[i])
		t.Cleanup(stop)
		c.servers[i].Config.Handler = h
	}
	return c
}

// TestAlerts is a table of questions and what must stand in the answers.
func TestAlerts(t *testing.T) {
	alerts := someAlerts(300)
	c := alarmed(t, alerts)
	for _, q := range []struct {
		path  string
		code  int
		says  string
		shown int
	}{
		{"", 200, `"complete":true`, 100},
		{"?limit=1000", 200, `"searched":300`, 300},
		{"?limit=1", 200, `"transaction_id":"t0"`, 1},
		{"?limit=1", 200, `"fraud-alerts-1":20`, 1},
		{"?limit=1", 200, `"task":"fraud-0"`, 1},
		{"?limit=1", 200, `"event_time":"1970-01-01T00:00:05Z"`, 1},
		{"?user=u3&limit=1000", 200, `"user_id":"u3"`, 60},
		{"?reason=AMOUNT&limit=1000", 200, `"reason":"AMOUNT"`, 100},
		{"?user=u3&reason=AMOUNT&limit=1000", 200, `"reason":"AMOUNT"`, 20},
		{"?task=fraud-1&limit=1000", 200, `"task":"fraud-1"`, 150},
		{"?user=nobody", 200, `"alerts":[]`, 0},
		{"?limit=0", 400, "limit=0 is not a number from 1 to 1000", 0},
		{"?limit=1001", 400, "limit=1001 is not", 0},
		{"?sensor=x", 400, `there is no parameter \"sensor\"`, 0},
		{"?after=AA", 400, "alerts have no pages", 0},
		{"?min-epoch=fraud-0:99&wait=10ms", 412, "has not reached 99", 0},
	} {
		for i := range 2 {
			got := c.get(t, i, "/v1/fraud/alerts"+q.path)
			list, _ := got.body["alerts"].([]any)
			if got.code != q.code || len(list) != q.shown || !strings.Contains(got.text, q.says) {
				t.Errorf("%s of %d: %d with %d alerts, want %d with %d and %s in\n%.500s", q.path,
					i, got.code, len(list), q.code, q.shown, q.says, got.text)
			}
		}
	}
	if got := c.get(t, 0, "/v1/iot/alerts"); got.code != 404 {
		t.Errorf("of another pipeline: %d", got.code)
	}
	checkAlertTags(t, c, alerts)
}

// checkAlertTags has the answer stay, the log grow, a partition fall behind and the cluster go.
func checkAlertTags(t *testing.T, c *fakeCluster, alerts *fakeAlerts) {
	t.Helper()
	const path = "/v1/fraud/alerts"
	first := c.get(t, 0, path)
	tag := first.header.Get("ETag")
	if got := c.get(t, 1, path, "If-None-Match", tag); got.code != 304 || tag == "" {
		t.Errorf("unchanged: %d, tag %q", got.code, tag)
	}
	set := func(change func()) {
		alerts.mu.Lock()
		defer alerts.mu.Unlock()
		change()
	}
	set(func() { alerts.snapshot.Offsets = map[int32]int64{0: 11, 1: 20} })
	if got := c.get(t, 1, path, "If-None-Match", tag); got.code != 200 {
		t.Errorf("grown: %d", got.code)
	}
	set(func() { alerts.snapshot.Behind = map[int32]string{1: "a transaction is open"} })
	got := c.get(t, 0, path)
	if got.body["complete"] != false || got.header.Get("ETag") != "" ||
		fmt.Sprint(got.body["missing"]) != "[fraud-alerts-1]" ||
		got.body["why"] != "fraud-alerts-1: a transaction is open" {
		t.Errorf("behind: %d %q %.300s", got.code, got.header.Get("ETag"), got.text)
	}
	set(func() { alerts.err = errors.New("no broker") })
	if got = c.get(t, 0, path); got.code != 503 || got.header.Get("Retry-After") == "" ||
		!strings.Contains(got.text, "no broker") {
		t.Errorf("down: %d %s", got.code, got.text)
	}
	set(func() { alerts.err, alerts.snapshot.Behind = nil, nil })
	c.servers[1].CloseClientConnections()
	c.servers[1].Close()
	got = c.get(t, 0, path)
	if list, _ := got.body["alerts"].([]any); got.code != 200 || len(list) != 100 ||
		fmt.Sprint(got.body["missing"]) != "[fraud-1]" {
		t.Errorf("without an instance: %d %.300s", got.code, got.text)
	}
}
