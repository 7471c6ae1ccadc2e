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

	"pawl/processor"
)

// TestStorageDown: processing goes on, the failure is told, and the checkpoint is taken once it can
// be; a start waits a while and then reads the changelog.
func TestStorageDown(t *testing.T) {
	t.Parallel()
	target := newMoody()
	k := newKeeper(t, 1, target)
	target.mood(down)
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	infos, err := in.Checkpoint(t.Context())
	if err != nil || infos[0].Result != processor.CheckpointFailed ||
		!errors.Is(infos[0].Err, errStorageDown) {
		t.Errorf("storage down: %+v, %v", infos, err)
	}
	k.produce(100, 10)
	k.outputs(200)
	target.mood(nil)
	waitFor(t, "the checkpoint to be tried again", func() bool {
		return len(k.complete("counting-0")) == 1
	})
	in.Crash()
	k.loseDisk("a")

	target.mood(down)
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungChangelog || got.Downloaded != 0 ||
		got.From != 0 {
		t.Errorf("storage down at the start: %+v", got)
	}
	k.said("no checkpoint can be had")
	k.mu.Lock()
	if len(k.waits) == 0 || !strings.Contains(k.waits[0], errStorageDown.Error()) {
		t.Errorf("waits told: %v", k.waits)
	}
	k.mu.Unlock()
	k.produce(100, 10)
	k.outputs(300)
	in.Crash()
	k.loseDisk("a")

	up := time.AfterFunc(500*time.Millisecond, func() { target.mood(nil) })
	defer up.Stop()
	in = k.run("a")
	if got := k.restored(2); got.Rung != processor.RungCheckpoint {
		t.Errorf("storage up again in time: %+v", got)
	}
	k.outputs(300)
	stop(t, in)
	k.sameState("a", 0)
}

// TestStorageHangs: a storage that takes the request and never answers is given up as well. What it
// said last is told, not that the wait for it was cut short.
func TestStorageHangs(t *testing.T) {
	t.Parallel()
	target := newMoody()
	k := newKeeper(t, 1, target)
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	k.take(in, 1)
	in.Crash()
	k.loseDisk("a")
	target.block(make(chan struct{}))
	var asked atomic.Int32
	target.mood(func(string, string) error {
		if asked.Add(1) == 1 {
			return errStorageDown
		}
		return nil
	})
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungChangelog {
		t.Errorf("restored %+v", got)
	}
	k.said(errStorageDown.Error())
	left, err := filepath.Glob(filepath.Join(k.dir, "a", "app", "*.restoring"))
	if err != nil || len(left) > 0 {
		t.Errorf("a download that was given up is left: %v, %v", left, err)
	}
	k.produce(10, 10)
	k.outputs(110)
	stop(t, in)
	k.sameState("a", 0)
}

// TestDamagedObjectLeadsToTheOneBefore flips a byte in each object that only the newest has.
func TestDamagedObjectLeadsToTheOneBefore(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	k := newKeeper(t, 1, openTarget(t, "file://"+root))
	in := k.run("a")
	k.produce(100, 10)
	k.outputs(100)
	first := k.take(in, 1)[0].ID
	old := make(map[string]bool)
	objects := func(visit func(path string, content []byte)) {
		err := filepath.WalkDir(filepath.Join(root, "objects"), func(path string, d fs.DirEntry,
			err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			visit(path, content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	objects(func(path string, _ []byte) { old[path] = true })
	k.produce(100, 10)
	k.outputs(200)
	k.take(in, 1)
	objects(func(path string, content []byte) {
		if old[path] || len(content) == 0 {
			return
		}
		content[len(content)/2] ^= 1
		if err := errors.Join(os.Chmod(path, 0o600),
			os.WriteFile(path, content, 0o600)); err != nil {
			t.Error(err)
		}
	})
	in.Crash()
	k.loseDisk("a")
	in = k.run("a")
	if got := k.restored(1); got.Rung != processor.RungCheckpoint || got.Checkpoint != first {
		t.Errorf("restored %+v, want %s", got, first)
	}
	k.said("is passed over")
	k.produce(10, 10)
	k.outputs(210)
	stop(t, in)
	k.sameState("a", 0)
}
