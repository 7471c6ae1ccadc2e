package processor

import (
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// Crash ends the instance as a kill would: nothing is sealed, committed, flushed or left.
func (in *Instance) Crash() {
	in.cancel(errCrash)
	<-in.done
}

// UseFiles puts a file system under the stores.
func (c *Config) UseFiles(files vfs.FS) {
	c.newEnv = func(cacheBytes int64, fail func(error)) *statestore.Env {
		return statestore.NewEnv(files, cacheBytes, fail)
	}
}

// WatchEvery sets how often it is looked whether global topics grew.
func (c *Config) WatchEvery(d time.Duration) { c.watchEvery = d }
