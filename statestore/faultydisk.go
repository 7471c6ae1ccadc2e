package statestore

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// NewFaultyEnv is NewEnv on the machine's file system, but check may fail any access to it, a write
// or else a read: for trials of what a full or broken disk leads to.
func NewFaultyEnv(check func(write bool) error, cacheBytes int64, fail func(error)) *Env {
	files := errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		return check(op.Kind.ReadOrWrite() == errorfs.OpIsWrite)
	}))
	return NewEnv(files, cacheBytes, fail)
}
