package processor_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pawl/checkpoint"
	"pawl/processor"
	"pawl/statestore"
)

// TestRestoresFromCheckpointAndTail kills an instance that has a checkpoint and work after it, and
// loses its disk: the next one restores from the checkpoint, reads nothing but the tail, and has
// the same state and outputs as if nothing had been.
func TestRestoresFromCheckpointAndTail(t *testing.T) {
	onTargets(t, func(t *testing.T, target checkpoint.Target) {
		k := newKeeper(t, 1, target)
		in := k.run("a")
		if first := k.restored(0); first.Rung != processor.RungChangelog {
			t.Errorf("a first start is restored from %s", first.Rung)
		}
		k.produce(1000, 100)
		k.outputs(1000)
		id := k.take(in, 1)[0].ID
		k.produce(50, 5)
		k.outputs(1050)
		in.Crash()
		k.loseDisk("a")

		in = k.run("a")
		got := k.restored(1)
		m, err := k.series("counting-0").Manifest(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got.Rung != processor.RungCheckpoint || got.Checkpoint != id ||
			got.From != m.Changelog.Offset || got.Downloaded != m.Bytes() ||
			got.DownloadSize != m.Bytes() {
			t.Errorf("restored %+v from checkpoint %s at %d with %d bytes", got, id,
				m.Changelog.Offset, m.Bytes())
		}
		if want := k.tailRecords(0, m.Changelog.Offset); got.Records != want || want > 300 {
			t.Errorf("read %d changelog records, the tail has %d", got.Records, want)
		}
		k.produce(100, 100)
		k.outputs(1150)
		k.drained("in")
		k.ledger(0)
		if s := taskIs(t, in, "counting-0", processor.TaskRunning); s.Checkpoint.ID != id ||
			s.Rung != processor.RungCheckpoint {
			t.Errorf("status %+v", s)
		}
		stop(t, in)
		k.sameState("a", 0)
		in = k.run("a")
		if got := k.restored(2); got.Rung != processor.RungLocal {
			t.Errorf("a restart restores from %s", got.Rung)
		}
		in.Crash()
	})
}

// TestRungsOfALocalStore: a store on disk that is behind is brought up by its tail, and a damaged
// one is replaced by a checkpoint.
func TestRungsOfALocalStore(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 1, checkpoint.NewMemory())
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	k.take(in, 1)
	k.produce(100, 10)
	k.outputs(200)
	in.Crash()
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungTail || got.Downloaded != 0 {
		t.Errorf("a store that is behind: %+v", got)
	}
	stop(t, in)
	k.spoil(".sst", func(path string) error { return os.Truncate(path, 100) })
	in = k.run("a")
	if got := k.restored(2); got.Rung != processor.RungCheckpoint {
		t.Errorf("a damaged store: %+v", got)
	}
	k.produce(100, 10)
	k.outputs(300)
	stop(t, in)
	k.sameState("a", 0)
}

// TestLongTailIsWeighed: a checkpoint far ahead of the store on disk is cheaper than the tail; one
// that cannot be had is no reason to give the store up.
func TestLongTailIsWeighed(t *testing.T) {
	t.Parallel()
	target := newMoody()
	k := newKeeper(t, 1, target)
	in := k.run("b")
	k.produce(10, 10)
	k.outputs(10)
	stop(t, in)
	in = k.run("a")
	for range 40 {
		k.produce(1000, 10)
	}
	k.outputs(40_010)
	k.take(in, 1)
	stop(t, in)

	cfg := k.config("b")
	cfg.Checkpoints.LongTail(10)
	target.mood(func(act, key string) error {
		if act == "open" && strings.HasPrefix(key, "objects/") {
			return errStorageDown
		}
		return nil
	})
	in = k.startWith(cfg, counting(nil))
	if got := k.restored(2); got.Rung != processor.RungTail {
		t.Errorf("without the objects: %+v", got)
	}
	in.Crash()
	// The store has been brought up by now, so that another one that is behind is needed.
	k.loseDisk("b")
	target.mood(nil)
	in = k.startWith(cfg, counting(nil))
	if got := k.restored(3); got.Rung != processor.RungCheckpoint {
		t.Errorf("without a store: %+v", got)
	}
	stop(t, in)
	in = k.run("a")
	k.produce(10_000, 5_000)
	k.outputs(50_010)
	k.take(in, 1)
	stop(t, in)
	in = k.startWith(cfg, counting(nil))
	if got := k.restored(5); got.Rung != processor.RungCheckpoint {
		t.Errorf("with a store far behind: %+v", got)
	}
	k.produce(10, 10)
	k.outputs(50_020)
	stop(t, in)
	k.sameState("b", 0)
}

