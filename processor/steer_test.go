package processor_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
)

// TestPause: a paused instance commits what it has in hand and takes nothing more; a task that
// comes to it meanwhile is restored, and waits.
func TestPause(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	in := b.start("a", counting(nil))
	b.produce(100, 10)
	b.drained("in")
	if err := in.Pause(); err != nil || !in.Status().Paused {
		t.Fatalf("pause: %v, %+v", err, in.Status())
	}
	before := b.committed("in", 0) + b.committed("in", 1)
	b.produce(100, 10)
	other := b.start("c", counting(nil))
	if err := other.Pause(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "each to run a task", func() bool {
		return oneRuns(in) && oneRuns(other)
	})
	time.Sleep(300 * time.Millisecond) // nothing is to happen: there is nothing to wait for
	if after := b.committed("in", 0) + b.committed("in", 1); after != before {
		t.Errorf("%d were committed, then %d, while paused", before, after)
	}
	for _, i := range []*processor.Instance{in, other} {
		if err := i.Resume(); err != nil || i.Status().Paused {
			t.Fatalf("resume: %v, %+v", err, i.Status())
		}
	}
	b.drained("in")
	b.outputs(200)
	stop(t, in)
	stop(t, other)
}

func oneRuns(in *processor.Instance) bool {
	tasks := in.Status().Tasks
	return len(tasks) == 1 && tasks[0].State == processor.TaskRunning
}

// TestDrain: instances that drain end by themselves when everything is committed, and not before.
func TestDrain(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	a, c := b.start("a", counting(nil)), b.start("c", counting(nil))
	waitFor(t, "each to run a task", func() bool { return oneRuns(a) && oneRuns(c) })
	if err := a.Pause(); err != nil {
		t.Fatal(err)
	}
	if err := c.Pause(); err != nil {
		t.Fatal(err)
	}
	b.produce(500, 10)
	if err := a.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Pause(); err == nil || !strings.Contains(err.Error(), "drains") {
		t.Errorf("pause of one that drains: %v", err)
	}
	select {
	case <-a.Done():
		t.Fatal("it stopped although the other's inputs are not read")
	case <-time.After(time.Second):
	}
	if err := c.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*processor.Instance{a, c} {
		ended(t, in)
	}
	b.drained("in")
	b.outputs(500)
}

// ended waits for an instance that was told to drain.
func ended(t *testing.T, in *processor.Instance) {
	t.Helper()
	select {
	case <-in.Done():
	case <-time.After(time.Minute):
		t.Fatalf("it does not stop: %+v", in.Status())
	}
	if err := in.Wait(); err != nil {
		t.Error(err)
	}
}

// TestDrainGlobals: a global topic, for which the group has no offsets, is read to its end, too;
// and a start with nothing to do keeps nobody from ending.
func TestDrainGlobals(t *testing.T) {
	t.Parallel()
	g := newPricing(t, 2, 3)
	b := g.b
	g.run(300)
	for round := range 3 { // the second time there are prices alone, the third time nothing
		in := b.start("a", priced(nil))
		waitFor(t, "both tasks to run", func() bool {
			tasks := in.Status().Tasks
			return len(tasks) == 2 && tasks[0].State == processor.TaskRunning &&
				tasks[1].State == processor.TaskRunning
		})
		if err := in.Pause(); err != nil {
			t.Fatal(err)
		}
		var prices []*kgo.Record
		price := g.value("prices", event{N: 1})
		for i := range 30_000 { // more than are read before the first look at how far it is
			prices = append(prices, &kgo.Record{Topic: "prices", Partition: int32(i % 3),
				Key: fmt.Append(nil, i), Value: price, Timestamp: stamp(noon)})
		}
		if round == 1 {
			b.put(prices...)
		}
		if err := in.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		ended(t, in)
	}
	ends, err := b.adm.ListEndOffsets(t.Context(), "prices", "in")
	if err != nil {
		t.Fatal(err)
	}
	for task := range int32(2) {
		pos, ok := b.position(task)
		if !ok {
			t.Fatalf("task %d has committed nothing", task)
		}
		for _, in := range pos.Inputs {
			if end, _ := ends.Lookup(in.Topic, in.Partition); in.Offset != end.Offset {
				t.Errorf("task %d: %s-%d is at %d of %d", task, in.Topic, in.Partition, in.Offset,
					end.Offset)
			}
		}
	}
}
