package processor

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/cespare/xxhash/v2"

	"pawl/checkpoint"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// checkpointer takes the checkpoints of one running task, beside it: the task's records wait for
// none of it. All but asking belongs to its goroutine, which ends with the task.
type checkpointer struct {
	in     *Instance
	t      *task
	disk   *statestore.Pebble
	series *checkpoint.Series
	writer *checkpoint.Writer
	asked  chan chan<- CheckpointInfo
	ended  chan struct{}

	newest   CheckpointInfo // that is known of; its claim is beside it
	claim    int64
	pruned   time.Time
	unpruned bool // the last prune failed, and it was told
}

const (
	// lookPatience bounds the question for the newest checkpoint when a task starts.
	lookPatience = 30 * time.Second
	// stopPatience bounds the uploads at a graceful stop.
	stopPatience = 30 * time.Second
	// checkpointRetry is the first delay after a failure; it doubles up to the interval.
	checkpointRetry = 5 * time.Second
	// pruneEvery is how often a task's checkpoints are pruned, at most.
	pruneEvery = time.Hour
)

// newCheckpointer gives a task its checkpointer; nil when there are no checkpoints.
func (in *Instance) newCheckpointer(t *task, disk *statestore.Pebble) *checkpointer {
	cfg := &in.cfg.Checkpoints
	if cfg.Target == nil {
		return nil
	}
	series, err := checkpoint.NewSeries(cfg.Target, in.cfg.ApplicationID, t.name)
	if err != nil {
		in.notice("task %s has no checkpoints: %v", t.name, err)
		return nil
	}
	return &checkpointer{in: in, t: t, disk: disk, series: series,
		writer: checkpoint.NewWriter(series, cfg.Config.Policy, cfg.Config.Limits),
		asked:  make(chan chan<- CheckpointInfo), ended: make(chan struct{})}
}

// run takes checkpoints until the task ends.
func (c *checkpointer) run(ctx context.Context) {
	defer close(c.ended)
	c.look(ctx)
	interval := c.in.cfg.Checkpoints.Config.Interval
	// Tasks that start together must not upload together ever after.
	part := float64(xxhash.Sum64String(c.in.cfg.ApplicationID+c.t.name)%1024) / 1024
	timer := time.NewTimer(time.Duration(part * float64(interval)))
	defer timer.Stop()
	for failures := 0; ; {
		var answer chan<- CheckpointInfo
		select {
		case <-ctx.Done():
			return
		case answer = <-c.asked:
		case <-timer.C:
		}
		info, ok := c.take(ctx)
		if !ok {
			return
		}
		wait := interval
		if failures++; info.Result != CheckpointFailed {
			failures = 0
		} else {
			wait = min(interval, checkpointRetry<<min(failures-1, 10))
		}
		timer.Reset(wait)
		if answer != nil {
			answer <- info // it has room for one
		}
	}
}

// ask has a checkpoint taken at once and waits for what becomes of it.
func (c *checkpointer) ask(ctx context.Context) (CheckpointInfo, error) {
	if c == nil {
		return CheckpointInfo{}, errNoCheckpoints
	}
	gone := CheckpointInfo{Task: c.t.name, Result: CheckpointFailed,
		Err: errors.New("the task was closed meanwhile")}
	answer := make(chan CheckpointInfo, 1)
	select {
	case c.asked <- answer:
	case <-c.ended:
		return gone, nil
	case <-ctx.Done():
		return CheckpointInfo{}, ctx.Err()
	}
	select {
	case info := <-answer:
		return info, nil
	case <-c.ended:
		return gone, nil
	case <-ctx.Done():
		return CheckpointInfo{}, ctx.Err()
	}
}

// look finds the newest checkpoint, so that its age is known and it is not made again. Whether that
// succeeds matters little.
func (c *checkpointer) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookPatience)
	defer cancel()
	m, _, err := c.series.Latest(ctx, func(m *checkpoint.Manifest) error {
		if m.Changelog.TopicID != topicText(c.in.bind.changelogID) {
			return errors.New("it is of another changelog")
		}
		return nil
	})
	if err == nil {
		c.know(m)
	}
}

// know notes the newest checkpoint.
func (c *checkpointer) know(m *checkpoint.Manifest) {
	c.claim = m.Claim
	c.newest = CheckpointInfo{Task: c.t.name, ID: m.ID, Epoch: m.Epoch, Created: m.Created,
		Bytes: m.Bytes(), Result: CheckpointUnchanged}
	c.in.checkpointed(c.t.partition, c.newest)
}

// take takes one checkpoint when it is the task's turn, and tells of it; not when the task ends.
func (c *checkpointer) take(ctx context.Context) (info CheckpointInfo, ok bool) {
	select {
	case c.in.uploading <- struct{}{}:
	case <-ctx.Done():
		return info, false
	}
	defer func() { <-c.in.uploading }()
	began := time.Now()
	info = c.write(ctx)
	info.Took = time.Since(began)
	if ctx.Err() != nil && info.Result == CheckpointFailed {
		return info, false
	}
	c.in.toldCheckpoint(info)
	if info.Result == CheckpointWritten && time.Since(c.pruned) > pruneEvery {
		c.prune(ctx)
	}
	return info, true
}

// write copies the store and uploads the copy.
func (c *checkpointer) write(ctx context.Context) CheckpointInfo {
	pos, known, err := c.position(ctx, c.t.store.Mark().Position)
	switch {
	case err != nil:
		return c.failed(err)
	case !known || c.newest.ID != "" && pos.Claim == c.claim && pos.Epoch == c.newest.Epoch:
		info := c.newest
		info.Task, info.Result = c.t.name, CheckpointUnchanged
		return info
	}
	copied, err := c.copy(ctx)
	if err != nil {
		return c.failed(errors.Join(err, c.drop()))
	}
	return c.upload(ctx, copied)
}

