package statestore

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFaultyEnv: the disk fails as it is told to, and works when it is told nothing.
func TestFaultyEnv(t *testing.T) {
	var full error
	var met []error
	dir := filepath.Join(t.TempDir(), "store")
	env := NewFaultyEnv(func(write bool) error {
		if write {
			return full
		}
		return nil
	}, 1<<20, func(err error) { met = append(met, err) })
	defer env.Close()
	s, err := env.OpenPebble(dir)
	if err != nil {
		t.Fatal(err)
	}
	change := func(value string) error {
		return errors.Join(s.Apply([]Change{{Key: []byte("k"), Value: []byte(value)}},
			Mark{Offset: 1}), s.Flush())
	}
	if err := change("a"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	full = syscall.ENOSPC
	if s, err = env.OpenPebble(dir); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("open on a full disk: %v", err)
	}
	full = nil
	if s, err = env.OpenPebble(dir); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, ok, err := s.Get([]byte("k")); string(v) != "a" || !ok || err != nil {
		t.Errorf("after the fault: %q, %v, %v", v, ok, err)
	}
	if len(met) > 0 {
		t.Errorf("a refused open ends the process: %v", met)
	}
}
