package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
)

// Verify reads every object of the checkpoints back, one that several share once, and gives every
// part that is missing or damaged. The error is another one: that it could not be found out. The
// objects of entries whose manifest is damaged cannot be known. A locked checkpoint is neither
// whole nor damaged: the others are verified, and the error is its KeyError.
func (s *Series) Verify(ctx context.Context, entries []Entry, l Limits, told Progress) (
	[]*DamagedError, error) {
	users := make(map[string][]use)
	var damages []*DamagedError
	var keys []string
	var total int64
	var locked error
	for _, e := range entries {
		if e.Manifest == nil {
			var damage *DamagedError
			if !errors.As(e.Fault, &damage) {
				return nil, fmt.Errorf("verify: %w", e.Fault)
			}
			damages = append(damages, damage)
			continue
		}
		if e.Manifest.locked != nil {
			locked = errors.Join(locked, e.Manifest.locked)
			continue
		}
		for _, f := range e.Manifest.Files {
			if users[f.Object] == nil {
				keys = append(keys, f.Object)
				total += f.Size
			}
			users[f.Object] = append(users[f.Object], use{e.Manifest, f})
		}
	}
	t := newTransfer(l, total, told)
	var mu sync.Mutex
	err := each(ctx, t.slots, keys, func(ctx context.Context, key string) error {
		reason, err := s.examine(ctx, t, users[key][0])
		mu.Lock()
		defer mu.Unlock()
		for _, u := range users[key] {
			if reason != "" {
				damages = append(damages, s.damaged(u.manifest.ID, u.file, "%s", reason))
			}
		}
		return err
	})
	if err != nil {
		return damages, fmt.Errorf("verify checkpoints of %s: %w", s, err)
	}
	return damages, locked
}

// use is a checkpoint's use of an object.
type use struct {
	manifest *Manifest
	file     File
}

// examine reads an object to its end, and says what is wrong with it.
func (s *Series) examine(ctx context.Context, t *transfer, u use) (reason string, err error) {
	f := u.file
	r, err := s.target.Open(ctx, s.key(objects, f.Object))
	if errors.Is(err, fs.ErrNotExist) {
		return "it is missing", nil
	}
	if err != nil {
		return "", err
	}
	body, err := s.content(ctx, t, u.manifest, f, r)
	if err == nil {
		_, err = io.Copy(io.Discard, body)
	}
	closed := r.Close()
	if errors.Is(err, errContent) {
		return err.Error(), nil
	}
	return "", errors.Join(err, closed)
}

// MarkVerified notes that a checkpoint was verified: Prune spares the newest of these.
func (s *Series) MarkVerified(ctx context.Context, id string) error {
	err := s.target.Put(ctx, s.key(verified, id), strings.NewReader(""), false)
	if err != nil {
		return fmt.Errorf("note that checkpoint %s %s was verified: %w", s, id, err)
	}
	return nil
}

// Discard deletes a damaged object, so that the next Write uploads the file again instead of
// building on it. The checkpoints that name it are incomplete, as they were before.
func (s *Series) Discard(ctx context.Context, d *DamagedError) error {
	if !strings.HasPrefix(d.Key, s.key(objects, "")) {
		return nil
	}
	if err := s.target.Delete(ctx, d.Key); err != nil {
		return fmt.Errorf("discard damaged object: %w", err)
	}
	return nil
}
