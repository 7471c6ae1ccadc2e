package main

import (
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
