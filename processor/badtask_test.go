package processor_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas"
)

// taskIs waits for a task's state and returns its status.
func taskIs(t *testing.T, in *processor.Instance, name string,
	want processor.TaskState) processor.TaskStatus {
	t.Helper()
	var last processor.TaskStatus
	waitFor(t, name+" to be "+string(want), func() bool {
		for _, ts := range in.Status().Tasks {
			if ts.Name == name {
				last = ts
			}
		}
		return last.State == want
	})
	return last
}

// TestPanickingTaskStopsAlone gives one task a record that its handler panics on: it is tried
// three times and stops, the other goes on; when that one fails too, the instance ends. A mended
// handler then carries on with nothing lost.
func TestPanickingTaskStopsAlone(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	p := counting(func(_ *processor.Context, e event, _ int64) error {
		if strings.HasPrefix(e.Key, "boom") {
			panic("no handler for " + e.Key)
		}
		return nil
	})
	put := func(partition int32, key string) {
		b.put(&kgo.Record{Topic: "in", Partition: partition, Key: []byte(key),
			Value: b.value(event{key, 1})})
	}
	in := b.start("a", p)
	put(0, "k0")
	b.drained("in")
	put(0, "boom0")
	put(0, "k0")
	failedTask := taskIs(t, in, "counting-0", processor.TaskFailed)
	for _, part := range []string{"input in offset 1", "handler panicked: no handler for boom0"} {
		if !strings.Contains(failedTask.Reason, part) {
			t.Errorf("reason %q lacks %q", failedTask.Reason, part)
		}
	}
	if failedTask.Mend == "" {
		t.Error("a failed task names no mend")
	}
	put(1, "k1")
	b.outputs(2)
	if at := b.committed("in", 0); at != 1 {
		t.Errorf("the failed task's offset is %d, want 1", at)
	}
	taskIs(t, in, "counting-1", processor.TaskRunning)
	put(1, "boom1")
	err := failed(t, in)
	for _, part := range []string{"no task is left", "boom0", "boom1"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q lacks %q", err, part)
		}
	}
	in = b.start("a", counting(nil))
	b.drained("in")
	b.outputs(5)
	b.ledger(0)
	b.ledger(1)
	stop(t, in)
}

// TestStateTooLargeForTheChangelog lets one task's state outgrow what the changelog takes: no
// epoch could ever commit it, so the task stops alone and says so.
func TestStateTooLargeForTheChangelog(t *testing.T) {
	t.Parallel()
	b := strictBed(t, 2)
	p := hoarding()
	in := b.start("a", p)
	b.put(b.good(0), b.good(1))
	b.drained("in")
	big := order{Key: "k", N: 1, At: noon, Pad: strings.Repeat("x", 9<<20)}
	b.put(b.order(0, big), b.order(0, big)) // one fits, two do not
	s := taskIs(t, in, "counting-0", processor.TaskFailed)
	for _, part := range []string{"hoard", "[k]", changelog} {
		if !strings.Contains(s.Reason, part) {
			t.Errorf("reason %q lacks %q", s.Reason, part)
		}
	}
	b.put(b.good(1))
	waitFor(t, "the other task", func() bool { return b.committed("in", 1) == 2 })
	stop(t, in)
}

// hoarding keeps all that it is given.
func hoarding() *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[order](orderSchema)
	hoard := processor.Keyed(p, "hoard", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, o order) error {
		h, _ := hoard.Get(ctx)
		o.Pad += h.Pad
		hoard.Set(ctx, o)
		return nil
	})
	return p
}