// TestNothingNewIsNotTakenAgain: neither while it runs nor after a restart.
func TestNothingNewIsNotTakenAgain(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 1, checkpoint.NewMemory())
	cfg := k.config("a")
	var copied atomic.Int64
	cfg.Point = func(name string) {
		if name == "checkpoint-copied" {
			copied.Add(1)
		}
	}
	in := k.startWith(cfg, counting(nil))
	k.produce(100, 10)
	k.outputs(100)
	id := ""
	waitFor(t, "nothing new", func() bool { // what was committed may not be in the store yet
		infos, err := in.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		same := infos[0].Result == processor.CheckpointUnchanged && infos[0].ID == id
		id = infos[0].ID
		return same
	})
	copies := copied.Load()
	for range 2 {
		infos, err := in.Checkpoint(t.Context())
		if err != nil || infos[0].Result != processor.CheckpointUnchanged || infos[0].ID != id ||
			infos[0].Uploaded != 0 {
			t.Errorf("nothing new: %+v, %v", infos, err)
		}
		stop(t, in)
		in = k.startWith(cfg, counting(nil))
		taskIs(t, in, "counting-0", processor.TaskRunning)
	}
	if n := copied.Load() - copies; n != 0 {
		t.Errorf("the store was copied %d times for nothing", n)
	}
	k.produce(1, 1)
	k.outputs(101)
	k.take(in, 1)
	in.Crash()
}

// TestTakenByTheClock: without being asked, every interval, with the tasks spread over it.
func TestTakenByTheClock(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 2, checkpoint.NewMemory())
	cfg := k.config("a")
	cfg.Checkpoints.Config.Interval = time.Second
	in := k.startWith(cfg, counting(nil))
	sent := 0
	waitFor(t, "three checkpoints of each task", func() bool {
		k.produce(20, 20)
		sent += 20
		return len(k.complete("counting-0")) >= 3 && len(k.complete("counting-1")) >= 3
	})
	k.outputs(sent)
	stop(t, in)
	left, err := filepath.Glob(filepath.Join(k.dir, "a", "app", "*.checkpoint"))
	if err != nil || len(left) > 0 {
		t.Errorf("copies are left: %v, %v", left, err)
	}
}

// TestTooOldCheckpoint: compaction may have dropped deletions that it never saw.
func TestTooOldCheckpoint(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 1, checkpoint.NewMemory())
	k.topic(changelog, 1, map[string]*string{"cleanup.policy": new("compact"),
		"delete.retention.ms": new("1")})
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	k.take(in, 1)
	in.Crash()
	k.loseDisk("a")
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungChangelog {
		t.Errorf("restored %+v", got)
	}
	k.said("delete.retention.ms")
	k.outputs(100)
	in.Crash()
}

// TestCheckpointOnStop: what a graceful stop leaves is all there, so that the next owner elsewhere
// reads nothing but claims.
func TestCheckpointOnStop(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 2, checkpoint.NewMemory())
	cfg := k.config("a")
	cfg.Checkpoints.Config.OnStop = true
	in := k.startWith(cfg, counting(nil))
	k.produce(100, 20)
	k.outputs(100)
	stop(t, in)
	for _, task := range []string{"counting-0", "counting-1"} {
		if ids := k.complete(task); len(ids) != 1 {
			t.Fatalf("task %s has checkpoints %v", task, ids)
		}
	}
	in = k.run("b")
	for n := 2; n < 4; n++ {
		if got := k.restored(n); got.Rung != processor.RungCheckpoint || got.Records != 1 {
			t.Errorf("restored %+v", got)
		}
	}
	k.produce(100, 20)
	k.outputs(200)
	in.Crash()
}

