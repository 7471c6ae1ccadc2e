package statestore

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// MemoryDisk is a disk in memory, for as many stores as fit, whose power can be cut: for tests and
// simulations of what comes back after a crash.
type MemoryDisk struct{ files *vfs.MemFS }

// NewMemoryDisk returns an empty disk.
func NewMemoryDisk() *MemoryDisk { return &MemoryDisk{files: vfs.NewCrashableMem()} }

// Env is NewEnv on the disk.
func (d *MemoryDisk) Env(cacheBytes int64, fail func(error)) *Env {
	return NewEnv(d.files, cacheBytes, fail)
}

// Image is the disk as a power cut at this moment leaves it: all that was synced, and of every
// piece that was not, chance decides with the given probability in percent. The disk itself goes
// on, so that whoever still writes to it can be ended at leisure.
func (d *MemoryDisk) Image(chance *rand.Rand, unsyncedPercent int) *MemoryDisk {
	return &MemoryDisk{files: d.files.CrashClone(
		vfs.CrashCloneCfg{UnsyncedDataPercent: unsyncedPercent, RNG: chance})}
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
