package processor_test

import (
	"fmt"
	"testing"
	"time"

	"pawl/processor"
	"pawl/schemas/record"
)

// TestGraphLives holds the graph of a running pipeline against what it was made of, and its rates
// against what was sent through it.
func TestGraphLives(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	in := b.start("a", counting(func(_ *processor.Context, e event, _ int64) error {
		if e.Key == "k1" {
			return processor.Reject("a key that is not wanted")
		}
		return nil
	}))
	b.drained("in")
	g := in.Graph()
	want := "[{step:counting step counting} {input:in input in} {store:sums store sums} " +
		"{output:out output out} {output:app-dlq output app-dlq}] [{input:in step:counting} " +
		"{step:counting store:sums} {step:counting output:out} {step:counting output:app-dlq}]"
	if got := fmt.Sprint(g.Nodes, g.Edges); got != want {
		t.Errorf("graph %s\nwant  %s", got, want)
	}
	var rates map[string]float64
	var inputs []processor.InputStatus
	var offset int64
	look := func() bool {
		err := in.View(0, nil, func(v *processor.StateView) error {
			rates, inputs = v.Rates(), v.Inputs()
			return nil
		})
		return err == nil && rates["input:in"] == 4 // the task may not run yet
	}
	for began := time.Now(); !look(); { // a machine that stands still spreads them too far
		if time.Since(began) > patience {
			t.Fatalf("rates %v", rates)
		}
		b.produce(20, 2) // half of them are rejected
		offset += 20
		wait(t, in, 0, func(p record.Position) bool { return p.Inputs[0].Offset == offset })
		for sent := time.Now(); !look() && time.Since(sent) < 7*time.Second; {
			time.Sleep(20 * time.Millisecond)
		}
	}
	if rates["input:in"] != 4 || rates["step:counting"] != 4 || rates["output:out"] != 2 ||
		rates["output:app-dlq"] != 2 || rates["store:sums"] <= 0 || rates["store:sums"] > 2 {
		t.Errorf("rates %v", rates)
	}
	newest := time.Now()
	if len(inputs) != 1 || inputs[0].Offset != offset || inputs[0].Watermark.After(newest) ||
		newest.Sub(inputs[0].Watermark) > patience {
		t.Errorf("inputs %+v", inputs)
	}
	stop(t, in)
}
