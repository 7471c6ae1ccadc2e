package processor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

// sumOf reads a key's committed sum and the epoch it belongs to; -1 when there is none.
func sumOf(in *processor.Instance, key string) (sum, epoch int64, err error) {
	sum = -1
	k := statestore.Key(nil).String(key)
	err = in.View(in.TaskOf([]byte(key)), []processor.StateRange{
		processor.StatePoint("sums", k)}, func(v *processor.StateView) error {
		epoch = v.Position.Epoch
		raw, ok, err := v.Get("sums", k)
		if err != nil || !ok {
			return err
		}
		value, err := v.JSON(raw)
		if err == nil {
			sum = value.(map[string]any)["n"].(int64)
		}
		return err
	})
	return sum, epoch, err
}

// TestViewIsCommitted looks while an epoch is open, and with a transaction that never gets its end:
// what is not committed is not seen, what is comes with its epoch and offsets.
func TestViewIsCommitted(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	block, blocked := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(block) })
	defer release()
	in := b.start("a", counting(func(_ *processor.Context, _ event, sum int64) error {
		if sum == 7 { // the eighth record of the key: seven are in the overlay before
			select {
			case <-blocked:
			default:
				close(blocked)
			}
			<-block
		}
		return nil
	}))
	b.produce(3, 1)
	b.drained("in")
	wait(t, in, 0, func(p record.Position) bool { return p.Inputs[0].Offset == 3 })
	if sum, epoch, err := sumOf(in, "k0"); sum != 3 || epoch < 1 || err != nil {
		t.Fatalf("three records: sum %d in epoch %d: %v", sum, epoch, err)
	}
	b.produce(10, 1)
	<-blocked
	sum, epoch, err := sumOf(in, "k0")
	if sum < 3 || sum > 7 || err != nil {
		t.Errorf("with an epoch open: sum %d: %v", sum, err)
	}
	if at := b.committed("in", 0); sum != at && epoch > 1 {
		t.Logf("an epoch in between was committed: sum %d at %d", sum, at)
	}
	err = in.View(0, []processor.StateRange{{Table: "sums"}}, func(v *processor.StateView) error {
		pos := v.Position
		rows := 0
		next, err := v.Scan(0, func(key statestore.Key, raw []byte) bool {
			rows++
			value, err := v.JSON(raw)
			n := value.(map[string]any)["n"]
			if err != nil || n != pos.Inputs[0].Offset || pos.Inputs[0].Topic != "in" {
				t.Errorf("sum %v at position %+v: %v", n, pos, err)
			}
			return true
		})
		if rows != 1 || next != nil {
			t.Errorf("%d rows, next %x", rows, next)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	release()
	wait(t, in, 0, func(p record.Position) bool { return p.Inputs[0].Offset == 13 })
	if sum, _, err := sumOf(in, "k0"); sum != 13 || err != nil {
		t.Errorf("at the end: sum %d: %v", sum, err)
	}
	stop(t, in)
	var gone *processor.NotHereError
	if _, _, err := sumOf(in, "k0"); !errors.As(err, &gone) {
		t.Errorf("after the stop: %v", err)
	}
}

func wait(t *testing.T, in *processor.Instance, p int32, ok func(record.Position) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		err := in.Await(ctx, p, ok)
		var elsewhere *processor.NotHereError
		switch {
		case err == nil:
			return
		case errors.As(err, &elsewhere) && ctx.Err() == nil:
			time.Sleep(10 * time.Millisecond) // it is being assigned
		default:
			t.Fatal(err)
		}
	}
}

// TestViewWhileTasksMove asks two instances for all keys while a third comes and goes: whoever
// answers says what one prefix of the key's records adds up to, and never less than before.
func TestViewWhileTasksMove(t *testing.T) {
	t.Parallel()
	const keys, rounds = 8, 6
	b := newBed(t, 4)
	a, c := b.start("a", counting(nil)), b.start("c", counting(nil))
	seen := make([]int64, keys)
	look := func(all ...*processor.Instance) (answers int) {
		for k := range keys {
			for _, in := range all {
				sum, _, err := sumOf(in, fmt.Sprintf("k%d", k))
				var elsewhere *processor.NotHereError
				if errors.As(err, &elsewhere) {
					continue
				}
				if err != nil || sum < seen[k] && seen[k] > 0 {
					t.Errorf("key %d: sum %d after %d: %v", k, sum, seen[k], err)
				}
				seen[k] = max(seen[k], sum)
				answers++
			}
		}
		return answers
	}
	for range rounds {
		b.produce(keys*20, keys)
		moving := b.start("moving", counting(nil))
		for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
			look(a, c, moving)
		}
		stop(t, moving)
	}
	waitFor(t, "all keys to be answered in full", func() bool {
		return look(a, c) == keys && slices.Min(seen) == rounds*20
	})
	stop(t, a)
	stop(t, c)
}

// TestMembers has each instance know the others, their tasks and their addresses.
func TestMembers(t *testing.T) {
	t.Parallel()
	b := newBed(t, 3)
	start := func(name, address string) *processor.Instance {
		cfg := b.config(name)
		cfg.Advertise = address
		return b.startWith(cfg, counting(nil))
	}
	a, c := start("a", "127.0.0.1:1"), start("c", "")
	defer func() { stop(t, a); stop(t, c) }()
	b.put(&kgo.Record{Topic: "in", Key: []byte("k"), Value: b.value(event{"k", 1})})
	want := "127.0.0.1:1, 3 tasks of "
	waitFor(t, want, func() bool {
		members, err := c.Members(t.Context())
		tasks := 0
		for _, m := range members {
			tasks += len(m.Tasks)
		}
		return err == nil && len(members) == 2 && members[0].Instance == "a" &&
			members[0].Address == "127.0.0.1:1" && members[1].Address == "" && tasks == 3
	})
}

// TestRestoredTaskSaysWhereItStands has nothing to process: the status tells the position anyway.
func TestRestoredTaskSaysWhereItStands(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	first := b.start("a", counting(nil))
	b.produce(10, 1)
	wait(t, first, 0, func(p record.Position) bool { return p.Inputs[0].Offset == 10 })
	stop(t, first)
	again := b.start("a", counting(nil))
	var ts processor.TaskStatus
	waitFor(t, "the task to run", func() bool {
		st := again.Status()
		if len(st.Tasks) == 0 {
			return false
		}
		ts = st.Tasks[0]
		return ts.State == processor.TaskRunning
	})
	if ts.Epoch == 0 || ts.Inputs[0].Offset != 10 || ts.Watermark.IsZero() {
		t.Errorf("%+v", ts)
	}
	stop(t, again)
}
