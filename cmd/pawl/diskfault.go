package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"pawl/statestore"
)

const diskFaultVariable = "PAWL_DISK_FAULT"

// The faults that the file can name.
const (
	diskFull  = "disk-full"
	diskError = "io-error"
)

// diskFault makes the disk under the state stores fail for as long as a file says so.
type diskFault struct{ file string }

// parseDiskFault reads PAWL_DISK_FAULT from the environment; nil without it.
func parseDiskFault(environ []string) *diskFault {
	if file := variable(environ, diskFaultVariable); file != "" {
		return &diskFault{file: file}
	}
	return nil
}

// check is asked before each access to the disk.
func (d *diskFault) check(write bool) error {
	said, err := os.ReadFile(d.file)
	if err != nil {
		return nil // no file, no fault
	}
	switch strings.TrimSpace(string(said)) {
	case diskFull:
		if write {
			return syscall.ENOSPC
		}
	case diskError:
		return syscall.EIO
	}
	return nil
}

// stores opens the stores on a disk that fails when the file says so.
func (d *diskFault) stores(cacheBytes int64, fail func(error)) *statestore.Env {
	return statestore.NewFaultyEnv(d.check, cacheBytes, fail)
}

// warning is printed at start: nobody may run with this unawares.
func (d *diskFault) warning() string {
	return fmt.Sprintf("warning: %s is set: while %s says %s or %s, the state stores' disk fails",
		diskFaultVariable, d.file, diskFull, diskError)
}
