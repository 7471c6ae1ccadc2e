package statestore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestOpenFault looks into folders that cannot be opened although nothing in them is damaged.
func TestOpenFault(t *testing.T) {
	env := NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	empty, taken := t.TempDir(), filepath.Join(t.TempDir(), "store")
	s, err := env.OpenPebble(taken)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(taken, lockName), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock); err != nil { // as if by another
		t.Fatal(err)
	}
	for dir, want := range map[string]string{empty: "there is none in this folder",
		taken: "another process has it open"} {
		err := env.Inspect(dir, func(*Pebble) error { return nil })
		if err == nil || !strings.Contains(err.Error(), dir+": "+want) {
			t.Errorf("said %v, want %q", err, want)
		}
	}
}
