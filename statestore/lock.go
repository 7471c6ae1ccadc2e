package statestore

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Lock is a process's hold on a state directory. The system gives it back when the process dies,
// however it dies.
type Lock struct{ f *os.File }

// lockName is the lock's file in the state directory; it holds the pid of the process.
const lockName = "LOCK"

// Acquire makes dir and locks it, or says which process holds it.
func Acquire(dir string) (*Lock, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make state directory %s: %w; give a writable state.dir", dir, err)
	}
	path := filepath.Join(dir, lockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of state directory %s: %w; give a writable state.dir",
			dir, err)
	}
	if err := lockFile(f); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		return nil, fmt.Errorf("state directory %s is held by process %s; stop it or give this "+
			"one a state.dir of its own", dir, strings.TrimSpace(string(holder)))
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	err = f.Truncate(0)
	if err == nil {
		_, err = f.WriteAt([]byte(pid), 0)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write lock of state directory %s: %w", dir, err)
	}
	return &Lock{f: f}, nil
}

// Release gives the directory back.
func (l *Lock) Release() error {
	if err := l.f.Close(); err != nil {
		return fmt.Errorf("release state directory: %w", err)
	}
	return nil
}
