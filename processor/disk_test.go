package processor_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"golang.org/x/sys/unix"

	"pawl/processor"
)

// spoil changes every file of the stopped instance's store whose name has the part in it.
func (b *bed) spoil(part string, act func(path string) error) {
	b.t.Helper()
	paths, err := filepath.Glob(filepath.Join(b.dir, "a", "app", "counting-0", "*"+part+"*"))
	if err != nil || len(paths) == 0 {
		b.t.Fatal("nothing to spoil: ", err)
	}
	for _, path := range paths {
		if err := act(path); err != nil {
			b.t.Fatal(err)
		}
	}
}

// TestDamagedStoreIsRebuilt spoils a stopped instance's files: it restores them from the changelog
// and goes on as if nothing had been.
func TestDamagedStoreIsRebuilt(t *testing.T) {
	t.Parallel()
	half := func(path string) error {
		info, err := os.Stat(path)
		return errors.Join(err, os.Truncate(path, info.Size()/2))
	}
	flip := func(path string) error {
		data, err := os.ReadFile(path)
		for i := range data[:len(data)/2] {
			data[i] ^= 0xFF
		}
		return errors.Join(err, os.WriteFile(path, data, 0o600))
	}
	for _, c := range []struct {
		name, part string
		act        func(path string) error
	}{
		{"sst cut", ".sst", half}, {"sst removed", ".sst", os.Remove},
		{"sst flipped", ".sst", flip},
		{"manifest cut", "MANIFEST-0", half}, {"manifest flipped", "MANIFEST-0", flip},
		{"marker removed", "marker.manifest", os.Remove},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, 1)
			in := b.start("a", counting(nil))
			b.produce(100, 10)
			b.outputs(100)
			stop(t, in)
			b.spoil(c.part, c.act)
			in = b.start("a", counting(nil))
			b.produce(100, 10)
			b.outputs(200)
			b.drained("in")
			b.ledger(0)
			stop(t, in)
			if n := b.localKeys("a", 0); n != 10 {
				t.Errorf("the store has %d keys, want 10", n)
			}
		})
	}
}

// TestFullDisk lets the disk run full under a running instance, and heals it for the next start.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	full := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.HasSuffix(op.Path, ".sst") {
			return unix.ENOSPC
		}
		return nil
	})}
	cfg := b.config("a")
	cfg.UseFiles(errorfs.Wrap(vfs.Default, &full))
	in := b.startWith(cfg, counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	full.On()
	b.produce(100, 10)
	b.outputs(200) // the disk holds nobody up: what is committed is in the changelog
	in.Stop()      // but it cannot be closed without a word
	mustSay(t, failed(t, in), "counting-0", "no space left on device", "free space", "restart")
	in = b.start("a", counting(nil))
	b.produce(100, 10)
	b.outputs(300)
	stop(t, in)
}

// TestUnreadableDisk fails every read of a store that is already open.
func TestUnreadableDisk(t *testing.T) {
	t.Parallel()
	b := newBed(t, 1)
	in := b.start("a", counting(nil))
	b.produce(100, 10)
	b.outputs(100)
	stop(t, in)
	broken := errorfs.Toggle{Injector: errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead && strings.HasSuffix(op.Path, ".sst") {
			return unix.EIO
		}
		return nil
	})}
	cfg := b.config("a")
	cfg.UseFiles(errorfs.Wrap(vfs.Default, &broken))
	broken.On()
	in, err := processor.Start(t.Context(), cfg, counting(nil))
	if err == nil {
		t.Cleanup(in.Crash)
		b.produce(100, 10)
		err = failed(t, in)
	}
	mustSay(t, err, "counting-0", "input/output error")
	in = b.start("a", counting(nil))
	b.outputs(200)
	stop(t, in)
}
