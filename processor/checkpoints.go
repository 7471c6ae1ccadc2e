package processor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pawl/checkpoint"
)

// Checkpoints says where copies of the tasks' stores are kept. Their absence, loss or damage costs
// time and nothing else: the changelog has it all.
type Checkpoints struct {
	// Target is the storage, opened; nil for no checkpoints. The caller closes it once the instance
	// has ended.
	Target checkpoint.Target
	// Config says how often, how long and how fast; its URL is not looked at.
	Config checkpoint.Config
	// Version is the program's, for manifests.
	Version string

	// patience bounds how long a restore waits for a storage that gives it nothing.
	patience time.Duration
	// longTail is the least tail for which a store on disk is weighed against a checkpoint.
	longTail int64
}

const (
	// storagePatience is the default of Checkpoints.patience.
	storagePatience = 30 * time.Second
	// longTail is the default of Checkpoints.longTail, in changelog offsets: a second or two.
	longTail = 1 << 20
)

func (c *Checkpoints) ensureDefaults() {
	c.Config.EnsureDefaults()
	if c.patience == 0 {
		c.patience = storagePatience
	}
	if c.longTail == 0 {
		c.longTail = longTail
	}
}

func (c *Checkpoints) validate(application string) error {
	if c.Target == nil {
		return nil
	}
	var err error
	if _, fault := checkpoint.NewSeries(c.Target, application, "task"); fault != nil {
		err = fmt.Errorf("application.id=%s: cannot have checkpoints: %w; choose another name",
			application, fault)
	}
	return errors.Join(err, c.Config.Validate())
}

// Suffixes of folders beside a task's store.
const (
	copySuffix = ".checkpoint" // a copy on its way to the storage
	newSuffix  = ".new"        // a whole store from a checkpoint, about to take the store's place
)

// removeCopies removes the copies that an earlier process left.
func (in *Instance) removeCopies() error {
	left, err := filepath.Glob(filepath.Join(in.stateDir, "*"+copySuffix))
	for _, dir := range left {
		err = errors.Join(err, in.removeFolder(dir))
	}
	if err != nil {
		return fmt.Errorf("remove copies of stores in %s: %w", in.stateDir, err)
	}
	return nil
}

// removeFolder removes a folder from the disk of the stores and, should they be in memory, from the
// machine's too.
func (in *Instance) removeFolder(dir string) error {
	return errors.Join(in.env.Remove(dir), os.RemoveAll(dir))
}

// CheckpointResult is how the taking of a checkpoint ended.
type CheckpointResult string

// Results of taking a checkpoint.
const (
	CheckpointWritten    CheckpointResult = "written"
	CheckpointUnchanged  CheckpointResult = "unchanged"  // the newest one is of this state
	CheckpointSuperseded CheckpointResult = "superseded" // another owner has written a later one
	CheckpointFailed     CheckpointResult = "failed"     // it is tried again
)

// CheckpointInfo is what became of one checkpoint.
type CheckpointInfo struct {
	Task     string
	Result   CheckpointResult
	ID       string // of the checkpoint there is now, when one is known
	Epoch    int64  // of its state
	Created  time.Time
	Bytes    int64 // of all its files
	Uploaded int64 // of them now; the storage had the others
	Took     time.Duration
	Err      error // why it failed
}

// errNoCheckpoints says that there is nowhere to put one.
var errNoCheckpoints = errors.New("this instance keeps no checkpoints; set checkpoint.url")

// Checkpoint has every running task take a checkpoint at once, one after the other, and says what
// became of each.
func (in *Instance) Checkpoint(ctx context.Context) ([]CheckpointInfo, error) {
	if in.cfg.Checkpoints.Target == nil {
		return nil, errNoCheckpoints
	}
	listed := make(chan []*checkpointer, 1)
	in.post(func() {
		var all []*checkpointer
		for p := range in.bind.partitions {
			if s := in.slots[p]; s != nil && s.state == TaskRunning && s.task != nil {
				all = append(all, s.task.checkpoints)
			}
		}
		listed <- all
	})
	var all []*checkpointer
	select {
	case all = <-listed:
	case <-in.done:
		return nil, errors.New("the instance has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	infos := make([]CheckpointInfo, 0, len(all))
	for _, c := range all {
		info, err := c.ask(ctx)
		if err != nil {
			return infos, err
		}
		infos = append(infos, info)
	}
	return infos, nil
}

// toldCheckpoint publishes what became of a checkpoint.
func (in *Instance) toldCheckpoint(info CheckpointInfo) {
	in.tell(func(l *Listener) {
		if l.Checkpoint != nil {
			l.Checkpoint(info)
		}
	})
}

// checkpointed publishes the newest checkpoint of a task.
func (in *Instance) checkpointed(p int32, info CheckpointInfo) {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	if ts := in.statuses[p]; ts != nil {
		ts.Checkpoint = CheckpointStatus{ID: info.ID, Epoch: info.Epoch, Created: info.Created}
	}
}
