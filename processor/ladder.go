package processor

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"pawl/checkpoint"
	"pawl/statestore"
)

// Rung says what a task's state is restored from. The ladder has four, the cheapest first; a task
// starts on the first one that holds, and a rung that breaks leads to the next.
type Rung string

// The rungs.
const (
	RungLocal      Rung = "local"               // the store on disk, which has all
	RungTail       Rung = "local-and-tail"      // the store on disk and what came after
	RungCheckpoint Rung = "checkpoint-and-tail" // a checkpoint and what came after
	RungChangelog  Rung = "changelog"           // the changelog, from its start
)

// Rungs are all of them, the cheapest first.
func Rungs() []Rung { return []Rung{RungLocal, RungTail, RungCheckpoint, RungChangelog} }

// ladder brings one task's store up to its claim.
type ladder struct {
	in    *Instance
	s     *slot
	t     *task
	claim int64
	info  RestoreInfo
	start int64                // of the changelog
	match *checkpoint.Manifest // the last one that was found usable
}

const (
	// storageRetry is how long a restore waits before it asks a storage again that failed.
	storageRetry = time.Second
	// weighPatience bounds the question whether a checkpoint is far ahead of a store on disk.
	weighPatience = 5 * time.Second
	// tailRecordCost is what reading and applying one offset of the tail costs, in bytes of a
	// checkpoint that could be downloaded in that time.
	tailRecordCost = 100
)

// errSilent says that the storage gave nothing for as long as one waits for it.
var errSilent = errors.New("the checkpoint storage does not answer")

// climb restores the slot's store from the cheapest rung that holds.
func (in *Instance) climb(s *slot, t *task, claim int64) (*restore, error) {
	l := &ladder{in: in, s: s, t: t, claim: claim,
		info: RestoreInfo{Task: t.name, Target: claim + 1}}
	mark := s.disk.Mark()
	local := mark.Offset > 0
	if local && in.tooOld(mark) {
		local = false
		in.notice("task %s: its store is older than half of the changelog's delete.retention.ms; "+
			"it is rebuilt, or deleted keys could come back", t.name)
	}
	if local && !l.overtakes(mark) {
		r, err := l.read(RungTail)
		if !errors.Is(err, errOutdated) {
			return r, errors.Join(err, l.discard())
		}
		in.warn("task %s: %v; it is rebuilt", t.name, err)
		local = false
	}
	rung := RungChangelog
	downloaded, err := l.download()
	switch {
	case err != nil:
		return nil, err
	case downloaded:
		rung = RungCheckpoint
	case local:
		rung = RungTail
	}
	if rung != RungChangelog {
		r, err := l.read(rung)
		if !errors.Is(err, errOutdated) {
			return r, err
		}
		in.warn("task %s: %v; it is rebuilt from the start of the changelog", t.name, err)
	}
	// The changelog is compacted: over a store that holds anything, keys that were deleted since
	// would stay.
	if err := in.rebuild(s, t); err != nil {
		return nil, err
	}
	return l.read(RungChangelog)
}

// read reads the changelog from where the store stands.
func (l *ladder) read(rung Rung) (*restore, error) {
	r := &restore{in: l.in, task: l.t.name, partition: l.t.partition, store: l.s.disk,
		claim: l.claim, info: l.info}
	r.info.Rung = rung
	err := r.run(l.s.ctx)
	return r, err
}

// dir is the folder of the task's store.
func (l *ladder) dir() string { return filepath.Join(l.in.stateDir, l.t.name) }

// discard removes what a download that was given up has left.
func (l *ladder) discard() error { return os.RemoveAll(l.dir() + newSuffix + ".restoring") }

// series are the task's checkpoints.
func (l *ladder) series() (*checkpoint.Series, error) {
	return checkpoint.NewSeries(l.in.cfg.Checkpoints.Target, l.in.cfg.ApplicationID, l.t.name)
}

// overtakes weighs a store on disk against the newest checkpoint: when that is so far ahead that
// reading what lies between would take longer than to download it, it is taken. Up to longTail the
// storage is not even asked.
func (l *ladder) overtakes(m statestore.Mark) bool {
	cfg := &l.in.cfg.Checkpoints
	if cfg.Target == nil || l.claim-m.Offset < cfg.longTail {
		return false
	}
	ctx, cancel := context.WithTimeout(l.s.ctx, weighPatience)
	defer cancel()
	series, err := l.series()
	if err == nil {
		err = l.findStart(ctx)
	}
	if err != nil {
		return false
	}
	found, _, err := series.Latest(ctx, l.usable)
	return err == nil && (found.Changelog.Offset-m.Offset)*tailRecordCost > found.Bytes()
}

// findStart asks where the changelog begins.
func (l *ladder) findStart(ctx context.Context) error {
	name := l.in.bind.changelog.name
	starts, err := l.in.adm.ListStartOffsets(ctx, name)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("ask where the changelog begins: %w", err)
	}
	start, ok := starts.Lookup(name, l.t.partition)
	if !ok {
		return fmt.Errorf("the changelog %s has no partition %d", name, l.t.partition)
	}
	l.start = start.Offset
	return nil
}

