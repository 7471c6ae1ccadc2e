package statestore

import (
	"errors"
	"fmt"
	"io/fs"
)

// Snapshot is what a store's files say of themselves: where it stands, and what its values were
// written with.
type Snapshot struct {
	Mark    Mark
	Schemas []Schema
}

// Checkpoint copies all that was applied to s into the folder dir, with hard links where the disk
// has them, and reads back from the copy what is in it: Apply may go on meanwhile, so the store's
// own mark may be further on. The copy holds whole epochs, and opens like any store. What was in
// dir, such as a copy that was cut short, is removed before; the caller removes the copy.
func (e *Env) Checkpoint(s *Pebble, dir string) (Snapshot, error) {
	if err := e.fs.RemoveAll(dir); err != nil {
		return Snapshot{}, fmt.Errorf("remove old copy of state store %s: %w", dir, err)
	}
	if err := s.Flush(); err != nil { // there is no log that the rest could be read from
		return Snapshot{}, err
	}
	if err := s.db.Checkpoint(dir); err != nil {
		return Snapshot{}, fmt.Errorf("copy state store to %s: %w", dir, err)
	}
	return e.Snapshot(dir)
}

// Snapshot reads what the store in dir, which nobody may have open, says of itself. It changes
// nothing.
func (e *Env) Snapshot(dir string) (Snapshot, error) {
	var snap Snapshot
	err := e.Inspect(dir, func(s *Pebble) error {
		snap.Mark = s.Mark()
		var err error
		snap.Schemas, err = Schemas(s)
		return err
	})
	return snap, err
}

// Inspect opens the store in dir, which nobody may have open, for look to read, and changes
// nothing. CorruptError says that the files are damaged.
func (e *Env) Inspect(dir string, look func(*Pebble) error) error {
	if _, err := e.fs.Stat(dir); err != nil {
		return fmt.Errorf("look into state store %s: %w", dir, err)
	}
	lock := e.fs.PathJoin(dir, lockName)
	_, err := e.fs.Stat(lock)
	bare := errors.Is(err, fs.ErrNotExist)
	s, err := e.open(dir, true)
	if err != nil {
		return err
	}
	err = errors.Join(look(s), s.Close())
	if bare {
		err = errors.Join(err, e.fs.Remove(lock)) // Pebble leaves its lock file
	}
	if err != nil {
		return fmt.Errorf("look into state store %s: %w", dir, err)
	}
	return nil
}

// OpenReadOnly opens the store in dir, which nobody may have open, for reading alone. Damage that
// is met while it is read is its reader's affair. CorruptError says that the files are damaged.
func (e *Env) OpenReadOnly(dir string) (*Pebble, error) { return e.open(dir, true) }
