package activity_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

// scriptConfig holds the settings of testdata/oracle.txt.
func scriptConfig() activity.Config {
	return activity.Config{Grace: time.Second, DedupeHorizon: 100 * time.Second, BatchSize: 3,
		MaxOutOfOrderness: 2 * time.Second, MaxFutureSkew: time.Minute}
}

// encoder returns an encoder of events with the id that the registry gives their schema.
func encoder(t *testing.T, reg schemas.Registry, r *schemas.Resolver,
) *schemas.Encoder[schema.UserEvent] {
	t.Helper()
	return pipelinetest.Encoder(t, reg, r, activity.UserEvents, schema.UserEventType())
}

// input makes the record of one line of testdata/oracle.txt.
func input(t *testing.T, events *schemas.Encoder[schema.UserEvent], line string) verify.Input {
	t.Helper()
	words := strings.Fields(line)
	in := verify.Input{Topic: activity.UserEvents, Timestamp: pipelinetest.Int(t, words[0]),
		Key: []byte(words[1])}
	if words[1] == "raw" {
		in.Value = pipelinetest.Raw(t, words[2])
		return in
	}
	e := schema.UserEvent{UserID: words[1], EventID: strings.Trim(words[2], `"`),
		Timestamp: time.UnixMilli(pipelinetest.Int(t, words[3])), Action: "view",
		Value: pipelinetest.Float(t, words[4])}
	for _, word := range words[5:] {
		switch name, text, _ := strings.Cut(word, "="); name {
		case "key":
			in.Key = []byte(text)
		case "action":
			e.Action = text
		default:
			t.Fatalf("unknown word %q", word)
		}
	}
	var err error
	if in.Value, err = events.Append(nil, &e); err != nil {
		t.Fatal(err)
	}
	return in
}

// bench is an oracle that is fed by hand.
type bench struct {
	oracle *activity.Oracle
	events *schemas.Encoder[schema.UserEvent]
}

func newBench(t *testing.T) *bench {
	t.Helper()
	reg := schemas.NewMemory()
	r := schemas.NewResolver(reg)
	return &bench{oracle: activity.NewOracle(scriptConfig(), r), events: encoder(t, reg, r)}
}

