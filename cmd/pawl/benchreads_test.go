package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pawl/pipelines/fraud"
)

// TestBenchReads reads beside processing, on the embedded cluster, from two instances.
func TestBenchReads(t *testing.T) {
	report := filepath.Join(t.TempDir(), "r.json")
	code, stdout, stderr := pawl(os.Environ(), "bench", "reads", "--duration", "8s",
		"--events-per-second", "500", "--views-per-second", "200", "--reads-per-second", "400",
		"--tops-per-second", "100", "--users", "300", "--instances", "2", "--partitions", "2",
		"--report", report)
	if code != 0 {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	got := readJSON(t, report)
	if got["verified"] != true || got["embedded_broker"] != true || got["instances"] != 2.0 {
		t.Errorf("report %v", got)
	}
	reads := got["reads"].(map[string]any)
	for name, perSecond := range map[string]float64{"fraud user": 200, "key value": 200,
		topTen: 100} {
		s := reads[name].(map[string]any)
		answered, seconds := s["answered"].(float64), got["seconds"].(float64)
		// What is due is asked, however long it takes.
		if want := perSecond * 3.2; answered < 0.7*want || answered > perSecond*seconds*1.3 ||
			s["wrong"] != 0.0 || s["checked"].(float64) < 1 || s["p99"].(float64) <= 0 {
			t.Errorf("%s: %v", name, s)
		}
	}
}

// TestReadsAreTimedFromWhenDue has a server freeze once: the questions that should have been asked
// meanwhile are late, though each is answered at once when it is asked.
func TestReadsAreTimedFromWhenDue(t *testing.T) {
	var n atomic.Int64
	thawed := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			time.AfterFunc(500*time.Millisecond, func() { close(thawed) })
		}
		<-thawed
		_, _ = w.Write([]byte("{}"))
	}))
	defer server.Close()
	a := &asker{name: "any", rate: 200, workers: 4, keep: 1,
		targets: []string{strings.TrimPrefix(server.URL, "http://")},
		path:    func(*rand.Rand) string { return "/" }}
	ctx, end := context.WithTimeout(t.Context(), time.Second)
	defer end()
	a.run(ctx, time.Now())
	late := 0
	for _, d := range a.delays {
		if d > 100*time.Millisecond {
			late++
		}
	}
	// Eighty are due in the first 400 ms, and four of them are on their way when it freezes.
	if s := a.stats(); late < 75 || s.Answered < 150 || s.Errors > 0 || len(a.answers) < 150 {
		t.Errorf("%d late, %+v", late, s)
	}
}

// TestAskAgain: a connection that the server ends, telling so or not, costs no answer.
func TestAskAgain(t *testing.T) {
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer s3cret" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		if asked.Add(1)%3 == 0 {
			w.Header().Set("Connection", "close")
		}
		_, _ = w.Write([]byte(strings.Repeat(r.URL.Path, 3000)))
	}))
	defer server.Close()
	a, lines := &asker{token: "s3cret"}, map[string]*askLine{}
	for n := range 20 {
		status, body, err := a.ask(t.Context(), lines, server.Listener.Addr().String(), "/a")
		if status != http.StatusOK || len(body) != 6000 || err != nil {
			t.Errorf("question %d: %d, %d bytes: %v", n, status, len(body), err)
		}
		if n%4 == 0 {
			server.CloseClientConnections()
		}
	}
	server.Close()
	if _, _, err := a.ask(t.Context(), lines, server.Listener.Addr().String(), "/a"); err == nil {
		t.Error("a server that is gone answers")
	}
}

// TestJudgeUser: an answer is that of the input up to its offset, no more and no less.
func TestJudgeUser(t *testing.T) {
	cfg := fraud.Config{}
	cfg.EnsureDefaults()
	const day = 86_400_000
	all := []payment{{3, day, 100}, {5, day + 1000, 50}, {9, day + 400_000, 7}}
	at := func(offset int64, status int, body string) (string, bool) {
		t.Helper()
		k := keptAnswer{path: "/v1/fraud/users/u", status: status, body: []byte(
			strings.ReplaceAll(body, "TASK", `"tasks":[{"partition":1,"offsets":{"tx-1":`+
				strconv.FormatInt(offset, 10)+`},"watermark":"1970-01-02T00:00:00Z"}]`))}
		a, err := k.read()
		if err != nil {
			t.Fatal(err)
		}
		return judgeUser(cfg, k, a, "tx", all)
	}
	for _, c := range []struct {
		offset int64
		status int
		body   string
		right  bool
	}{
		{3, 404, `{TASK}`, true},
		{4, 404, `{TASK}`, false},
		{4, 200, `{TASK,"count":1,"total_cents":100,"window_end":"1970-01-02T00:00:00Z"}`, true},
		{6, 200, `{TASK,"count":2,"total_cents":150,"window_end":"1970-01-02T00:00:01Z"}`, true},
		{5, 200, `{TASK,"count":2,"total_cents":150,"window_end":"1970-01-02T00:00:01Z"}`, false},
		{6, 200, `{TASK,"count":1,"total_cents":100,"window_end":"1970-01-02T00:00:00Z"}`, false},
		{10, 200, `{TASK,"count":1,"total_cents":7,"window_end":"1970-01-02T00:06:40Z"}`, true},
		{10, 200, `{TASK,"value":{"slots":[{"count":2,"total_cents":150},
			{"count":1,"total_cents":7}]}}`, true},
		{10, 200, `{TASK,"value":{"slots":[{"count":2,"total_cents":150}]}}`, false},
	} {
		if what, expired := at(c.offset, c.status, c.body); (what == "") != c.right || expired {
			t.Errorf("%+v: %q, expired %v", c, what, expired)
		}
	}
}
