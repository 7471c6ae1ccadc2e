package processor

import (
	"context"
	"strings"
	"testing"
	"time"

	"pawl/checkpoint"
)

// TestUsableRefuses changes one thing after the other of a checkpoint that can be used.
func TestUsableRefuses(t *testing.T) {
	l := &ladder{t: &task{name: "p-3", partition: 3}, claim: 100, start: 10,
		in: &Instance{tombstones: time.Hour, bind: &binding{app: "app",
			pipeline: &Pipeline{name: "p"}, partitions: 4, changelogID: [16]byte{1}}}}
	good := func() *checkpoint.Manifest {
		return &checkpoint.Manifest{ID: "id", Description: checkpoint.Description{
			Application: "app", Task: "p-3", Pipeline: "p", Partition: 3, Partitions: 4,
			Changelog: checkpoint.Changelog{Topic: "c", TopicID: topicText([16]byte{1}),
				Offset: 50, Time: time.Now().Add(-20 * time.Minute)}}}
	}
	for _, c := range []struct {
		says   string
		change func(m *checkpoint.Manifest)
	}{
		{"", func(*checkpoint.Manifest) {}},
		{"", func(m *checkpoint.Manifest) { m.Changelog.Offset = 10 }},
		{"", func(m *checkpoint.Manifest) { m.Changelog.Offset = 100 }},
		{"it is one of other/p-3", func(m *checkpoint.Manifest) { m.Application = "other" }},
		{"it is one of app/p-1", func(m *checkpoint.Manifest) { m.Task = "p-1" }},
		{"it is one of", func(m *checkpoint.Manifest) { m.Pipeline = "q" }},
		{"it is one of", func(m *checkpoint.Manifest) { m.Partition = 2 }},
		{"had 8 partitions then and have 4 now",
			func(m *checkpoint.Manifest) { m.Partitions = 8 }},
		{"deleted since", func(m *checkpoint.Manifest) {
			m.Changelog.TopicID = topicText([16]byte{2})
		}},
		{"stands at changelog offset 9, and the log begins at 10",
			func(m *checkpoint.Manifest) { m.Changelog.Offset = 9 }},
		{"beyond this instance's claim at 100",
			func(m *checkpoint.Manifest) { m.Changelog.Offset = 101 }},
		{"half of the changelog's delete.retention.ms", func(m *checkpoint.Manifest) {
			m.Changelog.Time = time.Now().Add(-31 * time.Minute)
		}},
	} {
		m := good()
		c.change(m)
		l.match = nil
		err := l.usable(m)
		switch {
		case c.says == "" && (err != nil || l.match != m):
			t.Errorf("a good one is refused: %v", err)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) ||
			l.match != nil):
			t.Errorf("%v; want %q", err, c.says)
		}
	}
}

// TestWatchCountsNewBytesOnly: a storage that gives the same beginning again and again does not
// move.
func TestWatchCountsNewBytesOnly(t *testing.T) {
	w := newWatch(time.Hour)
	for _, c := range []struct {
		done, total int64
		moves       bool
	}{{0, 100, false}, {10, 100, true}, {0, 100, false}, {10, 100, false}, {11, 100, true},
		{5, 50, true}, {11, 100, false}, {5, 50, false}} {
		if got := w.moved(c.done, c.total); got != c.moves {
			t.Errorf("%d of %d moves: %v", c.done, c.total, got)
		}
	}
	w = newWatch(0)
	ctx, done := w.watched(context.Background())
	<-ctx.Done()
	done()
	if !w.over() || context.Cause(ctx) != errSilent {
		t.Errorf("silence ends with %v", context.Cause(ctx))
	}
}
