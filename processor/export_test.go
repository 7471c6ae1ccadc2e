package processor

import (
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"pawl/statestore"
)

// UseFiles puts a file system under the stores.
func (c *Config) UseFiles(files vfs.FS) {
	c.Stores = func(cacheBytes int64, fail func(error)) *statestore.Env {
		return statestore.NewEnv(files, cacheBytes, fail)
	}
}

// WatchEvery sets how often it is looked whether global topics grew.
func (c *Config) WatchEvery(d time.Duration) { c.watchEvery = d }

// EntryHash is what one entry adds to the state digest.
func EntryHash(key, value []byte) uint64 { return entryHash(key, value) }

// Patience sets how long a restore waits for a storage of checkpoints that gives it nothing.
func (c *Checkpoints) Patience(d time.Duration) { c.patience = d }

// LongTail sets the least tail for which a store is weighed against a checkpoint.
func (c *Checkpoints) LongTail(offsets int64) { c.longTail = offsets }

// Sender makes the producer of an instance. Its send runs the transaction of an epoch as one of a
// claim: without offsets, for which there would have to be a group.
func (o *Offline) Sender(ctx context.Context) (send func(context.Context, *OfflineTask,
	*Effects) error, done func(), err error) {
	o.in.txnV2 = true
	p, err := newProducer(ctx, o.in)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, t *OfflineTask, fx *Effects) error {
		fx.owner, fx.claim = t.task, true
		return p.commit(ctx, []*Effects{fx}).err
	}, o.in.closeClients, nil
}
