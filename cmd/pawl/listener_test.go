package main

import (
	"bytes"
	"errors"
	"log/slog"
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

// TestLog says each event once, in the level's words and format.
func TestLog(t *testing.T) {
	s, err := settings.Load(settings.Sources{Sets: []string{"log.format=json", "log.level=warn"}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	l := logListener(logger(&out, s))
	l.InstanceState(processor.InstanceStateInfo{State: "RUNNING"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRunning})
	l.Restore(processor.RestoreInfo{Task: "fraud-0", Done: true})
	l.EpochCommitted(processor.EpochInfo{})
	l.Notice("heard")
	if out.Len() > 0 {
		t.Errorf("said below its level: %s", out.String())
	}
	l.InstanceState(processor.InstanceStateInfo{State: "ERROR", Reason: "why"})
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRefused, Reason: "x"})
	l.EpochAborted(processor.AbortInfo{Reason: "fenced", Err: errors.New("by another")})
	l.Waiting(processor.WaitInfo{What: "the registry"})
	l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk", State: "half-open"})
	l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk", State: "open"})
	for range 3 {
		l.DeadLettered(processor.DeadLetterInfo{Exception: "DecodeError", Offset: 7})
	}
	for _, want := range []string{`"level":"ERROR","msg":"instance","state":"ERROR","reason":"why"`,
		`"level":"ERROR","msg":"task","task":"fraud-0","state":"REFUSED","reason":"x"`,
		`"reason":"fenced","unconfirmed":false,"error":"by another"`, `"for":"the registry"`,
		`"msg":"circuit breaker","enrichment":"risk","task":"fraud-0","state":`,
		`"exception":"DecodeError"`} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("not exactly once: %s in\n%s", want, out.String())
		}
	}
	if got := logger(&out, s).Handler(); got.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("info is enabled at warn")
	}
}
