package query

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"pawl/internal/recent"
	"pawl/processor"
)

// listener is a client of /v1/events in a test.
type listener struct {
	lines  *bufio.Scanner
	close  func()
	code   int
	header http.Header
}

func listenTo(t *testing.T, url string, headers ...string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
	}
	transport := &http.Transport{}
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{lines: bufio.NewScanner(response.Body), code: response.StatusCode,
		header: response.Header}
	l.close = sync.OnceFunc(func() {
		cancel()
		response.Body.Close()
		transport.CloseIdleConnections()
	})
	t.Cleanup(l.close)
	return l
}

// next is the next event; ok is false at the end of the stream.
func (l *listener) next(t *testing.T) (kind string, data map[string]any, ok bool) {
	t.Helper()
	for l.lines.Scan() {
		line := l.lines.Text()
		switch {
		case strings.HasPrefix(line, "event: "):
			kind = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			if err := json.Unmarshal([]byte(line[len("data: "):]), &data); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			return kind, data, true
		case strings.HasPrefix(line, ":"):
			if kind = "comment"; strings.Contains(line, "alive") {
				return kind, nil, true
			}
		}
	}
	return "", nil, false
}

// await reads until an event of a kind.
func (l *listener) await(t *testing.T, kind string) map[string]any {
	t.Helper()
	for {
		got, data, ok := l.next(t)
		if !ok {
			t.Fatalf("the stream ended without %s", kind)
		}
		if got == kind {
			return data
		}
	}
}

// feedServer serves a feed as an instance does.
func feedServer(t *testing.T, o FeedOptions) (*Feed, *fakeAlerts, string) {
	t.Helper()
	f, alerts := NewFeed(o), someAlerts(0)
	h, stop := New(Options{State: func() State { return nil }, Feed: f, Alerts: alerts,
		Timeout: 50 * time.Millisecond})
	server := httptest.NewServer(Guard(Access{Token: "s3cret"}, h))
	t.Cleanup(server.Close)
	t.Cleanup(f.Close)
	t.Cleanup(stop)
	return f, alerts, server.URL + eventsPath
}

var withToken = []string{"Authorization", "Bearer s3cret", "Accept-Encoding", "gzip"}

func joined(t *testing.T, f *Feed, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); f.Clients() != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d clients, want %d", f.Clients(), n)
		}
	}
}

// TestEvents has everything happen once, for one who wants all and one who wants two types.
func TestEvents(t *testing.T) {
	f, alerts, url := feedServer(t, FeedOptions{Pipeline: "fraud", Second: 30 * time.Millisecond,
		Quarter: 10 * time.Millisecond, Heartbeat: 80 * time.Millisecond,
		Status: func() any { return fields{"state": "RUNNING"} }})
	all := listenTo(t, url, withToken...)
	two := listenTo(t, url+"?types=alert,deadletter", withToken...)
	if all.code != 200 || all.header.Get("Content-Encoding") != "" ||
		!strings.HasPrefix(all.header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %v", all.code, all.header)
	}
	joined(t, f, 2)
	l := f.Listener()
	l.InstanceState(processor.InstanceStateInfo{State: "REBALANCING", Instance: "i"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRestoring})
	for n := range 100 { // one is told of, and the end
		l.Restore(processor.RestoreInfo{Task: "fraud-0", Records: int64(n), Done: n == 99})
	}
	l.Checkpoint(processor.CheckpointInfo{Task: "fraud-0", Result: processor.CheckpointWritten})
	l.DeadLettered(processor.DeadLetterInfo{Task: "fraud-0", Exception: "NullValue", Offset: 7})
	f.Alert(someAlerts(1).snapshot.Records[0])
	l.EpochCommitted(processor.EpochInfo{Epoch: 1, PerTask: []processor.TaskEpoch{{Task: "x"}}})
	l.EpochCommitted(processor.EpochInfo{Epoch: 2, Records: 9, PerTask: []processor.TaskEpoch{
		{Task: "fraud-0", Epoch: 12, Watermark: time.UnixMilli(5)}}})
	for _, want := range []struct{ kind, says string }{
		{eventRebalance, "state:REBALANCING"}, {eventTask, "state:RESTORING"},
		{eventRestore, "done:false"}, {eventRestore, "done:true"},
		{eventCheckpoint, "result:written"}, {eventDeadLetter, "exception:NullValue"},
		{eventAlert, "task:fraud-0"}, {eventEpoch, "commit:2"}, {eventStatus, "state:RUNNING"},
		{"comment", ""},
	} {
		if got := fmt.Sprint(all.await(t, want.kind)); !strings.Contains(got, want.says) {
			t.Errorf("%s: %s, want %s", want.kind, got, want.says)
		}
	}
	if kind, _, _ := two.next(t); kind != eventDeadLetter {
		t.Errorf("first of two types: %s", kind)
	}
	if kind, _, _ := two.next(t); kind != eventAlert {
		t.Errorf("second of two types: %s", kind)
	}
	time.Sleep(80 * time.Millisecond) // longer than Timeout, which is not for streams
	f.Alert(recent.Record{Fault: "no schema", Key: "k"})
	if got := two.await(t, eventAlert); got["fault"] != "no schema" || got["task"] != nil {
		t.Errorf("an alert that cannot be decoded: %v", got)
	}
	two.close()
	all.close()
	joined(t, f, 0)
	if alerts.holders != 0 {
		t.Errorf("%d hold the alerts after all have gone", alerts.holders)
	}
}