// usable says why a checkpoint cannot be restored and brought up by the changelog's tail.
func (l *ladder) usable(m *checkpoint.Manifest) error {
	b := l.in.bind
	at := m.Changelog
	switch {
	case m.Application != b.app || m.Task != l.t.name || m.Pipeline != b.pipeline.name ||
		m.Partition != l.t.partition:
		return fmt.Errorf("it is one of %s/%s", m.Application, m.Task)
	case at.TopicID != topicText(b.changelogID):
		return fmt.Errorf("it belongs to a changelog %s that was deleted since", at.Topic)
	case m.Partitions != b.partitions:
		return fmt.Errorf("the inputs had %d partitions then and have %d now", m.Partitions,
			b.partitions)
	case at.Offset < l.start:
		return fmt.Errorf("it stands at changelog offset %d, and the log begins at %d", at.Offset,
			l.start)
	case at.Offset > l.claim:
		return fmt.Errorf("it stands at changelog offset %d, beyond this instance's claim at %d",
			at.Offset, l.claim)
	case l.in.tooOld(statestore.Mark{Time: at.Time.UnixMilli()}):
		return errors.New("it is older than half of the changelog's delete.retention.ms")
	}
	l.match = m
	return nil
}

// download puts the newest checkpoint that can be used in the store's place. When there is none, or
// the storage gives nothing for too long, the store stays as it was.
func (l *ladder) download() (done bool, err error) {
	if l.in.cfg.Checkpoints.Target == nil {
		return false, nil
	}
	if err := l.findStart(l.s.ctx); err != nil {
		return false, err
	}
	err = l.fetch()
	if l.s.ctx.Err() != nil {
		return false, l.s.ctx.Err()
	}
	if err != nil {
		if !errors.Is(err, checkpoint.ErrNone) {
			l.in.warn("task %s: no checkpoint can be had, so it is restored without: %v",
				l.t.name, err)
		}
		l.info = RestoreInfo{Task: l.t.name, Target: l.claim + 1, Elapsed: l.info.Elapsed}
		return false, l.discard()
	}
	l.in.cfg.Point("restore-downloaded")
	disk := l.s.disk
	l.s.disk = nil
	if err := disk.Close(); err != nil {
		return false, err
	}
	if err := l.in.env.Adopt(l.dir()+newSuffix, l.dir()); err != nil {
		return false, err
	}
	disk, err = l.in.env.OpenPebble(l.dir())
	if err != nil {
		return false, err
	}
	l.s.disk = disk
	return true, l.in.proveChangelog(l.t.name, disk.Mark())
}

// fetch downloads the newest checkpoint that can be used and is whole. It goes on for as long as
// bytes come, and gives up when none have for the patience there is.
func (l *ladder) fetch() error {
	series, err := l.series()
	if err != nil {
		return err
	}
	w := newWatch(l.in.cfg.Checkpoints.patience)
	began := time.Now()
	l.info.Rung, l.info.WaitingFor = RungCheckpoint, "the checkpoint storage"
	l.in.restoring(l.t.partition, l.info)
	told := func(done, total int64) {
		l.info.Downloaded, l.info.DownloadSize = done, total
		l.info.Elapsed = time.Since(began)
		l.info.PerSecond = float64(done) / max(l.info.Elapsed.Seconds(), 1e-3)
		l.info.Left = remaining(l.info.Elapsed, total-done, done)
		if w.moved(done, total) {
			l.info.WaitingFor = ""
		}
		l.info.Checkpoint, l.info.DownloadOffset = l.match.ID, l.match.Changelog.Offset
		l.in.restoring(l.t.partition, l.info)
	}
	var said error // by the last try that ended by itself: it tells more than a cancelled one
	for {
		ctx, done := w.watched(l.s.ctx)
		m, skipped, err := series.RestoreLatest(ctx, l.dir()+newSuffix, l.usable,
			l.in.cfg.Checkpoints.Config.Limits, told)
		if err != nil && ctx.Err() != nil && l.s.ctx.Err() == nil {
			err = errors.Join(errSilent, cmp.Or(said, err))
		}
		said = err
		done()
		if err == nil || errors.Is(err, checkpoint.ErrNone) {
			l.info.WaitingFor = ""
			for _, k := range skipped {
				l.in.warn("task %s: checkpoint %s is passed over: %v", l.t.name, k.ID, k.Reason)
			}
		}
		switch {
		case err == nil:
			l.match = m
			return nil
		case l.s.ctx.Err() != nil || errors.Is(err, checkpoint.ErrNone) || w.over():
			return err
		}
		l.info.WaitingFor = "the checkpoint storage: " + err.Error()
		l.in.restoring(l.t.partition, l.info)
		l.in.waiting(l.t.name, l.info.WaitingFor, w.idle())
		pause(l.s.ctx, storageRetry)
	}
}

// watch sees whether a download moves, over several tries.
type watch struct {
	patience time.Duration
	last     atomic.Int64    // when there was a byte that no earlier try had got, ns
	most     map[int64]int64 // bytes, by the size of what is downloaded
}

func newWatch(patience time.Duration) *watch {
	w := &watch{patience: patience, most: make(map[int64]int64)}
	w.last.Store(time.Now().UnixNano())
	return w
}

// moved is told of progress, and says whether it is any.
func (w *watch) moved(done, total int64) bool {
	if done <= w.most[total] {
		return false
	}
	w.most[total] = done
	w.last.Store(time.Now().UnixNano())
	return true
}

func (w *watch) idle() time.Duration { return time.Since(time.Unix(0, w.last.Load())) }

func (w *watch) over() bool { return w.idle() >= w.patience }

// watched is ctx, cancelled when nothing has moved for too long; done ends the watching.
func (w *watch) watched(ctx context.Context) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !w.over() && ctx.Err() == nil {
			pause(ctx, w.patience-w.idle())
		}
		cancel(errSilent)
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// topicText is a topic id as manifests have it.
func topicText(id [16]byte) string { return base64.StdEncoding.EncodeToString(id[:]) }
