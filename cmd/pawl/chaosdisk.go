package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pawl/internal/chaos"
)

// breakDisk makes the disk under an instance's stores fail, sees the process end of it, and mends
// it. sign is what the process has to say.
func (d *ordeal) breakDisk(fault, sign string) chaos.Act {
	return func(ctx context.Context, c *chaos.Case) error {
		t, m, release := d.victim(ctx, c.Dice)
		defer release()
		if m == nil {
			return nil
		}
		places, proc := stands(m), m.process()
		var from int64 // of the log of this process and those that follow
		if info, err := os.Stat(proc.LogPath()); err == nil {
			from = info.Size()
		}
		defer d.excuse(m)()
		c.Hit("%s for %v", m.name, c.Length.Round(time.Millisecond))
		if err := os.WriteFile(d.diskFile(m.name), []byte(fault), 0o600); err != nil {
			return fmt.Errorf("break the disk of %s: %w", m.name, err)
		}
		gone := func() bool { return !proc.Running() }
		if !until(ctx, c.Length, gone) {
			// Nothing was to be written in the meantime; a stop has to write.
			m.expectEnd()
			_ = proc.Stop(ordealStop) // its exit code tells
		}
		if proc.ExitCode() > 0 && saidSince(proc.LogPath(), from, sign) {
			c.Effect("it ended with exit code %d: %s", proc.ExitCode(), sign)
		}
		chaos.Wait(ctx, c.Length) // it starts again on a disk that still fails
		if err := os.Remove(d.diskFile(m.name)); err != nil {
			return fmt.Errorf("mend the disk of %s: %w", m.name, err)
		}
		c.Recover(t.goesOn(places))
		return nil
	}
}

// corrupt damages a file in each store of an instance that was stopped.
func (d *ordeal) corrupt(ctx context.Context, c *chaos.Case) error {
	t, m, release := d.victim(ctx, c.Dice)
	defer release()
	if m == nil {
		return nil
	}
	start := m.hold()
	places, before := stands(m), m.process()
	c.Hit("%s", m.name)
	d.stopTidily(m)
	d.mu.Lock()
	d.spoiled[m] = true
	d.mu.Unlock()
	how, done, err := damageStores(m.dir, c.Dice)
	var from int64
	if info, statErr := os.Stat(before.LogPath()); statErr == nil {
		from = info.Size()
	}
	start()
	if err != nil {
		return fmt.Errorf("damage the stores of %s: %w", m.name, err)
	}
	c.Recover(t.goesOn(places))
	if done == 0 {
		return nil
	}
	if until(ctx, graceAfter, func() bool {
		return saidSince(before.LogPath(), from, "is damaged")
	}) {
		c.Effect("%d files %s; it found out", done, how)
	}
	return nil
}

// damageStores damages one .sst of each store below dir, in the same way.
func damageStores(dir string, dice uint64) (how string, done int, err error) {
	perStore := map[string][]string{}
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".sst") {
			perStore[filepath.Dir(path)] = append(perStore[filepath.Dir(path)], path)
		}
		return err
	})
	if err != nil {
		return "", 0, err
	}
	var harm func(path string) error
	switch dice >> 8 % 3 {
	case 0:
		how, harm = "deleted", os.Remove
	case 1:
		how, harm = "cut", func(path string) error {
			info, err := os.Stat(path)
			if err != nil {
				return err
			}
			return os.Truncate(path, info.Size()/2)
		}
	default:
		how, harm = "flipped", func(path string) error {
			data, err := os.ReadFile(path)
			for i := range data {
				data[i] ^= 0xFF
			}
			return errors.Join(err, os.WriteFile(path, data, 0o600))
		}
	}
	for _, store := range sortedKeys(perStore) {
		files := perStore[store]
		if err := harm(files[dice>>16%uint64(len(files))]); err != nil {
			return how, done, err
		}
		done++
	}
	return how, done, nil
}
