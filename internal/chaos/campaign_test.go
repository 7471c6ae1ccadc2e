package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func campaign(acts map[Kind]Act) *Campaign {
	return &Campaign{Seed: 3, Acts: acts, Event: func(string) {}, Began: time.Now(),
		Patience: 50 * time.Millisecond}
}

// TestCampaign: what took effect counts, what stands still is watched, and a lane has one fault at
// a time.
func TestCampaign(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var lane, all, most atomic.Int64
	var rounds atomic.Int64
	inLane := func(act Act) Act {
		return func(ctx context.Context, c *Case) error {
			if lane.Add(1) > 1 {
				t.Error("two faults of a lane at once")
			}
			defer lane.Add(-1)
			most.Store(max(most.Load(), all.Add(1)))
			defer all.Add(-1)
			if rounds.Add(1) == 4 {
				stop()
			}
			return act(ctx, c)
		}
	}
	c := campaign(map[Kind]Act{
		Kill: inLane(func(_ context.Context, c *Case) error {
			c.Hit("victim %d", 1)
			c.Effect("gone")
			c.Recover(func(context.Context) error { return nil })
			return nil
		}),
		Poison: inLane(func(context.Context, *Case) error { return nil }),
		Reset: func(ctx context.Context, c *Case) error {
			c.Effect("it lasts")
			<-ctx.Done()
			return nil
		},
	})
	if err := c.Run(ctx, t.Context()); err != nil {
		t.Fatal(err)
	}
	done := c.Done()
	if done[Kill] != 3 || done[Poison] != 0 || done[Reset] != 1 || len(done) != 3 {
		t.Errorf("counted %v", done)
	}
	if n := len(c.Recoveries()); n != done[Kill] {
		t.Errorf("%d recoveries of %d kills", n, done[Kill])
	}
	if v := c.Unrecovered(); len(v) != 0 {
		t.Errorf("unrecovered %v", v)
	}
	for _, e := range c.Timeline() {
		if e.Kind == Kill && (e.Target != "victim 1" || e.Effect != "gone" || e.Lane != Processes ||
			e.Until < e.At) {
			t.Errorf("entry %+v", e)
		}
	}
}

// TestStandstillIsAViolation: what does not move again is told.
func TestStandstillIsAViolation(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	c := campaign(map[Kind]Act{Kill: func(_ context.Context, c *Case) error {
		defer stop()
		c.Hit("victim")
		c.Effect("gone")
		c.Recover(func(ctx context.Context) error {
			<-ctx.Done()
			return errors.New("partition 3 stands still")
		})
		return nil
	}})
	if err := c.Run(ctx, t.Context()); err != nil {
		t.Fatal(err)
	}
	v := c.Unrecovered()
	if len(v) != 1 || !strings.Contains(v[0].Where, "kill at ") ||
		!strings.Contains(v[0].Detail, "victim did not recover within 50ms: partition 3") {
		t.Errorf("violations %+v", v)
	}
}

// TestFailingActEndsTheCampaign: both lanes stop, and the error says which fault it was.
func TestFailingActEndsTheCampaign(t *testing.T) {
	broken := errors.New("no such broker")
	paused := make(chan struct{})
	c := campaign(map[Kind]Act{
		BrokerKill: func(context.Context, *Case) error {
			<-paused
			return broken
		},
		Pause: func(ctx context.Context, _ *Case) error {
			close(paused)
			<-ctx.Done()
			return nil
		},
	})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err := c.Run(ctx, t.Context())
	if ctx.Err() != nil {
		t.Error("the other lane went on")
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "broker-kill") {
		t.Errorf("Run = %v", err)
	}
}

func TestQuantile(t *testing.T) {
	var times []time.Duration
	if quantile(times, 50) != 0 {
		t.Error("a quantile of nothing")
	}
	for n := range 100 {
		times = append(times, time.Duration(n+1)*time.Second)
	}
	for percent, want := range map[int]float64{50: 50, 99: 99, 100: 100, 0: 1} {
		if got := quantile(times, percent); got != want {
			t.Errorf("%d %% = %v, want %v", percent, got, want)
		}
	}
}

// TestReport holds the shape that others rely on, and the page to what it must not do.
func TestReport(t *testing.T) {
	r := &Report{Seed: 7, Broker: "embedded", Faults: map[Kind]int{Kill: 1, Poison: 0},
		Violations: []Violation{{"oracle", "fraud", "<script>alert(1)</script>"}},
		Timeline: []Entry{
			{Kind: Kill, At: 1, Until: 2, Target: "fraud-1", Effect: "gone", From: 1,
				Recovery: 0.5},
			{Kind: Poison, At: 2, Until: 3}},
		Samples:   []Sample{{At: 1, Processed: 100}, {At: 2, Processed: 300, Lag: 5}, {At: 3}},
		Instances: []Instance{{Name: "fraud-1", Starts: 2, PeakRSS: 3 << 20}}}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	for key := range strings.FieldsSeq("seed faults records epochs_committed epochs_aborted " +
		"commits_unconfirmed recovery_seconds oracle violations") {
		if _, ok := got[key]; !ok {
			t.Errorf("the report has no %s", key)
		}
	}
	page, err := r.Page()
	if err != nil {
		t.Fatal(err)
	}
	html := string(page)
	for _, want := range []string{"1 violations", "fraud-1", "200 records/s", "3 MiB",
		"&lt;script&gt;alert(1)", "recovered after 0.50 s", "none, not counted", "prefers-color"} {
		if !strings.Contains(html, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "src=", "url(", "ZgotmplZ"} {
		if strings.Contains(html, never) {
			t.Errorf("the page has %q", never)
		}
	}
	empty, err := new(Report).Page()
	if err != nil || !strings.Contains(string(empty), "nothing was violated") {
		t.Errorf("an empty report: %v\n%s", err, empty)
	}
}
