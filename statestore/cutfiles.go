package statestore

import (
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// cutFiles are files in memory of which an image can be taken while they are being written. In
// Pebble 2.1.7 the two deadlock when a link is being made: Link takes the lock against images
// twice, and an image that begins to wait in between keeps the second from being had. So an image
// begins when no link is being made.
type cutFiles struct {
	*vfs.MemFS
	links *sync.RWMutex
}

func newCutFiles(files *vfs.MemFS) cutFiles { return cutFiles{files, new(sync.RWMutex)} }

func (c cutFiles) image(cfg vfs.CrashCloneCfg) cutFiles {
	c.links.Lock()
	defer c.links.Unlock()
	return newCutFiles(c.CrashClone(cfg))
}

// Link is MemFS's, with no image beginning meanwhile.
func (c cutFiles) Link(from, to string) error {
	c.links.RLock()
	defer c.links.RUnlock()
	return c.MemFS.Link(from, to)
}
