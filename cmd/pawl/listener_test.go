package main

import (
	"bytes"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"pawl/internal/settings"
	"pawl/processor"
)

func TestThrottle(t *testing.T) {
	now := time.Unix(100, 0)
	th := &throttle{every: 10 * time.Second, now: func() time.Time { return now }}
	for _, c := range []struct {
		after time.Duration
		kind  string
		ok    bool
		held  int
	}{
		{0, "a", true, 0}, {0, "a", false, 0}, {9 * time.Second, "a", false, 0}, {0, "b", true, 0},
		{time.Second, "a", true, 2}, {10 * time.Second, "a", true, 0},
	} {
		now = now.Add(c.after)
		if ok, held := th.allow(c.kind); ok != c.ok || held != c.held {
			t.Errorf("at %v %s: %v, %d held; want %v, %d", now.Unix(), c.kind, ok, held, c.ok,
				c.held)
		}
	}
}

// TestThrottleForgets: kinds without number do not fill the memory.
func TestThrottleForgets(t *testing.T) {
	th := &throttle{every: time.Hour, now: time.Now}
	for i := range 3*maxKinds + 1 {
		th.allow(strconv.Itoa(i))
		if len(th.last) > maxKinds || len(th.held) > maxKinds {
			t.Fatalf("it remembers %d kinds", len(th.last))
		}
	}
	if ok, _ := th.allow(strconv.Itoa(3 * maxKinds)); ok {
		t.Error("it forgot the last kind")
	}
}

// logged is a journal with these settings, what it wrote, and what feeds it.
func logged(t *testing.T, sets ...string) (*bytes.Buffer, *journal, processor.Listener) {
	t.Helper()
	s, err := settings.Load(settings.Sources{Sets: append(sets, "application.id=shop")})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	j := newJournal(&out, s)
	return &out, j, j.listener()
}

func wantOnce(t *testing.T, out string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if strings.Count(out, want) != 1 {
			t.Errorf("not exactly once: %s in\n%s", want, out)
		}
	}
}

// TestLog says each event once, in the level's words and format.
func TestLog(t *testing.T) {
	out, j, l := logged(t, "log.format=json", "log.level=warn")
	l.InstanceState(processor.InstanceStateInfo{State: "RUNNING"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRunning})
	l.Restore(processor.RestoreInfo{Task: "fraud-0", Done: true})
	l.EpochCommitted(processor.EpochInfo{})
	l.Notice("heard")
	if out.Len() > 0 {
		t.Errorf("said below its level: %s", out.String())
	}
	l.Warning("mended")
	l.InstanceState(processor.InstanceStateInfo{State: "ERROR", Reason: "why"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRefused, Reason: "x"})
	l.EpochAborted(processor.AbortInfo{Reason: "fenced", Err: errors.New("by another"), Epoch: 4,
		Tasks: []string{"fraud-0", "fraud-2"}})
	for i := range 3 {
		l.Waiting(processor.WaitInfo{What: "the registry at 127.0.0.1:80" + strconv.Itoa(i),
			For: 1500 * time.Millisecond})
	}
	l.Waiting(processor.WaitInfo{Task: "fraud-1", What: "the registry at 127.0.0.1:80"})
	l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk", State: "half-open"})
	l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk", State: "open"})
	for range 3 {
		l.DeadLettered(processor.DeadLetterInfo{Task: "fraud-3", Exception: "DecodeError",
			Offset: 7, Epoch: 12})
	}
	wantOnce(t, out.String(),
		`"level":"WARN","msg":"mended"`,
		`"level":"ERROR","msg":"instance","state":"ERROR","reason":"why","application":"shop"}`,
		`"level":"ERROR","msg":"task","task":"fraud-0","state":"REFUSED","reason":"x"`,
		`"reason":"fenced","unconfirmed":false,"error":"by another","commit":4,`+
			`"tasks":"fraud-0,fraud-2"`,
		`"for":"the registry at 127.0.0.1:800","task":"","since":1.5`, `"task":"fraud-1","since":0,`,
		`"msg":"circuit breaker","enrichment":"risk","task":"fraud-0","state":`,
		`"exception":"DecodeError"`, `"offset":7,"task":"fraud-3","epoch":12,"unlogged":0,`)
	if n := strings.Count(out.String(), `"msg":"waiting"`); n != 2 {
		t.Errorf("%d lines of two waits, which differ by the task", n)
	}
	if j.log.Handler().Enabled(t.Context(), slog.LevelInfo) {
		t.Error("info is enabled at warn")
	}
}

// TestLogCorrelates: lines of a task's epoch have its number, and each says whose it is as soon as
// that is known.
func TestLogCorrelates(t *testing.T) {
	out, j, l := logged(t, "log.level=debug")
	l.Notice("early")
	l.InstanceState(processor.InstanceStateInfo{State: "CREATED", Instance: "a1"})
	l.EpochCommitted(processor.EpochInfo{Epoch: 5, Tasks: 2, Records: 30, Duration: time.Second,
		PerTask: []processor.TaskEpoch{{Task: "fraud-0", Epoch: 77, Records: 10},
			{Task: "fraud-1", Epoch: 9, Records: 20}}})
	for range 2 {
		l.Waiting(processor.WaitInfo{Task: "fraud-0", What: "offset 7", For: time.Minute})
	}
	j.log.With("a", 1).Info("with")
	wantOnce(t, out.String(),
		`level=INFO msg=early application=shop`+"\n",
		`msg=instance state=CREATED application=shop instance=a1`+"\n",
		`msg="epoch committed" commit=5 tasks=2 records=30 outputs=0 changes=0 took=1s`,
		`task=fraud-0 epoch=77 application=shop instance=a1`,
		`task=fraud-1 epoch=9 application=shop instance=a1`,
		`level=WARN msg=waiting for="offset 7" task=fraud-0 since=1m0s unlogged=0`,
		`level=DEBUG msg=waiting for="offset 7" task=fraud-0 since=1m0s unlogged=0`,
		`msg=with a=1 application=shop instance=a1`)
}
