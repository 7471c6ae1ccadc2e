package main

import (
	"strings"
	"testing"
	"time"
)

// TestReplayFlags refuses what does not go together, before anything is contacted.
func TestReplayFlags(t *testing.T) {
	for _, tc := range []struct{ args, said string }{
		{"", "say once where to begin"},
		{"--to-earliest --to-offset 3", "say once where to begin"},
		{"--to-offset x", "--to-offset=x is not a number"},
		{"--to-datetime yesterday", "--to-datetime=yesterday: is not a time"},
		{"--by-duration -1h", "--by-duration=-1h: is not a duration"},
		{"--by-duration 1h --to-datetime 2026-01-01", "exclude each other"},
		{"--from-file /no/such", "--from-file=/no/such cannot be read"},
		{"--to-earliest --execute --dry-run", "--execute and --dry-run exclude each other"},
		{"--to-earliest --in-place --promote a", "exclude each other; give one"},
		{"--promote a --to-earliest", "take no point"},
		{"--promote a --id b", "leave out --id"},
		{"--cleanup", "needs the --id"},
		{"--to-earliest --id A.b", `--id: "A.b" is no id`},
		{"--to-earliest --html x.html", "--html is for the result of a shadow"},
		{"--to-earliest", "application.id= (from default)"},
	} {
		code, _, said := pawl(nil, append([]string{"replay", "fraud"},
			strings.Fields(tc.args)...)...)
		if code != 2 || !strings.Contains(said, tc.said) {
			t.Errorf("%s: exit %d, said %q, want %q", tc.args, code, said, tc.said)
		}
	}
}

// TestReplayTimes reads times and durations as Kafka's tools do, and Go's.
func TestReplayTimes(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-21T10:00:00":       "2026-11-21T10:00:00Z",
		"2026-11-21T10:00:00.250":   "2026-11-21T10:00:00.25Z",
		"2026-11-21T10:00:00+01:00": "2026-11-21T09:00:00Z",
		"2026-11-21":                "2026-11-21T00:00:00Z",
	} {
		at, err := parseTime(text)
		if got := at.UTC().Format(time.RFC3339Nano); err != nil || got != want {
			t.Errorf("%s is %s, %v, want %s", text, got, err, want)
		}
	}
	for text, want := range map[string]time.Duration{"90m": 90 * time.Minute,
		"PT1H30M": 90 * time.Minute, "P1DT2S": 24*time.Hour + 2*time.Second, "P": 0, "PT": 0,
		"0s": 0, "x": 0} {
		if got, err := parseSpan(text); got != want || (err == nil) != (want > 0) {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
}
