package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pawl/replay"
)

// TestReplayTasksAreShort names damaged checkpoints, and only counts those beyond the point.
func TestReplayTasksAreShort(t *testing.T) {
	var said strings.Builder
	err := printReplayTasks(&said, []replay.TaskPlan{{Task: "fraud-0", Skipped: []string{
		"a: it stands at offset 9 of transactions-0, beyond 5", "b: it is missing",
		"c: it stands at offset 7 of transactions-0, beyond 5"}}}, nil, nil)
	text := said.String()
	if err != nil || strings.Count(text, "passed over") != 1 ||
		!strings.Contains(text, "fraud-0: passed over checkpoint b: it is missing\n") ||
		!strings.Contains(text, "fraud-0: 2 newer checkpoints stand beyond the point\n") ||
		strings.Contains(text, "checkpoint a") {
		t.Errorf("%v\n%s", err, text)
	}
}

// TestReplayInterrupted says after Ctrl-C what to do, and leaves other errors alone.
func TestReplayInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	other := errors.New("other")
	stopped := fmt.Errorf("read: %w", context.Canceled)
	if err := interruptedReplay(ctx, stopped, replayOptions{}); err != stopped {
		t.Errorf("without Ctrl-C: %v", err)
	}
	cancel()
	for _, c := range []struct {
		err  error
		o    replayOptions
		want string
	}{
		{other, replayOptions{}, "other"},
		{stopped, replayOptions{}, "nothing was changed"},
		{stopped, replayOptions{execute: true, inPlace: true}, "the same command again"},
		{stopped, replayOptions{execute: true, id: "x1"}, "--cleanup --id x1 --execute"},
	} {
		if err := interruptedReplay(ctx, c.err, c.o); !strings.Contains(err.Error(), c.want) {
			t.Errorf("said %v, want %s", err, c.want)
		}
	}
	if interruptedReplay(ctx, nil, replayOptions{}) != nil {
		t.Error("a replay that was done before is interrupted")
	}
}
