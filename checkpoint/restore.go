package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"pawl/statestore"
)

// partial ends the name of the folder that a restore fills.
const partial = ".restoring"

// Restore downloads a checkpoint into the folder dir, which must be empty or not there, and opens
// as a store then. Until all files are there, were found right and say of themselves what the
// manifest does, they are in dir.restoring: a restore that was cut short goes on from there, and
// leaves nothing that looks whole. A DamagedError says that another checkpoint is needed.
func (s *Series) Restore(ctx context.Context, m *Manifest, dir string, l Limits,
	told Progress) error {
	if err := s.restore(ctx, m, dir, l, told); err != nil {
		return fmt.Errorf("restore checkpoint %s %s to %s: %w", s, m.ID, dir, err)
	}
	return nil
}

func (s *Series) restore(ctx context.Context, m *Manifest, dir string, l Limits,
	told Progress) error {
	if m.locked != nil {
		return m.locked
	}
	if err := removeEmpty(dir); err != nil {
		return err
	}
	work := dir + partial
	if err := makeFolder(work); err != nil {
		return err
	}
	if err := removeOthers(work, m); err != nil {
		return err
	}
	t := newTransfer(l, m.Bytes(), told)
	err := each(ctx, t.slots, m.Files, func(ctx context.Context, f File) error {
		return s.fetch(ctx, t, m, f, work)
	})
	if err != nil {
		return err
	}
	if err := syncFolder(work); err != nil {
		return err
	}
	if err := s.agrees(m, work); err != nil {
		return err
	}
	if err := os.Rename(work, dir); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// removeEmpty makes room for the folder that takes the name, and refuses when there is something.
func removeEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if len(entries) > 0 {
		return errors.New("the folder is not empty; remove it, or give another one")
	}
	return os.Remove(dir)
}

// removeOthers removes what a restore of another checkpoint left.
func removeOthers(work string, m *Manifest) error {
	ours := make(map[string]bool)
	for _, f := range m.Files {
		ours[f.Name] = true
	}
	entries, err := os.ReadDir(work)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ours[e.Name()] {
			if err := os.RemoveAll(filepath.Join(work, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// fetch downloads one file, unless it is there already.
func (s *Series) fetch(ctx context.Context, t *transfer, m *Manifest, f File, work string) error {
	path := filepath.Join(work, f.Name)
	if info, err := os.Lstat(path); err == nil && info.Mode().IsRegular() &&
		info.Size() == f.Size {
		sum, err := sumFile(ctx, path, f.Size)
		if err == nil && sum == f.SHA256 {
			t.count(f.Size)
			return nil
		}
	}
	r, err := s.target.Open(ctx, s.key(objects, f.Object))
	if errors.Is(err, fs.ErrNotExist) {
		return s.damaged(m.ID, f, "it is missing")
	}
	if err != nil {
		return err
	}
	body, err := s.content(ctx, t, m, f, r)
	if err == nil {
		err = store(path, body)
	}
	err = errors.Join(err, r.Close())
	if errors.Is(err, errContent) {
		return s.damaged(m.ID, f, "%v", err)
	}
	return err
}

// store writes a file that survives a power cut.
func store(path string, r io.Reader) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, r)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// agrees opens the store and compares where it stands with the manifest.
func (s *Series) agrees(m *Manifest, dir string) error {
	var fatal error
	env := statestore.NewEnv(nil, 1<<20, func(err error) { fatal = err })
	snap, err := env.Snapshot(dir)
	env.Close()
	var refused syscall.Errno
	if err = errors.Join(err, fatal); errors.As(err, &refused) &&
		!errors.Is(err, fs.ErrNotExist) {
		return err // by this machine; another checkpoint would do no better
	}
	if err != nil {
		return s.damaged(m.ID, File{}, "its files do not open as a store: %v", err)
	}
	if snap.Mark.Offset != m.Changelog.Offset {
		return s.damaged(m.ID, File{}, "its files stand at changelog offset %d, not %d",
			snap.Mark.Offset, m.Changelog.Offset)
	}
	return nil
}

// RestoreLatest restores the newest checkpoint that usable accepts and that turns out to be whole,
// and gives it with those it passed over; ErrNone when there is none. A nil usable accepts all.
func (s *Series) RestoreLatest(ctx context.Context, dir string, usable func(*Manifest) error,
	l Limits, told Progress) (*Manifest, []Skipped, error) {
	var broken []Skipped
	for {
		m, skipped, err := s.Latest(ctx, func(m *Manifest) error {
			for _, b := range broken {
				if b.ID == m.ID {
					return b.Reason
				}
			}
			if usable == nil {
				return nil
			}
			return usable(m)
		})
		if errors.Is(err, ErrNone) {
			err = errors.Join(err, os.RemoveAll(dir+partial))
		}
		if err != nil {
			return nil, skipped, err
		}
		err = s.Restore(ctx, m, dir, l, told)
		var damage *DamagedError
		if err == nil {
			return m, skipped, nil
		}
		if !errors.As(err, &damage) {
			return nil, skipped, err
		}
		broken = append(broken, Skipped{ID: m.ID, Reason: damage})
	}
}
