package processor

import (
	"fmt"
	"strings"
	"testing"

	"pawl/statestore"
)

// TestPatternKeepsStepsOnly has a session of many events that are no step: they prolong it, count
// as processed although another branch filters them, and leave nothing in the state.
func TestPatternKeepsStepsOnly(t *testing.T) {
	t.Parallel()
	var log []string
	is := func(kind int64) func(sample) bool {
		return func(v sample) bool { return v.At%10 == kind }
	}
	p := New("p")
	ways := Pattern(p, "w", SessionGap(millis(100)), sampleType(),
		[]Step[sample]{{"one", is(1)}, {"two", is(2)}}, func(ctx *Context, m Match[sample]) {
			log = append(log, fmt.Sprint(ctx.Key(), " ", m.Span.Start.UnixMilli(), "-",
				m.Span.End.UnixMilli(), " ", m.Complete, len(m.Events)))
		})
	Input(p, "in", sampleType(), Branch(ways,
		Filter(is(9), func(*Context, sample) error { return nil })))
	r := newRig(t, p, statestore.NewMem())
	const events = 1_000
	send := func(ms, kind int64) {
		t.Helper()
		if err := r.step(sample{Key: "a", At: ms*10 + kind}); err != nil {
			t.Fatal(err)
		}
	}
	at := func(v sample) int64 { return v.At }
	for i := range int64(events) {
		kind := int64(0)
		switch i {
		case 300, 600:
			kind = 1
		case 700:
			kind = 2
		}
		send(i, kind)
		send(max(i-1, 0), 3) // earlier: the session stays what it is
	}
	if got := lines(r, 0, at); fmt.Sprint(got) != "map[a:[3001 6001 7002]]" {
		t.Errorf("the state of a session holds %v", got)
	}
	in := r.core.position.Inputs[0]
	if in.Processed != 2*events || in.Filtered != 0 {
		t.Errorf("ledger %+v, want %d processed", in, 2*events)
	}
	send(2*events, 1)
	send(4*events, 0)
	want := fmt.Sprintf("a 0-%d true 2\na %d-%[2]d false 1", (events-1)*10, 2*events*10+1)
	if got := strings.Join(log, "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := lines(r, 0, at); len(got) > 0 {
		t.Errorf("closed sessions leave %v", got)
	}
}
