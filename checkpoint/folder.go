package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is a Target in a folder: an object is a file, and what Put returned survives a power cut.
// gocloud.dev's own driver for folders syncs nothing and looks before it writes once, which two
// processes do at the same time.
type folder struct{ root string }

// temporary begins the names of files that are being written.
const temporary = ".writing-"

func openFolder(root string) (Target, error) {
	root, err := filepath.Abs(filepath.FromSlash(root))
	if err != nil {
		return nil, fmt.Errorf("open checkpoint folder: %w", err)
	}
	f := &folder{root: root}
	if err := f.there(); err != nil {
		return nil, err
	}
	return f, nil
}

// there says that the folder is: one that is not mounted any more is no empty one.
func (f *folder) there() error {
	info, err := os.Stat(f.root)
	if err == nil && !info.IsDir() {
		err = errors.New("it is a file")
	}
	if err != nil {
		return fmt.Errorf("open checkpoint folder %s: %w; make the folder, or mount it", f.root,
			err)
	}
	return nil
}

func (f *folder) path(key string) string { return filepath.Join(f.root, filepath.FromSlash(key)) }

// List implements Target.
func (f *folder) List(ctx context.Context, prefix string, fn func(Object) error) error {
	if err := f.there(); err != nil {
		return err
	}
	dir := f.path(prefix[:strings.LastIndexByte(prefix, '/')+1])
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		var info fs.FileInfo
		if err == nil && d.Type().IsRegular() {
			info, err = d.Info()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // deleted meanwhile
		}
		if err != nil || info == nil {
			return err
		}
		rel, err := filepath.Rel(f.root, path)
		if err != nil {
			return err
		}
		if key := filepath.ToSlash(rel); strings.HasPrefix(key, prefix) {
			return fn(Object{Key: key, Size: info.Size(), Time: info.ModTime()})
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("list %s in folder %s: %w", prefix, f.root, err)
	}
	return nil
}

// Open implements Target.
func (f *folder) Open(_ context.Context, key string) (io.ReadCloser, error) {
	file, err := os.Open(f.path(key))
	if err != nil {
		return nil, fmt.Errorf("read object: %w", err)
	}
	return file, nil
}

// Put implements Target: write beside, sync, give the name, sync the name.
func (f *folder) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	if err := f.there(); err != nil {
		return err
	}
	path := f.path(key)
	if err := makeFolder(filepath.Dir(path)); err != nil {
		return fmt.Errorf("write object %s: %w", path, err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), temporary)
	if err != nil {
		return fmt.Errorf("write object %s: %w", path, err)
	}
	defer func() { _ = os.Remove(file.Name()) }() // it has its own name by then, or is garbage
	_, err = io.Copy(file, body)
	if err == nil {
		err = file.Chmod(0o600)
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close(), ctx.Err()); err == nil {
		err = place(file.Name(), path, once)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("write object %s: %w", path, err)
	}
	return nil
}

// place gives a file its name. A hard link is what refuses a name that is taken; a disk without
// them has to look first.
func place(from, to string, once bool) error {
	if !once {
		return os.Rename(from, to)
	}
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, err := os.Lstat(to); err == nil {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// Delete implements Target.
func (f *folder) Delete(_ context.Context, key string) error {
	path := f.path(key)
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = syncFolder(filepath.Dir(path))
	}
	if err != nil {
		return fmt.Errorf("delete object: %w", err)
	}
	return nil
}

// Vault implements Target.
func (f *folder) Vault() *Vault { return nil }

// Close implements Target.
func (f *folder) Close() error { return nil }

// makeFolder makes a folder and those above it so that they survive a power cut.
func makeFolder(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := makeFolder(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncFolder(filepath.Dir(dir))
}

// syncFolder makes the names in a folder survive a power cut.
func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		err = nil // Windows keeps names by itself
	}
	return errors.Join(err, d.Close())
}
