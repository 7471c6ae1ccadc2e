package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/settings"
	"pawl/pipelines/fraud"
)

// liveDemo is a demo of fraud that a test drives through its console.
type liveDemo struct {
	*testing.T

	base     string
	dir      string
	stop     context.CancelFunc
	code     chan int
	out, err output
}

func startDemo(t *testing.T, args ...string) *liveDemo {
	t.Helper()
	d := &liveDemo{T: t, dir: t.TempDir(), code: make(chan int, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	d.stop = cancel
	args = append([]string{"demo", "--pipelines", "fraud", "--rate", "300", "--dir", d.dir,
		"--http", "127.0.0.1:0"}, args...)
	go func() { d.code <- run(ctx, args, os.Environ(), &d.out, &d.err) }()
	t.Cleanup(func() {
		cancel()
		<-d.code
	})
	d.await("the console", func() bool {
		_, rest, found := strings.Cut(d.out.String(), "dashboard: ")
		line, _, whole := strings.Cut(rest, "/\n")
		d.base = line
		return found && whole
	})
	return d
}

// await waits for ok, or tells what did not come.
func (d *liveDemo) await(what string, ok func() bool) {
	d.Helper()
	for end := time.Now().Add(90 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) || len(d.code) > 0 {
			d.Fatalf("%s did not come\n%s%s", what, d.out.String(), d.err.String())
		}
	}
}

// ask sends a request; a body makes it a POST. Headers come in pairs.
func (d *liveDemo) ask(path, body string, headers ...string) (int, string) {
	d.Helper()
	method, content := http.MethodGet, io.Reader(nil)
	if body != "" {
		method, content = http.MethodPost, strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(d.Context(), method, d.base+path, content)
	if err != nil {
		d.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for n := 0; n < len(headers); n += 2 {
		r.Header.Set(headers[n], headers[n+1])
		if headers[n] == "Host" {
			r.Host = headers[n+1]
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		d.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		d.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// fraud is what the console says of the pipeline.
func (d *liveDemo) fraud() actStatus {
	d.Helper()
	code, text := d.ask("/demo/status", "")
	var all struct {
		Pipelines map[string]struct {
			actStatus
			trialStatus
		} `json:"pipelines"`
	}
	if err := json.Unmarshal([]byte(text), &all); code != http.StatusOK || err != nil {
		d.Fatalf("status: %d %v\n%s", code, err, text)
	}
	one := all.Pipelines["fraud"]
	one.actStatus.trialStatus = one.trialStatus
	return one.actStatus
}

// TestConsole drives a demo as its dashboard does.
func TestConsole(t *testing.T) {
	d := startDemo(t, "--crash-every", "0")
	d.looks()
	d.refusals()
	d.kills()
	d.verifies()
	d.findsFault()
	d.stop()
	code := <-d.code
	d.code <- code
	if code != exitFailed || !strings.Contains(d.out.String(), "\noracle: mismatch\n") {
		t.Errorf("exit %d\n%s%s", code, d.out.String(), d.err.String())
	}
}

// looks reads what the page reads.
func (d *liveDemo) looks() {
	if code, text := d.ask("/", ""); code != http.StatusOK || !strings.Contains(text, "<title>") {
		d.Errorf("/: %d %s", code, text)
	}
	if code, text := d.ask("/dashboard.json", ""); code != http.StatusOK || !strings.Contains(text,
		`{"mode":"demo","pipelines":[{"name":"fraud","base":"/p/fraud"}],"demo":true}`) {
		d.Errorf("/dashboard.json: %d %s", code, text)
	}
	if code, text := d.ask("/p/fraud/status", ""); code != http.StatusOK ||
		!strings.Contains(text, `"pipeline":"fraud"`) {
		d.Errorf("/p/fraud/status: %d %s", code, text)
	}
	if code, text := d.ask("/p/iot/status", ""); code != http.StatusNotFound ||
		!strings.Contains(text, "it has fraud") {
		d.Errorf("a pipeline that is not here: %d %s", code, text)
	}
	var shown struct {
		Complete bool `json:"complete"`
		Nodes    []struct {
			ID   string  `json:"id"`
			Rate float64 `json:"rate"`
		} `json:"nodes"`
	}
	d.await("a graph with the load's rate in it", func() bool {
		_, text := d.ask("/p/fraud/v1/topology", "")
		rates := map[string]float64{}
		if json.Unmarshal([]byte(text), &shown) != nil || !shown.Complete {
			return false
		}
		for _, n := range shown.Nodes {
			rates[n.ID] = n.Rate
		}
		return rates["input:transactions"] > 200 && rates["input:transactions"] < 450 &&
			rates["output:fraud-decisions"] > 200 && rates["store:velocity"] > 50
	})
	if s := d.fraud(); len(s.Instances) != 2 || s.Load != loadRunning || s.Verdict != verdictNone ||
		s.LastRecovery != nil || s.Instances[0].State != "RUNNING" || s.Instances[0].PID == 0 {
		d.Errorf("status %+v", s)
	}
}

// refusals are orders that must come to nothing.
func (d *liveDemo) refusals() {
	for _, c := range []struct {
		path, body string
		code       int
		headers    []string
	}{
		{"/demo/kill", `{"pipeline":"fraud"}`, 403, []string{"Origin", "http://evil.example"}},
		{"/demo/kill", `{"pipeline":"fraud"}`, 403, []string{"Sec-Fetch-Site", "cross-site"}},
		{"/demo/kill", `{"pipeline":"fraud"}`, 415, []string{"Content-Type", "text/plain"}},
		{"/demo/kill", `{"pipeline":"fraud"}`, 421, []string{"Host", "evil.example:8080"}},
		{"/demo/kill", `{"pipeline":"fraud","x":1}`, 400, nil},
		{"/demo/kill", `{"pipeline":"x"}`, 404, nil},
		{"/demo/kill", "", 404, nil},
		{"/demo/verify", `{"pipeline":"fraud","hold_seconds":61}`, 400, nil},
		{"/demo/verify", `{"pipeline":"fraud","hold_seconds":-1}`, 400, nil},
		{"/demo/verify", `{"pipeline":"fraud"}`, 403, []string{"Origin", "null"}},
		{"/p/fraud/v1/checkpoints", `{}`, 403, []string{"Origin", "http://evil.example"}},
	} {
		if code, text := d.ask(c.path, c.body, c.headers...); code != c.code ||
			!strings.Contains(text, `"detail"`) {
			d.Errorf("%s %s %v: %d, want %d\n%s", c.path, c.body, c.headers, code, c.code, text)
		}
	}
	if s := d.fraud(); s.Crashes != 0 || s.Load != loadRunning {
		d.Errorf("what was refused was done: %+v", s)
	}
}

// kills crashes an instance, and sees it come back.
func (d *liveDemo) kills() {
	before := d.fraud().Instances
	code, text := d.ask("/demo/kill", `{"pipeline":"fraud"}`, "Origin", d.base)
	var killed struct {
		Instance string `json:"instance"`
		PID      int    `json:"pid"`
	}
	if err := json.Unmarshal([]byte(text), &killed); err != nil || code != http.StatusOK {
		d.Fatalf("kill: %d %s", code, text)
	}
	if killed.PID != before[0].PID && killed.PID != before[1].PID {
		d.Errorf("killed %s, of %+v", text, before)
	}
	d.await("the recovery", func() bool {
		s := d.fraud()
		return s.Crashes == 1 && !s.Recovering && s.LastRecovery != nil && *s.LastRecovery > 0
	})
	for _, m := range d.fraud().Instances {
		if m.Name == killed.Instance && m.PID == killed.PID {
			d.Errorf("%+v was not killed", m)
		}
	}
}

// verifies has the pipeline verified amid its load, which goes on after that.
func (d *liveDemo) verifies() {
	d.verify(`{"pipeline":"fraud","hold_seconds":1.5}`)
	for _, path := range []string{"/demo/verify", "/demo/kill"} {
		if code, text := d.ask(path, `{"pipeline":"fraud"}`); code != http.StatusConflict {
			d.Errorf("%s while it is verified: %d %s", path, code, text)
		}
	}
	var quiet actStatus
	d.await("the verdict", func() bool { quiet = d.fraud(); return quiet.Verdict != "checking" })
	if quiet.Verdict != verdictMatch || quiet.Load != loadPaused || quiet.VerdictAt == nil ||
		quiet.Report.RecordsIn < 100 || quiet.Report.RecordsIn < quiet.Sent {
		d.Fatalf("verdict %+v, report %+v", quiet, quiet.Report)
	}
	d.await("the load's going on", func() bool {
		s := d.fraud()
		if s.Load == loadPaused && s.Sent != quiet.Sent {
			d.Errorf("%d records were sent, then %d, by a load that pauses", quiet.Sent, s.Sent)
		}
		return s.Load == loadRunning && s.Sent > quiet.Sent+300
	})
	d.verify(`{"pipeline":"fraud"}`)
	d.await("a second verdict", func() bool { return !d.fraud().VerdictAt.Equal(*quiet.VerdictAt) })
	if s := d.fraud(); s.Verdict != verdictMatch || s.Report.RecordsIn < quiet.Sent+300 {
		d.Errorf("second verdict %+v, report %+v", s, s.Report)
	}
}

func (d *liveDemo) verify(body string) {
	d.Helper()
	d.await("leave to verify", func() bool {
		code, text := d.ask("/demo/verify", body)
		if code != http.StatusAccepted && code != http.StatusConflict {
			d.Fatalf("verify: %d %s", code, text)
		}
		return code == http.StatusAccepted
	})
}

// findsFault writes to an output what no instance wrote.
func (d *liveDemo) findsFault() {
	s, err := settings.Load(settings.Sources{File: filepath.Join(d.dir, "fraud.yaml")})
	if err != nil {
		d.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.List("bootstrap.servers")...))
	if err != nil {
		d.Fatal(err)
	}
	defer cl.Close()
	err = cl.ProduceSync(d.Context(), &kgo.Record{Topic: fraud.Alerts, Key: []byte("nobody"),
		Value: []byte("what nobody wrote")}).FirstErr()
	if err != nil {
		d.Fatal(err)
	}
	d.verify(`{"pipeline":"fraud"}`)
	d.await("the mismatch", func() bool { return d.fraud().Verdict == verdictMismatch })
	if r := d.fraud().Report; r.Extra != 1 || r.Missing != 0 || r.StateDifferent != 0 {
		d.Errorf("report %+v", r)
	}
}

// TestCrasherIsHeld: while its fleet is verified the timer crashes nobody.
func TestCrasherIsHeld(t *testing.T) {
	var said output
	asked := make(chan struct{}, 20)
	c := &crasher{fleet: newFleet(fleetSpec{}), every: time.Millisecond,
		event:  func(text string) { fmt.Fprintln(&said, text) },
		orders: make(chan chan<- victim), ended: make(chan struct{}),
		held: func() bool {
			select {
			case asked <- struct{}{}:
			default:
			}
			return true
		}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go c.run(ctx, ctx)
	for range cap(asked) {
		<-asked
	}
	if said.String() != "" {
		t.Errorf("it crashed: %s", said.String())
	}
	if v, err := c.order(); err != nil || v.name != "" {
		t.Errorf("an order: %+v, %v", v, err)
	}
	cancel()
	<-c.ended
	if _, err := c.order(); err == nil {
		t.Error("an order was taken after the end")
	}
	if n := strings.Count(said.String(), "no instance is up"); n != 1 {
		t.Errorf("one order was tried %d times", n)
	}
}

// TestConsoleAddress takes another port when the usual one is taken, but not instead of a given one.
func TestConsoleAddress(t *testing.T) {
	if l, err := listenConsole(t.Context(), "off"); l != nil || err != nil {
		t.Errorf("off: %v, %v", l, err)
	}
	var open []io.Closer
	for range 2 { // the first one has the usual port, unless somebody else has
		l, err := listenConsole(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, l)
		if !strings.HasPrefix(l.Addr().String(), "127.0.0.1:") {
			t.Errorf("listens on %v", l.Addr())
		}
		_, err = listenConsole(t.Context(), l.Addr().String())
		if code := exitCode(err, &bytes.Buffer{}); code != exitRefused {
			t.Errorf("an address that is taken: exit %d, %v", code, err)
		}
	}
	for _, l := range open {
		_ = l.Close()
	}
}
