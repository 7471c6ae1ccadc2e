package processor

import (
	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// UseFiles puts a file system under the stores.
func (c *Config) UseFiles(files vfs.FS) {
	c.Stores = func(cacheBytes int64, fail func(error)) *statestore.Env {
		return statestore.NewEnv(files, cacheBytes, fail)
	}
}
