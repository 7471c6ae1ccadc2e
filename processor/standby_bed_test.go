package processor_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/processor"
	"pawl/schemas/record"
	"pawl/statestore"
)

// restores records what an instance read to take tasks over.
type restores struct {
	mu   sync.Mutex
	done []processor.RestoreInfo
}

func (r *restores) listener() processor.Listener {
	return processor.Listener{Restore: func(i processor.RestoreInfo) {
		if i.Done {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.done = append(r.done, i)
		}
	}}
}

func (r *restores) list() []processor.RestoreInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.done)
}

// startCopy starts an instance of an application with one standby per task.
func (b *bed) startCopy(name string, change func(*processor.Config)) (*processor.Instance,
	*restores) {
	b.t.Helper()
	cfg := b.config(name)
	cfg.Standbys = 1
	cfg.AcceptableLag = 50
	log := &restores{}
	cfg.Listeners = append(cfg.Listeners, log.listener(), processor.Listener{
		Standby: func(s processor.StandbyStatus) {
			b.t.Logf("%s %s: standby %+v", time.Now().Format("05.000"), name, s)
		}})
	if change != nil {
		change(&cfg)
	}
	return b.startWith(cfg, counting(nil)), log
}

// runs waits until the instance runs n tasks.
func runs(t *testing.T, in *processor.Instance, n int) {
	t.Helper()
	waitFor(t, "tasks to run", func() bool {
		tasks := in.Status().Tasks
		for _, ts := range tasks {
			if ts.State != processor.TaskRunning {
				return false
			}
		}
		return len(tasks) == n
	})
}

// follows waits until the instance has n standbys at the end of what is committed.
func (b *bed) follows(in *processor.Instance, n int) {
	b.t.Helper()
	waitFor(b.t, "standbys to catch up", func() bool {
		ends, err := b.adm.ListCommittedOffsets(b.t.Context(), changelog)
		if err != nil {
			return false
		}
		level := 0
		for _, sb := range in.Status().Standbys {
			for p, end := range ends[changelog] {
				if sb.Name == fmt.Sprintf("counting-%d", p) && sb.Offset >= end.Offset {
					level++
				}
			}
		}
		return level == n
	})
}

// TestStandbyTakesOver: one instance runs a task, the other follows it; the first dies, and the
// second goes on having read nothing but the end.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	first, _ := b.startCopy("a", nil)
	runs(t, first, 4)
	b.produce(4000, 10)
	b.outputs(4000)
	second, log := b.startCopy("b", nil)
	runs(t, second, 2)
	b.follows(second, 2)
	b.follows(first, 2)
	b.produce(1000, 10)
	b.outputs(5000)
	b.follows(second, 2)
	before := len(log.list())
	first.Crash()
	runs(t, second, 4)
	for _, r := range log.list()[before:] {
		if r.Records > 10 || !r.FromLocalDisk {
			t.Errorf("the takeover read more than the end: %+v", r)
		}
	}
	if n := len(log.list()) - before; n != 2 {
		t.Errorf("%d restores, want 2", n)
	}
	b.produce(1000, 10)
	b.outputs(6000)
	stop(t, second)
}

// stores compares the stores that instances left on disk with the changelog: each is, entry by
// entry, the state of the epoch that its position record names, which is the last one.
func (b *bed) stores(task int32, names ...string) {
	b.t.Helper()
	pos, ok := b.position(task)
	if !ok {
		b.t.Fatalf("task %d has no position record", task)
	}
	for _, name := range names {
		epoch, digest, sum := b.digest(name, task)
		if digest != sum {
			b.t.Errorf("store of task %d at %s: digest %x at epoch %d, its entries make %x", task,
				name, digest, epoch, sum)
		}
		if epoch != pos.Epoch || digest != uint64(pos.Digest) {
			b.t.Errorf("store of task %d at %s: epoch %d, digest %x; the changelog's are %d, %x",
				task, name, epoch, digest, pos.Epoch, pos.Digest)
		}
	}
}

