package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/settings"
	"pawl/internal/verify"
)

// events reads /v1/events to its end.
type events struct {
	ended chan struct{}
	err   error // of the end

	mu   sync.Mutex
	seen map[string][]string // data by type
}

func eventsOf(t *testing.T, addr, token string) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, addr+"/v1/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{}
	response, err := transport.RoundTrip(r)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("events: %v %v", response, err)
	}
	e := &events{ended: make(chan struct{}), seen: make(map[string][]string)}
	go func() {
		defer close(e.ended)
		defer transport.CloseIdleConnections()
		defer response.Body.Close()
		lines, kind := bufio.NewScanner(response.Body), ""
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				kind = name
			} else if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				e.mu.Lock()
				e.seen[kind] = append(e.seen[kind], data)
				e.mu.Unlock()
			}
		}
		e.err = lines.Err()
	}()
	return e
}

func (e *events) of(kind string) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.seen[kind])
}

// alertsAnswer is what /v1/fraud/alerts answers.
type alertsAnswer struct {
	Complete bool
	Alerts   []map[string]any
	Offsets  map[string]int64
	Epoch    int64
}

func alertsOf(t *testing.T, addr, token, query string) alertsAnswer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		addr+"/v1/fraud/alerts"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer alertsAnswer
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// placed is an alert by where it stands, with what it says.
func placed(partition, offset any, user, reason, transaction any) string {
	return fmt.Sprintf("%v/%v %v %v %v", partition, offset, user, reason, transaction)
}

// TestAlertsAndEvents: what the instance's HTTP lists is what the oracle flags, no more, no less,
// and it is told as it happens, with the rest; a client that listens keeps no stop waiting.
func TestAlertsAndEvents(t *testing.T) {
	c, flags := testCluster(t)
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	const token = "s3cret"
	svc := inBackground(t, append([]string{"run", "fraud", "--set", "application.id=svc",
		"--set", "state.dir=" + t.TempDir(), "--set", "api.token=" + token,
		"--set", "http.listen=127.0.0.1:0"}, flags...)...)
	eventually(t, "it listens", svc, func() bool {
		return strings.Contains(svc.out.String(), "\n")
	})
	addr := "http://" + strings.TrimPrefix(strings.TrimSpace(svc.out.String()),
		"http: listening on ")
	eventually(t, "it runs", svc, func() bool {
		code, body := get(t, addr+"/ready")
		return code == 200 && strings.Count(body, "RUNNING") == 3
	})
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	heard := eventsOf(t, addr, token)
	if first := alertsOf(t, addr, token, ""); !first.Complete || len(first.Alerts) != 0 {
		t.Fatalf("before the first record: %+v", first)
	}
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "900", "--rate",
		"0", "--users", "60", "--poison"}, flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	topics := []string{"transactions", "fraud-limits"}
	if err := drain(t.Context(), c.admin(t), "svc", topics, 20*time.Second,
		func(int64) {}); err != nil {
		t.Fatal(err)
	}
	want := checkAlerts(t, c, addr, token)
	eventually(t, "all alerts are told", svc, func() bool { return len(heard.of("alert")) == want })
	for _, kind := range []string{"status", "epoch", "deadletter"} {
		eventually(t, kind, svc, func() bool { return len(heard.of(kind)) > 0 })
	}
	svc.stop()
	if code := svc.end(t); code != 0 {
		t.Errorf("tidy stop: exit %d\n%s", code, svc.errs.String())
	}
	<-heard.ended
	if heard.err != nil {
		t.Errorf("the stream did not end, it was cut off: %v", heard.err)
	}
	if closed := heard.of("task"); !strings.Contains(strings.Join(closed, ""), "CLOSED") {
		t.Errorf("tasks: %v", closed)
	}
}

// checkAlerts compares the list with the topic, and the topic with the oracle.
func checkAlerts(t *testing.T, c *cluster, addr, token string) int {
	t.Helper()
	p, err := pipelineNamed("fraud")
	if err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	report, err := c.verdict(t.Context(), p.spec(s), "svc", func(int64, int64) {})
	if err != nil || report.Oracle != "match" {
		t.Fatalf("the oracle says %+v, %v", report, err)
	}
	answer := alertsOf(t, addr, token, "?limit=1000")
	var shown []string
	for i, a := range answer.Alerts {
		if a["reason"] == "NONE" || i > 0 && a["event_time"].(string) > answer.
			Alerts[i-1]["event_time"].(string) && len(a["event_time"].(string)) ==
			len(answer.Alerts[i-1]["event_time"].(string)) {
			t.Errorf("alert %d: %v after %v", i, a, answer.Alerts[i-1])
		}
		if task := fmt.Sprintf("fraud-%v", a["partition"]); a["task"] != task {
			t.Errorf("alert %v is of task %s", a, task) // keys stay on their partition
		}
		shown = append(shown, placed(a["partition"], a["offset"], a["user_id"], a["reason"],
			a["transaction_id"]))
	}
	written := topicAlerts(t, c)
	slices.Sort(shown)
	slices.Sort(written)
	if !answer.Complete || answer.Epoch == 0 || len(written) == 0 || len(written) >= 1000 ||
		!slices.Equal(shown, written) {
		t.Errorf("complete %v, epoch %d: %d are shown, %d were written", answer.Complete,
			answer.Epoch, len(shown), len(written))
	}
	return len(written)
}

// topicAlerts reads the topic of alerts to its end, committed ones only.
func topicAlerts(t *testing.T, c *cluster) []string {
	t.Helper()
	kafka, err := verify.NewKafka("svc", c.options()...)
	if err != nil {
		t.Fatal(err)
	}
	defer kafka.Close()
	bounds, err := kafka.Bounds(t.Context(), "fraud-alerts")
	if err != nil {
		t.Fatal(err)
	}
	tail, err := c.tailAlerts("fraud-alerts", []string{"user_id", "reason", "transaction_id"})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.client.Close()
	var all []string
	for i, b := range bounds {
		err := verify.Each(t.Context(), kafka, "fraud-alerts", int32(i), b,
			func(rec *kgo.Record) error {
				var user, reason, transaction string
				text := strings.NewReplacer("user_id=", "", "reason=", "", "transaction_id=", "").
					Replace(tail.text(context.Background(), rec))
				_, err := fmt.Sscan(text, &user, &reason, &transaction)
				all = append(all, placed(rec.Partition, rec.Offset, user, reason, transaction))
				return err
			})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}
