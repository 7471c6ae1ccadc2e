package processor

import (
	"fmt"
	"testing"
	"time"
)

// TestPaceForgets adds up epochs of several seconds: what is older than five, and the second that
// runs, do not count.
func TestPaceForgets(t *testing.T) {
	p := New("p")
	table := &Table[int]{name: "t"}
	p.inputs, p.tables = []input{&Source[int]{name: "in"}}, append(p.tables, table)
	b := &binding{pipeline: p, inputs: []boundInput{{topic: "pre-in"}},
		outputs: []boundOutput{{boundTopic: boundTopic{name: "out"}}},
		dlq:     boundTopic{name: "dlq"}}
	epoch := newFlow(b)
	epoch.inputs[0], epoch.tables[0], epoch.topics[0] = 10, 5, 20
	began := time.Unix(1_000_000, 0)
	var pc pace
	rate := func(at time.Duration) string {
		r := pc.rates(began.Add(at), b)
		return fmt.Sprint(r["input:pre-in"], r["step:p"], r["store:t"], r["output:out"],
			r["output:dlq"])
	}
	if got := rate(0); got != "0 0 0 0 0" {
		t.Errorf("before the first epoch: %s", got)
	}
	for n := range 20 { // two epochs a second
		pc.add(began.Add(time.Duration(n)*500*time.Millisecond), &epoch)
	}
	for at, want := range map[time.Duration]string{
		9 * time.Second:                       "20 20 10 40 0", // seconds 4 to 8
		9*time.Second + 999*time.Millisecond:  "20 20 10 40 0",
		10 * time.Second:                      "20 20 10 40 0", // 5 to 9
		11 * time.Second:                      "16 16 8 32 0",
		14*time.Second + 500*time.Millisecond: "4 4 2 8 0",
		15 * time.Second:                      "0 0 0 0 0",
	} {
		if got := rate(at); got != want {
			t.Errorf("after %v: %s, want %s", at, got, want)
		}
	}
}
