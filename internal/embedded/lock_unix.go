//go:build unix

package embedded

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// lock takes the file for this process and writes its id into it. The kernel gives it free when
// the process ends, however it ends.
func lock(path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		return nil, fmt.Errorf("it is used by process %s; stop that one or use another "+
			"directory: %w", strings.TrimSpace(string(holder)), err)
	}
	err = f.Truncate(0)
	if err == nil {
		_, err = fmt.Fprintln(f, os.Getpid())
	}
	if err != nil {
		return nil, fmt.Errorf("lock: write %s: %w", path, err)
	}
	return f.Close, nil
}
