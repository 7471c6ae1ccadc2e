//go:build unix && !linux

package process

import "syscall"

// attributes puts the child in a process group of its own. These kernels know no death signal:
// a parent that is killed leaves its children behind.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