// digest reads a store that nobody has open.
func (b *bed) digest(name string, task int32) (epoch int64, said, sum uint64) {
	b.t.Helper()
	env := statestore.NewEnv(nil, 1<<20, func(err error) { b.t.Error(err) })
	defer env.Close()
	dir := fmt.Sprintf("%s/%s/app/counting-%d", b.dir, name, task)
	err := env.Inspect(dir, func(s *statestore.Pebble) error {
		pos := decode(b, record.PositionType(), s.Mark().Position)
		epoch, said = pos.Epoch, uint64(pos.Digest)
		return s.Scan([]byte{1}, nil, func(key, value []byte) bool {
			sum += processor.EntryHash(key, value)
			return true
		})
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return epoch, said, sum
}

// pair starts two instances that share two tasks and follow each other, and lets records flow.
func (b *bed) pair(change func(*processor.Config)) (first, second *processor.Instance,
	log *restores) {
	b.t.Helper()
	first, _ = b.startCopy("a", change)
	runs(b.t, first, 2)
	b.produce(2000, 10)
	b.outputs(2000)
	second, log = b.startCopy("b", change)
	runs(b.t, second, 1)
	b.follows(second, 1)
	b.follows(first, 1)
	return first, second, log
}

// TestStandbyStateIsEqual: two instances follow each other's task while epochs are committed and
// aborted. In the end each store is the task's state, on both sides.
func TestStandbyStateIsEqual(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	first, second, _ := b.pair(nil)
	total := 2000
	for range 5 {
		b.fault(kmsg.TxnOffsetCommit, kerr.InvalidCommitOffsetSize, 1) // the epoch is aborted
		b.produce(500, 10)
		total += 500
		time.Sleep(50 * time.Millisecond)
	}
	b.outputs(total)
	b.drained("in")
	b.follows(first, 1)
	b.follows(second, 1)
	// Nothing moves when both end at once without leaving the group.
	first.Crash()
	second.Crash()
	first, _ = b.startCopy("a", nil)
	second, _ = b.startCopy("b", nil)
	b.follows(first, 1)
	b.follows(second, 1)
	waitFor(t, "digests to be compared", func() bool {
		return verified(first, second)
	})
	stop(t, first)
	runs(t, second, 2)
	stop(t, second)
	b.stores(0, "b")
	b.stores(1, "b")
}

// verified says that there are standbys, and the digests of all were compared and right.
func verified(in ...*processor.Instance) bool {
	n := 0
	for _, i := range in {
		for _, sb := range i.Status().Standbys {
			if n++; sb.Verified == 0 {
				return false
			}
		}
	}
	return n > 0
}

// TestStandbyFollowsEpochByEpoch: whenever a copy is closed, its store is the state of one epoch,
// however the fetches fall.
func TestStandbyFollowsEpochByEpoch(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	first, second, _ := b.pair(nil)
	total, behind := 2000, 0
	for range 3 {
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			time.Sleep(60 * time.Millisecond)
			second.Stop()
			ends(t, second)
		}()
		for range 10 {
			b.produce(400, 200)
			total += 400
			time.Sleep(10 * time.Millisecond)
		}
		<-ended
		for task := range int32(2) {
			epoch, said, sum := b.digest("b", task)
			if said != sum {
				t.Errorf("task %d, epoch %d: the store's entries make %x, its digest is %x", task,
					epoch, sum, said)
			}
			if pos, _ := b.position(task); pos.Epoch > epoch {
				behind++
			}
		}
		second, _ = b.startCopy("b", nil)
		runs(t, second, 1)
		b.follows(second, 1)
	}
	b.outputs(total)
	if behind == 0 {
		t.Error("all copies were closed at the end of their logs: the test shows nothing")
	}
	stop(t, first)
	stop(t, second)
}

// TestTasksMoveBackAndForth: instances come and go, so that tasks and copies change places, and
// their open stores with them.
func TestTasksMoveBackAndForth(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	var log *restores
	in := make([]*processor.Instance, 3)
	for i := range in {
		in[i], log = b.startCopy(string(rune('a'+i)), nil)
	}
	total := 0
	feed := func() {
		for range 4 {
			b.produce(300, 50)
			total += 300
			time.Sleep(40 * time.Millisecond)
		}
	}
	feed()
	for n := range 6 {
		i := n % len(in)
		if n%2 == 0 {
			in[i].Stop()
			ends(t, in[i])
		} else {
			in[i].Crash()
		}
		feed()
		in[i], log = b.startCopy(string(rune('a'+i)), nil)
		feed()
	}
	b.outputs(total)
	waitFor(t, "all digests to be compared", func() bool {
		return verified(in...)
	})
	for _, i := range in {
		i.Stop()
		ends(t, i)
	}
	if len(log.list()) == 0 {
		t.Error("nothing was restored")
	}
}

// TestWrongCopyIsRebuilt: a copy whose entries are not what its digest says is made anew, loudly.
func TestWrongCopyIsRebuilt(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	far := func(c *processor.Config) { c.SessionTimeout = 30 * time.Second }
	first, second, _ := b.pair(far)
	task := second.Status().Standbys[0].Name
	second.Crash()
	dir := b.dir + "/b/app/" + task
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	disk, err := env.OpenPebble(dir)
	if err != nil {
		t.Fatal(err)
	}
	var key, value []byte
	if err := disk.Scan([]byte{1}, nil, func(k, v []byte) bool {
		key, value = slices.Clone(k), slices.Clone(v)
		return false
	}); err != nil || key == nil {
		// What was not flushed is gone: then a key that is in no changelog will do.
		key, value = []byte("\x02sums\x00\x00wrong"), []byte("wrong")
	}
	value[len(value)-1]++
	err = errors.Join(disk.Apply([]statestore.Change{{Key: key, Value: value}}, disk.Mark()),
		disk.Flush(), disk.Close())
	if err != nil {
		t.Fatal(err)
	}
	env.Close()
	var told atomic.Bool
	second, _ = b.startCopy("b", func(c *processor.Config) {
		far(c)
		c.Listeners = append(c.Listeners, processor.Listener{Notice: func(s string) {
			if strings.Contains(s, "is not the task's state") {
				told.Store(true)
			}
		}})
	})
	waitFor(t, "the wrong copy to be noticed", told.Load)
	waitFor(t, "the copy to be rebuilt", func() bool { return verified(second) })
	stop(t, first)
	stop(t, second)
}

// TestStandbyOfALogThatWasCut: the changelog loses what a copy would have read next. It is rebuilt
// from what is left, and says so.
func TestStandbyOfALogThatWasCut(t *testing.T) {
	t.Parallel()
	b := newBed(t, 2)
	first, second, _ := b.pair(nil)
	var task int32
	if _, err := fmt.Sscanf(second.Status().Standbys[0].Name, "counting-%d", &task); err != nil {
		t.Fatal(err)
	}
	stop(t, second)
	runs(t, first, 2)
	b.produce(1000, 10)
	b.outputs(3000)
	pos, _ := b.position(task)
	end, err := b.adm.ListCommittedOffsets(t.Context(), changelog)
	if err != nil {
		t.Fatal(err)
	}
	cut, _ := end.Lookup(changelog, task)
	offsets := make(kadm.Offsets)
	offsets.AddOffset(changelog, task, cut.Offset-2, -1) // the last position record stays
	if _, err := b.adm.DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
	var told atomic.Bool
	second, _ = b.startCopy("b", func(c *processor.Config) {
		c.Listeners = append(c.Listeners, processor.Listener{Notice: func(s string) {
			if strings.Contains(s, "no longer holds offset") {
				told.Store(true)
			}
		}})
	})
	waitFor(t, "the loss to be noticed", told.Load)
	b.follows(second, 1)
	t.Logf("epoch %d, cut at %d", pos.Epoch, cut.Offset)
	stop(t, first)
	stop(t, second)
}

// TestStandbyStorm: rebalances without end, while copies are made and handed over.
func TestStandbyStorm(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	quick := func(c *processor.Config) { c.SessionTimeout = time.Second }
	in := make([]*processor.Instance, 3)
	for i := range in {
		in[i], _ = b.startCopy(string(rune('a'+i)), quick)
	}
	total := 0
	for n := range 15 {
		b.stable(len(in))
		b.expel(string(rune('a' + n%len(in))))
		b.produce(200, 20)
		total += 200
		time.Sleep(60 * time.Millisecond)
	}
	b.outputs(total)
	for n, i := range in {
		b.stable(len(in) - n)
		i.Stop()
		ends(t, i)
	}
}

// stable waits until the group has settled with all its members.
func (b *bed) stable(members int) {
	b.t.Helper()
	waitFor(b.t, "the group to be stable", func() bool {
		groups, err := b.adm.DescribeGroups(b.t.Context(), "app")
		return err == nil && groups["app"].State == "Stable" &&
			len(groups["app"].Members) == members
	})
}

// TestWarmUpBeforeTheMove: an instance that joins an application with much state is given no task
// before its copy has caught up, and meanwhile the tasks go on where they are.
func TestWarmUpBeforeTheMove(t *testing.T) {
	t.Parallel()
	b := newBed(t, 4)
	var warm sync.Map
	settings := func(c *processor.Config) {
		c.Standbys, c.Warmups, c.AcceptableLag = 0, 1, 50
		c.Listeners = append(c.Listeners, processor.Listener{
			Standby: func(s processor.StandbyStatus) {
				if s.Warmup && s.State == processor.StandbyCaughtUp {
					warm.Store(s.Name, true)
				}
			}})
	}
	first, _ := b.startCopy("a", settings)
	runs(t, first, 4)
	b.produce(4000, 400)
	b.outputs(4000)
	second, log := b.startCopy("b", settings)
	runs(t, second, 2)
	for _, r := range log.list() {
		if _, ok := warm.Load(r.Task); !ok || r.Records > 100 {
			t.Errorf("%s came before its copy was warm: %+v", r.Task, r)
		}
	}
	b.produce(1000, 400)
	b.outputs(5000)
	waitFor(t, "warm-ups to end", func() bool { return len(second.Status().Standbys) == 0 })
	stop(t, first)
	runs(t, second, 4)
	stop(t, second)
}