// TestEventsRefused: no token, no such type, too many, and none any more.
func TestEventsRefused(t *testing.T) {
	f, _, url := feedServer(t, FeedOptions{Clients: 1})
	for _, q := range []struct {
		query   string
		headers []string
		code    int
	}{
		{"", nil, 401}, {"?types=alert,x", withToken, 400}, {"?x=1", withToken, 400},
		{"?types=", withToken, 400}, {"?types=task", withToken, 200},
	} {
		if got := listenTo(t, url+q.query, q.headers...); got.code != q.code {
			t.Errorf("%s %v: %d, want %d", q.query, q.headers, got.code, q.code)
		}
	}
	if got := listenTo(t, url, withToken...); got.code != 503 ||
		got.header.Get("Retry-After") == "" {
		t.Errorf("the second of one: %d", got.code)
	}
	f.Close()
	joined(t, f, 0)
	if got := listenTo(t, url, withToken...); got.code != 503 {
		t.Errorf("after the end: %d", got.code)
	}
}

// slowWriter takes nothing until it is let.
type slowWriter struct {
	*httptest.ResponseRecorder
	let chan struct{}
}

func (w *slowWriter) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), "event: ") {
		<-w.let
	}
	return w.ResponseRecorder.Write(b)
}

// allow lets it take n events.
func (w *slowWriter) allow(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		select {
		case w.let <- struct{}{}:
		case <-time.After(10 * time.Second):
			close(w.let)
			t.Fatalf("only %d of %d events came", i, n)
		}
	}
}

// TestSlowClient: it is told how many events it lost, has the newest ones, and nobody waits.
func TestSlowClient(t *testing.T) {
	f := NewFeed(FeedOptions{Buffer: 10})
	defer f.Close()
	h, stop := New(Options{Feed: f})
	defer stop()
	ctx, cancel := context.WithCancel(t.Context())
	w := &slowWriter{httptest.NewRecorder(), make(chan struct{})}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", eventsPath+"?types=task", nil))
	}()
	joined(t, f, 1)
	l := f.Listener()
	l.TaskState(processor.TaskStateInfo{Task: "first"})
	w.allow(t, 1) // so that the writer is free, and the next event the one it hangs on
	l.TaskState(processor.TaskStateInfo{Task: "hangs"})
	for queued := 1; queued > 0; time.Sleep(time.Millisecond) {
		f.mu.Lock()
		for c := range f.clients {
			c.mu.Lock()
			queued = len(c.queue)
			c.mu.Unlock()
		}
		f.mu.Unlock()
	}
	for n := range 25 {
		l.TaskState(processor.TaskStateInfo{Task: fmt.Sprint("later-", n)})
	}
	if f.Lost() != 15 {
		t.Errorf("%d counted as lost, want 15", f.Lost())
	}
	w.allow(t, 1+1+10) // the one that hung, what was lost, what was queued
	cancel()
	<-ended
	got := w.Body.String()
	lost := strings.Index(got, "event: lost\ndata: {\"count\":15}\n\n")
	if lost < 0 || strings.Index(got, "hangs") > lost || strings.Index(got, "later-15") < lost ||
		strings.Contains(got, "later-14") || !strings.Contains(got, "later-24") {
		t.Errorf("it got\n%s", got)
	}
}

// TestShutdownDoesNotWait: a server with clients of events shuts down at once when the feed ends.
func TestShutdownDoesNotWait(t *testing.T) {
	f, _, url := feedServer(t, FeedOptions{})
	l := listenTo(t, url, withToken...)
	joined(t, f, 1)
	began := time.Now()
	f.Close()
	if _, _, ok := l.next(t); ok {
		t.Error("an event after the end")
	}
	joined(t, f, 0)
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}