// feed gives one record, written as in testdata/oracle.txt.
func (b *bench) feed(t *testing.T, line string) verify.Outcome {
	t.Helper()
	out, err := b.oracle.Feed(context.Background(), input(t, b.events, line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return out
}

// fate prints what became of a record.
func fate(out verify.Outcome) string {
	text := pipelinetest.Fate(out)
	if len(out.LateFor) > 0 {
		text += " late " + strings.Join(out.LateFor, " ")
	}
	return text
}

// printed are outputs as text.
func printed(outputs []verify.Output) []string {
	var lines []string
	for _, o := range outputs {
		user, text := "", ""
		switch v := o.Value.(type) {
		case schema.UserAggregate:
			user, text = v.UserID, fmt.Sprintf("%d-%d %d %v %v", v.WindowStart.UnixMilli(),
				v.WindowEnd.UnixMilli(), v.EventCount, v.TotalValue, v.AvgValue)
		case schema.UserBatch:
			user, text = v.UserID, fmt.Sprintf("#%d:%d-%d %d %v %v", v.Batch,
				v.FirstTimestamp.UnixMilli(), v.LastTimestamp.UnixMilli(), v.EventCount,
				v.TotalValue, v.AvgValue)
		}
		if o.Key != user {
			user += " under key " + o.Key
		}
		lines = append(lines, fmt.Sprintf("%s %s %s @%d", o.Topic, user, text, o.Timestamp))
	}
	return lines
}

// TestOracleScript runs testdata/oracle.txt record by record.
func TestOracleScript(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/oracle.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := newBench(t)
	var got []string // outputs of the last record that the script has not told yet
	untold := func(n int) {
		for _, line := range got {
			t.Errorf("before line %d: the record also led to %s", n, line)
		}
	}
	checked, n := 0, 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		n++
		line := lines.Text()
		switch want, indented := strings.CutPrefix(line, "  "); {
		case line == "" || line[0] == '#':
			continue
		case indented && len(got) == 0:
			t.Errorf("line %d: the record did not lead to it: %s", n, want)
		case indented:
			if got[0] != want {
				t.Errorf("line %d: %s\ngot      %s", n, want, got[0])
			}
			got = got[1:]
		default:
			untold(n)
			record, want, _ := strings.Cut(line, "->")
			out := b.feed(t, record)
			if fate(out) != strings.TrimSpace(want) {
				t.Errorf("line %d: %s\ngot      %s", n, line, fate(out))
			}
			got = printed(out.Outputs)
		}
		checked++
	}
	untold(n)
	if checked < 50 {
		t.Errorf("only %d lines were run", checked)
	}
}

// TestOracleIdle moves the watermark without a record.
func TestOracleIdle(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.feed(t, "1000 bob b1 1000 1")
	b.feed(t, "1000 ann a1 1000 2")
	b.feed(t, "60000 ann a2 60000 4")
	for _, step := range []struct {
		watermark, stands int64
		want              []string
	}{
		{60_999, 60_999, nil},
		{61_000, 61_000, []string{"processed-events ann 0-60000 1 2 2 @59999",
			"processed-events bob 0-60000 1 1 1 @59999"}},
		{1_000, 61_000, nil}, // never back
		{400_000, 400_000, []string{"processed-events ann 60000-120000 1 4 4 @119999",
			"user-aggregates ann 0-300000 2 6 3 @299999",
			"user-aggregates bob 0-300000 1 1 1 @299999"}},
	} {
		got := printed(b.oracle.Idle(step.watermark))
		if !slices.Equal(got, step.want) || b.oracle.Watermark() != step.stands {
			t.Errorf("idle to %d: watermark %d, outputs %q; want %d, %q", step.watermark,
				b.oracle.Watermark(), got, step.stands, step.want)
		}
	}
}

// TestOracleState holds what is open, begun and remembered, and nothing else.
func TestOracleState(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, line := range []string{"10000 ann a1 10000 1", "10000 ann a2 9000 2",
		"10000 bob b/1 10000 3", "10000 bob b2 10000 4", "10000 bob b3 10000 5",
		"63000 cid c1 63000 6", "63000 cid c1 63000 7", "63000 cid c2 63000 NaN"} {
		b.feed(t, line)
	}
	want := map[string]string{
		`batches/"ann"`:        "{10000 9000 2 3}",
		`batches-count/"ann"`:  "2",
		`batches-count/"bob"`:  "3",
		`batches/"cid"`:        "{63000 63000 1 6}",
		`batches-count/"cid"`:  "1",
		`five-minutes/"ann"/0`: "{2 3}",
		`five-minutes/"bob"/0`: "{3 12}",
		`five-minutes/"cid"/0`: "{1 6}",
		`seen/"ann"/"a1"`:      "110000",
		`seen/"ann"/"a2"`:      "109000",
		`seen/"bob"/"b/1"`:     "110000",
		`seen/"bob"/"b2"`:      "110000",
		`seen/"bob"/"b3"`:      "110000",
		`seen/"cid"/"c1"`:      "163000",

		`per-minute/"cid"/60000`: "{1 6}",
	}
	compareState(t, b.oracle.State(), want)
	b.oracle.Idle(163_000) // all ids are forgotten by now
	for _, name := range []string{`seen/"ann"/"a1"`, `seen/"ann"/"a2"`, `seen/"bob"/"b/1"`,
		`seen/"bob"/"b2"`, `seen/"bob"/"b3"`, `seen/"cid"/"c1"`, `per-minute/"cid"/60000`} {
		delete(want, name)
	}
	compareState(t, b.oracle.State(), want)
}

func compareState(t *testing.T, state map[string]any, want map[string]string) {
	t.Helper()
	for name, v := range state {
		if text := fmt.Sprint(v); want[name] != text {
			t.Errorf("state has %s = %s, want %q", name, text, want[name])
		}
	}
	for name, text := range want {
		if state[name] == nil {
			t.Errorf("state lacks %s = %s", name, text)
		}
	}
}
