package statestore

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MemoryDisk is a disk in memory, for as many stores as fit, whose power can be cut: for tests and
// simulations of what comes back after a crash.
type MemoryDisk struct{ files cutFiles }

// NewMemoryDisk returns an empty disk.
func NewMemoryDisk() *MemoryDisk { return &MemoryDisk{files: newCutFiles(vfs.NewCrashableMem())} }

// Env is NewEnv on the disk.
func (d *MemoryDisk) Env(cacheBytes int64, fail func(error)) *Env {
	return NewEnv(d.files, cacheBytes, fail)
}

// Image is the disk as a power cut at this moment leaves it: all that was synced, and of every
// piece that was not, chance decides with the given probability in percent. The disk itself goes
// on, so that whoever still writes to it can be ended at leisure.
func (d *MemoryDisk) Image(chance *rand.Rand, unsyncedPercent int) *MemoryDisk {
	return &MemoryDisk{files: d.files.image(
		vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedPercent, RNG: chance})}
}

// Export puts a copy of the closed store in dir where files of the machine are, under the same
// name: there is nothing to do unless the disk is in memory.
func (e *Env) Export(dir string) error {
	if e.onMachine() {
		return nil
	}
	if _, err := vfs.Clone(e.fs, vfs.Default, dir, dir); err != nil {
		return fmt.Errorf("copy state store %s out of memory: %w", dir, err)
	}
	return nil
}

// Adopt puts the machine's folder from, the files of a store, in the place of the store in dir,
// which must be closed. Cut short, it is to be called again: from is gone when it is done.
func (e *Env) Adopt(from, dir string) error {
	err := e.fs.RemoveAll(dir)
	switch {
	case err != nil:
	case e.onMachine():
		err = e.fs.Rename(from, dir)
	default:
		if _, err = vfs.Clone(vfs.Default, e.fs, from, dir, vfs.CloneSync); err == nil {
			err = vfs.Default.RemoveAll(from)
		}
	}
	if err != nil {
		return fmt.Errorf("put state store %s in the place of %s: %w", from, dir, err)
	}
	return nil
}

// onMachine says that the stores are files of the machine.
func (e *Env) onMachine() bool {
	for files := e.fs; files != nil; files = files.Unwrap() {
		if files == vfs.Default {
			return true
		}
	}
	return false
}

// CrashDisk is one Pebble store on a MemoryDisk.
type CrashDisk struct {
	disk  *MemoryDisk
	env   *Env
	store *Pebble
	fault error
}

// crashDiskCache is the block cache of one CrashDisk, in bytes.
const crashDiskCache = 1 << 20

// NewCrashDisk returns an empty disk.
func NewCrashDisk() *CrashDisk { return &CrashDisk{disk: NewMemoryDisk()} }

// Open opens the store; Close or Crash ends it.
func (d *CrashDisk) Open() (Store, error) {
	d.env = d.disk.Env(crashDiskCache, func(err error) { d.fault = err })
	var err error
	if d.store, err = d.env.OpenPebble("store"); err != nil {
		d.env.Close()
		return nil, err
	}
	return d.store, nil
}

// Crash cuts the power: of what was not flushed none, some or all is there at the next Open, as
// chance has it.
func (d *CrashDisk) Crash(chance *rand.Rand) error {
	after := d.disk.Image(chance, chance.IntN(3)*50)
	err := d.Close()
	d.disk = after
	return err
}

// Close ends the store without a flush, which may or may not keep what was not flushed.
func (d *CrashDisk) Close() error {
	if d.store == nil {
		return nil
	}
	err := d.store.Close()
	d.env.Close()
	d.store = nil
	if err = errors.Join(err, d.fault); err != nil {
		return fmt.Errorf("disk in memory: %w", err)
	}
	return nil
}
