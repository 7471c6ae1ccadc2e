package main

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func TestQuantile(t *testing.T) {
	five := []time.Duration{1, 2, 3, 4, 5}
	for q, want := range map[float64]time.Duration{0: 1, 0.2: 1, 0.5: 3, 0.6: 3, 0.61: 4, 0.99: 5,
		1: 5} {
		if got := quantile(five, q); got != want {
			t.Errorf("quantile %v is %v; want %v", q, got, want)
		}
	}
	if got := quantile([]time.Duration{}, 0.5); got != 0 {
		t.Errorf("quantile of nothing is %v", got)
	}
}

func TestProvenance(t *testing.T) {
	var header []byte
	for _, v := range []uint64{0, 3, 300, 1} {
		header = binary.AppendUvarint(header, v)
	}
	rec := &kgo.Record{Headers: []kgo.RecordHeader{{Key: "other"},
		{Key: "pawl.src", Value: header}}}
	if at, ok := provenance(rec); !ok || at != (origin{3, 300}) {
		t.Errorf("read %+v, %v", at, ok)
	}
	rec.Headers[1].Value = header[:len(header)-1]
	if _, ok := provenance(rec); ok {
		t.Error("a header that is cut off was read")
	}
	if _, ok := provenance(&kgo.Record{}); ok {
		t.Error("no header was read")
	}
}

// TestSendTimes pairs sending and seeing; a record that failed or was not seen does not count.
func TestSendTimes(t *testing.T) {
	s := &sendTimes{topic: "in", began: map[*kgo.Record]time.Time{}, at: map[origin]time.Time{}}
	seen := map[origin]time.Time{}
	for i, topic := range []string{"in", "in", "other", "in", "in"} {
		rec := &kgo.Record{Topic: topic, Partition: 1, Offset: int64(i)}
		s.OnProduceRecordBuffered(rec)
		var err error
		if i == 3 {
			err = kgo.ErrClientClosed
		}
		s.OnProduceRecordUnbuffered(rec, err)
		if i < 4 {
			at := origin{1, int64(i)}
			seen[at] = s.at[at].Add(time.Duration(i+1) * time.Second)
		}
	}
	if got := s.against(seen); got != (latencyReport{P50: 1000, P99: 2000}) {
		t.Errorf("latency %+v of %d records", got, len(s.at))
	}
	if len(s.began) != 0 {
		t.Errorf("%d records are held for ever", len(s.began))
	}
}

func TestFeedTimes(t *testing.T) {
	for _, f := range []feed{{rate: 10, count: 100}, {count: 100_000}, {}} {
		last := f.start().Add(time.Duration(float64(f.count) / f.pace() * float64(time.Second)))
		late := time.Since(last)
		if f.rate == 0 && (late < -time.Second || late > time.Minute) {
			t.Errorf("%+v ends %v ago", f, late)
		}
	}
	if got := (feed{rate: 10}).pace(); got != 10 {
		t.Errorf("pace %v", got)
	}
}

// TestViewInATerminal redraws in place: as many lines up as were drawn.
func TestViewInATerminal(t *testing.T) {
	var out strings.Builder
	v := &view{out: &out, terminal: true, started: time.Now()}
	v.event("something happened")
	v.show(snapshot{sample: sample{at: time.Now()}, alerts: []string{strings.Repeat("a", 300)}})
	first := out.String()
	lines := strings.Count(first, "\n")
	if v.height != lines || !strings.Contains(first, "something happened") {
		t.Errorf("height %d of\n%s", v.height, first)
	}
	for line := range strings.Lines(first) {
		if len(line) > 90 {
			t.Errorf("line would wrap: %s", line)
		}
	}
	v.clear()
	if want := "\x1b[" + "13" + "A\x1b[J"; lines != 13 || !strings.HasSuffix(out.String(), want) {
		t.Errorf("%d lines drawn, cleared with %q", lines, strings.TrimPrefix(out.String(), first))
	}
}

// TestViewWithoutTerminal writes plain lines, and rates over the window.
func TestViewWithoutTerminal(t *testing.T) {
	var out strings.Builder
	v := newView(&out)
	v.event("something happened")
	at := time.Now()
	for i := range 4 {
		s := snapshot{sample: sample{at: at.Add(time.Duration(i) * time.Second),
			sent: int64(i) * 50}}
		s.totals.Records = int64(i) * 40
		v.show(s)
	}
	got := out.String()
	if strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 3 ||
		!strings.Contains(got, "in 50/s  processed 40/s") {
		t.Errorf("said\n%s", got)
	}
}