// TestRebalanceInAnUpload has a second instance come while an upload of the first hangs: the task
// changes hands, and neither processing nor the group waits for the storage.
func TestRebalanceInAnUpload(t *testing.T) {
	t.Parallel()
	target := newMoody()
	k := newKeeper(t, 2, target)
	a := k.run("a")
	k.putTo(0, "x", "y")
	k.putTo(1, "z", "z")
	k.outputs(4)
	hang := make(chan struct{})
	target.block(hang)
	asked := make(chan error, 1)
	go func() {
		infos, err := a.Checkpoint(t.Context())
		if err == nil && len(infos) != 2 {
			err = errors.New("not two answers")
		}
		asked <- err
	}()
	<-target.waiting // an upload is under way and hangs
	b := k.run("b")
	waitFor(t, "each instance to run a task", func() bool {
		one := func(in *processor.Instance) bool {
			tasks := in.Status().Tasks
			return len(tasks) == 1 && tasks[0].State == processor.TaskRunning
		}
		return one(a) && one(b)
	})
	k.putTo(0, "x", "y")
	k.putTo(1, "z", "z")
	k.outputs(8)
	target.block(nil)
	close(hang)
	if err := <-asked; err != nil {
		t.Error(err)
	}
	k.take(b, 1)
	a.Crash()
	b.Crash()
	k.loseDisk("a")
	k.loseDisk("b")
	a = k.run("a")
	k.putTo(0, "x", "y")
	k.putTo(1, "z", "z")
	k.outputs(12)
	k.drained("in")
	k.ledger(0)
	k.ledger(1)
	stop(t, a)
	k.sameState("a", 0)
	k.sameState("a", 1)
}

// TestNoCheckpoints: an instance that keeps none says so.
func TestNoCheckpoints(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	in := b.start("a", counting(nil))
	_, err := in.Checkpoint(t.Context())
	mustSay(t, err, "checkpoint.url")
	in.Crash()
	_, err = in.Checkpoint(t.Context())
	mustSay(t, err, "checkpoint.url")
}

// TestStoresInMemory: a checkpoint leaves a disk in memory and comes to another one.
func TestStoresInMemory(t *testing.T) {
	t.Parallel()
	k := newKeeper(t, 1, checkpoint.NewMemory())
	cfg := k.config("a")
	cfg.Stores = statestore.NewMemoryDisk().Env
	in := k.startWith(cfg, counting(nil))
	k.produce(100, 10)
	k.outputs(100)
	k.take(in, 1)
	k.produce(100, 10)
	k.outputs(200)
	in.Crash()
	cfg.Stores = statestore.NewMemoryDisk().Env
	in = k.startWith(cfg, counting(nil))
	if got := k.restored(1); got.Rung != processor.RungCheckpoint {
		t.Errorf("restored %+v", got)
	}
	k.produce(100, 10)
	k.outputs(300)
	stop(t, in)
	if left, err := filepath.Glob(k.storePath("a", "*0*")); err != nil || len(left) > 0 {
		t.Errorf("on the machine's disk is left %v, %v", left, err)
	}
}

// haunt makes a stopped instance's store as old as can be and gives it a key that was deleted
// since.
func (k *keeper) haunt(name string) {
	k.t.Helper()
	env := statestore.NewEnv(nil, 1<<20, func(err error) { k.t.Error(err) })
	defer env.Close()
	store, err := env.OpenPebble(k.storePath(name, "counting-0"))
	if err != nil {
		k.t.Fatal(err)
	}
	mark := store.Mark()
	mark.Time = 1
	ghost := statestore.Change{Key: statestore.Key(nil).String("sums").String("ghost"),
		Value: k.value(event{Key: "ghost", N: 7})}
	if err := errors.Join(store.Apply([]statestore.Change{ghost}, mark), store.Flush(),
		store.Close()); err != nil {
		k.t.Fatal(err)
	}
}

// TestOldStoreIsReplaced: by a checkpoint or, without one, by the changelog into an empty store. A
// key that was deleted must not come back, and nothing of earlier processes may stay.
func TestOldStoreIsReplaced(t *testing.T) {
	t.Parallel()
	for _, rung := range []processor.Rung{processor.RungCheckpoint, processor.RungChangelog} {
		t.Run(string(rung), func(t *testing.T) {
			t.Parallel()
			k := newKeeper(t, 1, checkpoint.NewMemory())
			in := k.run("a")
			k.produce(100, 10)
			k.outputs(100)
			if rung == processor.RungCheckpoint {
				k.take(in, 1)
			}
			stop(t, in)
			k.haunt("a")
			left := k.storePath("a", "counting-7.checkpoint")
			if err := os.MkdirAll(filepath.Join(left, "x"), 0o700); err != nil {
				t.Fatal(err)
			}
			in = k.run("a")
			if got := k.restored(1); got.Rung != rung {
				t.Errorf("restored %+v", got)
			}
			if _, err := os.Stat(left); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("a copy of an earlier process stays: %v", err)
			}
			k.said("older than half")
			k.produce(100, 10)
			k.outputs(200)
			stop(t, in)
			k.sameState("a", 0)
		})
	}
}
