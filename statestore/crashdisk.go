package statestore

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// CrashDisk is a Pebble store on a disk in memory whose power can be cut: for tests of what comes
// back after a crash.
type CrashDisk struct {
	files *vfs.MemFS
	env   *Env
	store *Pebble
	fault error
}

// crashDiskCache is the block cache of one CrashDisk, in bytes.
const crashDiskCache = 1 << 20

// NewCrashDisk returns an empty disk.
func NewCrashDisk() *CrashDisk { return &CrashDisk{files: vfs.NewCrashableMem()} }

// Open opens the store; Close or Crash ends it.
func (d *CrashDisk) Open() (Store, error) {
	d.env = NewEnv(d.files, crashDiskCache, func(err error) { d.fault = err })
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
	files := d.files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: chance.IntN(3) * 50,
		RNG: chance})
	err := d.Close()
	d.files = files
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
