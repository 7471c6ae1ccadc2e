package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8/cwriter"

	"pawl/internal/metrics"
)

const (
	redrawEvery = 250 * time.Millisecond
	lineEvery   = 2 * time.Second // without a terminal
	rateWindow  = 5 * time.Second
	eventsShown = 5
)

// view shows a demo under way: on a terminal a picture that is redrawn, elsewhere lines.
type view struct {
	out      io.Writer
	terminal bool
	title    string // the command
	mishaps  string // what is done to the instances
	skewed   bool   // clocks jump: a record's timestamp does not tell how old it is
	started  time.Time

	mu      sync.Mutex
	height  int // lines of the picture on screen
	printed time.Time
	events  []string
	samples []sample
}

// sample is what was known at one moment; rates are differences of two.
type sample struct {
	at     time.Time
	sent   int64
	totals metrics.Totals
}

// snapshot is everything a picture shows.
type snapshot struct {
	sample
	lag        int64
	crashes    int
	recoveries []time.Duration // sorted
	members    []memberLine
	alerts     []string
}

type memberLine struct {
	name, state string
	pid         int
	tasks       []string
}

func newView(out io.Writer) *view {
	return &view{out: out, terminal: isTerminal(out), started: time.Now(), title: "demo",
		mishaps: "crashes"}
}

// event tells what happened: a line at once, or the newest of the picture's events.
func (v *view) event(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	line := fmt.Sprintf("%7.1fs  %s", time.Since(v.started).Seconds(), text)
	if !v.terminal {
		fmt.Fprintln(v.out, line)
		return
	}
	v.events = append(v.events, line)
	v.events = v.events[max(0, len(v.events)-eventsShown):]
}

// show draws the picture, or prints a line when it is time for the next one.
func (v *view) show(s snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.samples = append(v.samples, s.sample)
	v.samples = slices.DeleteFunc(v.samples, func(old sample) bool {
		return s.at.Sub(old.at) > rateWindow
	})
	if !v.terminal {
		if s.at.Sub(v.printed) >= lineEvery {
			v.printed = s.at
			fmt.Fprintf(v.out, "%7.1fs  %s\n", s.at.Sub(v.started).Seconds(), v.summary(s))
		}
		return
	}
	v.draw(v.picture(s))
}

// clear removes the picture, so that what follows stands alone.
func (v *view) clear() {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.terminal && v.height > 0 {
		fmt.Fprintf(v.out, "\x1b[%dA\x1b[J", v.height)
		v.height = 0
	}
}

func (v *view) draw(lines []string) {
	width := 80
	if f, ok := v.out.(*os.File); ok {
		if w, _, err := cwriter.GetSize(int(f.Fd())); err == nil && w > 0 {
			width = w
		}
	}
	var b strings.Builder
	if v.height > 0 {
		fmt.Fprintf(&b, "\x1b[%dA", v.height)
	}
	for _, line := range lines {
		if runes := []rune(line); len(runes) >= width {
			line = string(runes[:width-1]) // a wrapped line would break the next redraw
		}
		fmt.Fprintf(&b, "\x1b[2K%s\n", line)
	}
	b.WriteString("\x1b[J")
	v.height = len(lines)
	fmt.Fprint(v.out, b.String())
}

// rates are per second over the last few seconds.
func (v *view) rates(s snapshot) (sent, processed, epochs float64, recent metrics.Totals) {
	first := v.samples[0]
	recent = s.totals.Minus(first.totals)
	elapsed := s.at.Sub(first.at).Seconds()
	if elapsed <= 0 {
		return 0, 0, 0, recent
	}
	return float64(s.sent-first.sent) / elapsed, float64(recent.Records) / elapsed,
		float64(recent.EpochsCommitted) / elapsed, recent
}

func (v *view) summary(s snapshot) string {
	sent, processed, epochs, recent := v.rates(s)
	return fmt.Sprintf("in %.0f/s  processed %.0f/s  lag %d%s  epochs %.0f/s  aborted %d  "+
		"%s %d  recovered %d", sent, processed, s.lag, v.latency(recent), epochs,
		s.totals.EpochsAborted, v.mishaps, s.crashes, len(s.recoveries))
}

// latency is what a line says of it.
func (v *view) latency(recent metrics.Totals) string {
	if v.skewed {
		return ""
	}
	return fmt.Sprintf("  latency p50 %.0f p99 %.0f ms", recent.Quantile(0.5),
		recent.Quantile(0.99))
}

func (v *view) picture(s snapshot) []string {
	sent, processed, epochs, recent := v.rates(s)
	lines := []string{
		fmt.Sprintf("pawl %s  %s   Ctrl-C stops, drains and verifies", v.title,
			s.at.Sub(v.started).Round(time.Second)),
		"",
		fmt.Sprintf("  records   in %d (%.0f/s)   processed %d (%.0f/s)   lag %d", s.sent, sent,
			s.totals.Records, processed, s.lag),
		fmt.Sprintf("  bad       dead letters %d   late %d%s", s.totals.DeadLettered, s.totals.Late,
			v.latency(recent)),
		fmt.Sprintf("  epochs    %d committed (%.0f/s)   %d aborted   %d unconfirmed",
			s.totals.EpochsCommitted, epochs, s.totals.EpochsAborted, s.totals.Unconfirmed),
		fmt.Sprintf("  %-9s %d   recovered %d   p50 %v   max %v", v.mishaps, s.crashes,
			len(s.recoveries),
			quantile(s.recoveries, 0.5).Round(time.Millisecond),
			quantile(s.recoveries, 1).Round(time.Millisecond)),
		"",
	}
	for _, m := range s.members {
		lines = append(lines, fmt.Sprintf("  %-10s pid %-8d %-12s %s", m.name, m.pid, m.state,
			strings.Join(m.tasks, " ")))
	}
	lines = append(lines, "", "  last alerts")
	for _, a := range s.alerts {
		lines = append(lines, "    "+a)
	}
	lines = append(lines, "", "  events")
	for _, e := range v.events {
		lines = append(lines, "  "+e)
	}
	return lines
}