// position decodes a position record's value.
func (c *checkpointer) position(ctx context.Context, raw []byte) (pos record.Position, known bool,
	err error) {
	if raw == nil {
		return pos, false, nil
	}
	id, _, err := schemas.ParseHeader(raw)
	if err == nil {
		_, err = c.in.schemaText(ctx, id)
	}
	if err == nil {
		err = schemas.NewDecoder(record.PositionType(), c.in.bind.resolver).Decode(raw, &pos)
	}
	if err != nil {
		return pos, false, fmt.Errorf("position record of task %s: %w", c.t.name, err)
	}
	return pos, true, nil
}

func (c *checkpointer) dir() string {
	return filepath.Join(c.in.stateDir, c.t.name+copySuffix)
}

// drop removes the copy.
func (c *checkpointer) drop() error { return c.in.removeFolder(c.dir()) }

// copy makes a copy of the store as it stands between two epochs, while the task goes on, and
// describes it by what is in it: the store itself may be further on.
func (c *checkpointer) copy(ctx context.Context) (checkpoint.Description, error) {
	var d checkpoint.Description
	if err := c.t.write(c.t.store.Spill); err != nil {
		c.in.die(err)
		return d, err
	}
	snap, err := c.in.env.Checkpoint(c.disk, c.dir())
	if err == nil {
		err = c.in.env.Export(c.dir())
	}
	if err != nil {
		return d, err
	}
	c.in.cfg.Point("checkpoint-copied")
	pos, known, err := c.position(ctx, snap.Mark.Position)
	if err == nil && !known {
		err = errors.New("the copy has no position")
	}
	if err != nil {
		return d, err
	}
	id, _, err := schemas.ParseHeader(snap.Mark.Position)
	if err != nil {
		return d, err
	}
	text, _ := c.in.bind.resolver.Text(id)
	d = checkpoint.Describe(checkpoint.Origin{Application: c.in.cfg.ApplicationID,
		Pipeline: c.in.pipe.name, Task: c.t.name, Partition: c.t.partition,
		Changelog: c.in.bind.changelog.name, Version: c.in.cfg.Checkpoints.Version,
		PositionSchema: checkpoint.Schema{ID: id, Text: text}}, snap, pos)
	d.Created = time.Now().UTC()
	return d, nil
}

// upload writes the copy to the storage and removes it.
func (c *checkpointer) upload(ctx context.Context, d checkpoint.Description) CheckpointInfo {
	var uploaded int64
	passed := false
	written, err := c.writer.Write(ctx, c.dir(), d, func(done, total int64) {
		uploaded = done
		if done == total && !passed {
			passed = true
			c.in.cfg.Point("checkpoint-uploaded")
		}
	})
	if err == nil {
		c.in.cfg.Point("checkpoint-written")
	}
	dropErr := c.drop()
	var superseded *checkpoint.SupersededError
	var info CheckpointInfo
	switch {
	case errors.As(err, &superseded):
		info = CheckpointInfo{Task: c.t.name, Result: CheckpointSuperseded, ID: superseded.Newer}
	case err != nil || dropErr != nil:
		info = c.failed(errors.Join(err, dropErr))
	default:
		c.know(written.Manifest)
		info = c.newest
		if info.Result = CheckpointWritten; written.Existed {
			info.Result = CheckpointUnchanged
		}
	}
	info.Uploaded = uploaded
	return info
}

func (c *checkpointer) failed(err error) CheckpointInfo {
	return CheckpointInfo{Task: c.t.name, Result: CheckpointFailed, Err: err}
}

// prune gives up what the policy does not keep. A failure is told once; it is tried again after the
// next checkpoint.
func (c *checkpointer) prune(ctx context.Context) {
	done, err := c.series.Prune(ctx, c.in.cfg.Checkpoints.Config.Policy, false)
	if err == nil {
		err = done.Blocked
	}
	switch {
	case ctx.Err() != nil:
		return
	case err != nil && !c.unpruned:
		c.in.notice("task %s: old checkpoints stay for now: %v", c.t.name, err)
	}
	if c.unpruned = err != nil; err == nil {
		c.pruned = time.Now()
	}
	c.in.cfg.Point("checkpoint-pruned")
}

// atStop copies the store of a task that is being closed, for uploadLast.
func (c *checkpointer) atStop(ctx context.Context) {
	pos, known, err := c.position(ctx, c.t.store.Mark().Position)
	if err != nil || !known || pos.Claim == c.claim && pos.Epoch == c.newest.Epoch {
		return
	}
	copied, err := c.copy(ctx)
	if err != nil {
		c.in.toldCheckpoint(c.failed(errors.Join(err, c.drop())))
		return
	}
	c.in.last.Lock()
	defer c.in.last.Unlock()
	c.in.last.uploads = append(c.in.last.uploads, func(ctx context.Context) {
		if info := c.upload(ctx, copied); c.in.ctx.Err() == nil {
			c.in.toldCheckpoint(info)
		}
	})
}

// uploadLast uploads the copies of a graceful stop. The group has given the tasks away by then, so
// nobody waits but whoever asked for the stop, and that not for long.
func (in *Instance) uploadLast() {
	in.last.Lock()
	uploads := in.last.uploads
	in.last.uploads = nil
	in.last.Unlock()
	ctx, cancel := context.WithTimeoutCause(in.ctx, stopPatience,
		fmt.Errorf("a stop waits no longer than %v", stopPatience))
	defer cancel()
	for _, upload := range uploads {
		if in.ctx.Err() == nil {
			upload(ctx)
		}
	}
}
