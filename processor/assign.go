package processor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// slot is what the loop knows of one assigned partition. A slot outlives the tasks that run in it:
// recovery closes the task and opens another.
type slot struct {
	task      *task // nil while there is none
	disk      *statestore.Pebble
	ctx       context.Context
	cancel    context.CancelCauseFunc
	work      sync.WaitGroup // the task's goroutines
	state     TaskState
	busy      bool // its share is sealed or in a transaction
	closing   bool
	leaving   bool  // to be given up after one more epoch
	sealedOut bool  // that epoch is decided
	faults    int   // failures at faultAt
	faultAt   int64 // sum of input offsets where the task failed
	after     func()
	handOn    bool  // its store stays open when the task is closed: it becomes a standby's
	err       error // why it is FAILED or REFUSED
}

// assigned opens tasks for newly owned partitions.
func (in *Instance) assigned(parts []int32) {
	if in.stopping {
		return
	}
	in.startup.done(stepGroup)
	for _, p := range parts {
		if in.slots[p] == nil {
			in.slots[p] = &slot{}
			in.open(p)
		}
	}
	in.running.Store(int64(len(in.slots)))
	in.setState()
}

// open starts a task in its slot: store, then claim, then restore, then records.
func (in *Instance) open(p int32) {
	s := in.slots[p]
	if in.recovering || s.task != nil {
		return
	}
	name := taskName(in.pipe.name, p)
	s.busy, s.disk, s.after, s.handOn = false, nil, nil, false
	s.ctx, s.cancel = context.WithCancelCause(in.ctx)
	t := &task{in: in, partition: p, name: name, orders: make(chan order, sharedOrders),
		wake: make(chan struct{}, 1), stopped: make(chan struct{}),
		used: make([]int64, len(in.bind.inputs))}
	t.inbox.bytes = make([]int64, len(in.bind.inputs))
	t.inbox.paused = make([]bool, len(in.bind.inputs))
	if !in.cfg.NoHotKeys {
		t.hot = newHotMeter(in.bind.inputs, time.Now())
	}
	s.task = t
	in.taskState(p, TaskCreated, "", "")
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		var err error
		if s.disk = in.handedOver(p); s.disk == nil {
			s.disk, err = in.openDisk(name)
		}
		in.startup.done(stepStores)
		in.post(func() {
			switch {
			case err != nil:
				in.die(err)
			case in.slots[p] == s && s.task == t && !s.closing:
				in.claims = append(in.claims, t)
			}
		})
	}()
}

// downloaded says that a whole store from a checkpoint waits to take a closed one's place.
func (in *Instance) downloaded(name string) bool {
	_, err := os.Stat(in.taskDir(name) + newSuffix)
	return err == nil
}

// adoptDownloaded lets it.
func (in *Instance) adoptDownloaded(name string) error {
	if !in.downloaded(name) {
		return nil
	}
	dir := in.taskDir(name)
	return in.env.Adopt(dir+newSuffix, dir)
}

// openDisk opens a task's store; a damaged one is removed, since the changelog has it all. A whole
// one that was downloaded when an earlier process died takes its place.
func (in *Instance) openDisk(name string) (*statestore.Pebble, error) {
	if err := in.adoptDownloaded(name); err != nil {
		return nil, err
	}
	dir := in.taskDir(name)
	disk, err := in.env.OpenPebble(dir)
	var corrupt *statestore.CorruptError
	if errors.As(err, &corrupt) {
		in.warn("%v; it is removed and restored", err)
		if err := in.env.Remove(dir); err != nil {
			return nil, err
		}
		disk, err = in.env.OpenPebble(dir)
	}
	return disk, err
}

// claimed goes on with a task whose claim record is committed at the given changelog offset.
func (in *Instance) claimed(t *task, offset int64) {
	s := in.slots[t.partition]
	if s == nil || s.task != t || s.closing {
		return
	}
	in.cfg.Point("claimed")
	in.startup.done(stepClaims)
	at := s.disk.Mark().Offset
	in.copies.set(replica{t.partition, copyActive, at, max(offset+1-at, 0)})
	in.taskState(t.partition, TaskRestoring, "", "")
	s.work.Add(1)
	go func() {
		defer s.work.Done()
		err := in.restore(s, t, offset)
		in.post(func() { in.restored(s, t, err) })
	}()
}

// restore brings the store up to the claim, proves it, and builds the task's core.
func (in *Instance) restore(s *slot, t *task, claim int64) error {
	if err := in.proveChangelog(t.name, s.disk.Mark()); err != nil {
		return err
	}
	r, err := in.climb(s, t, claim)
	if err != nil {
		return err
	}
	in.cfg.Point("restored")
	in.startup.done(stepRestore)
	if err := in.keepSchemas(s.ctx, s.disk, r.schemas); err != nil {
		return err
	}
	t.store = statestore.NewBuffered(s.disk)
	t.core = newCore(in.bind, t.partition, t.store)
	t.core.claim = claim
	fresh, lim, err := in.prove(s.ctx, t.core)
	if err != nil {
		return err
	}
	in.startup.done(stepProof)
	t.fresh = fresh
	t.merge = newMerge(in.bind, &t.core.position, lim.end)
	t.ahead = newAhead(s.ctx, t, false)
	return nil
}

// tooOld says that compaction may have dropped a deletion that the store never saw.
func (in *Instance) tooOld(m statestore.Mark) bool {
	return m.Time > 0 && time.Since(time.UnixMilli(m.Time)) > in.tombstones/2
}

// rebuild empties the store's folder.
func (in *Instance) rebuild(s *slot, t *task) error {
	if err := s.disk.Close(); err != nil {
		return err
	}
	dir := in.taskDir(t.name)
	if err := in.env.Remove(dir); err != nil {
		return err
	}
	disk, err := in.env.OpenPebble(dir)
	s.disk = disk
	return err
}

// keepSchemas stores the text of every writer schema the task's state may be in, and refuses state
// that today's tables cannot read.
func (in *Instance) keepSchemas(ctx context.Context, disk *statestore.Pebble,
	met map[stateSchema]bool) error {
	known, err := statestore.Schemas(disk)
	if err != nil {
		return err
	}
	for i, t := range in.pipe.tables {
		met[stateSchema{t.tableName(), in.bind.tableIDs[i]}] = true
	}
	var changes []statestore.Change
	for _, k := range known {
		if err := in.bind.resolver.Add(k.ID, k.Text); err != nil {
			return fmt.Errorf("state schema %d: %w", k.ID, err)
		}
		delete(met, stateSchema{k.Table, k.ID})
	}
	for m := range met {
		text, err := in.schemaText(ctx, m.id)
		if err != nil {
			return err
		}
		c := statestore.SchemaChange(statestore.Schema{ID: m.id, Table: m.table, Text: text})
		changes = append(changes, c)
	}
	if len(changes) > 0 {
		if err := disk.Apply(changes, disk.Mark()); err != nil {
			return err
		}
		if known, err = statestore.Schemas(disk); err != nil {
			return err
		}
	}
	return in.gate(known)
}

// stateSchema is a writer schema met in a table.
type stateSchema struct {
	table string
	id    int32
}

// schemaText gets a schema from the cache or, waiting for it, from the registry.
func (in *Instance) schemaText(ctx context.Context, id int32) (string, error) {
	for began := time.Now(); ; {
		if text, ok := in.bind.resolver.Text(id); ok {
			return text, nil
		}
		err := in.bind.resolver.Fetch(ctx, id)
		if errors.Is(err, schemas.ErrNotFound) || ctx.Err() != nil {
			return "", fmt.Errorf("state schema %d: %w", id, err)
		}
		if err != nil {
			in.waiting("", fmt.Sprintf("state schema %d from the registry: %v", id, err),
				time.Since(began))
			pause(ctx, schemaRetry)
		}
	}
}

// gate checks that today's tables can read what earlier schemas wrote, before any record is
// processed, and names the fields that clash.
func (in *Instance) gate(known []statestore.Schema) error {
	var faults []error
	for _, k := range known {
		writer, ok := in.bind.resolver.Cached(k.ID)
		for _, t := range in.pipe.tables {
			if !ok || t.tableName() != k.Table {
				continue
			}
			if err := schemas.Compatible(t.schemaOf(), writer); err != nil {
				faults = append(faults, fmt.Errorf("table %s: %w", k.Table, err))
			}
		}
	}
	return errors.Join(faults...)
}

// restored starts the task, or says why not.
func (in *Instance) restored(s *slot, t *task, err error) {
	if in.slots[t.partition] != s || s.task != t || s.closing {
		return
	}
	var refused *RefusedError
	var clash *schemas.ClashError
	switch {
	case errors.As(err, &refused):
		in.refuse(t, refused)
		return
	case errors.As(err, &clash):
		in.refuse(t, clashed(t.name, err))
		return
	case err != nil:
		in.again(s, t, err)
		return
	}
	t.checkpoints = in.newCheckpointer(t, s.disk)
	in.stands(t.partition, &t.core.position)
	in.taskState(t.partition, TaskRunning, "", "")
	if t.checkpoints != nil {
		s.work.Go(func() { t.checkpoints.run(s.ctx) })
	}
	s.work.Add(2)
	go func() { defer s.work.Done(); t.run(s.ctx) }()
	go func() { defer s.work.Done(); t.spill(s.ctx) }()
	in.fetch.start(t, t.inbox.gen, append([]record.Input(nil), t.core.position.Inputs...))
	in.setState()
}

// clashed refuses state that today's tables cannot read.
func clashed(task string, err error) *RefusedError {
	return &RefusedError{Task: task, What: "its state cannot be read: " + err.Error(),
		Mend: "run the version that wrote it, or give the new fields defaults"}
}

// again closes a task that could not start and opens it anew after a while.
func (in *Instance) again(s *slot, t *task, err error) {
	in.taskState(t.partition, TaskSuspended, err.Error(), "it is tried again")
	in.close(t.partition, func() {
		in.after(time.Second, func() {
			if in.slots[t.partition] == s {
				in.open(t.partition)
			}
		})
	})
}

// close ends a slot's task and calls then on the loop. Committed state goes to disk; whatever is
// not committed is dropped.
func (in *Instance) close(p int32, then func()) {
	s := in.slots[p]
	if s == nil || s.task == nil {
		then()
		return
	}
	if s.closing {
		prev := s.after
		s.after = func() {
			if prev != nil {
				prev()
			}
			then()
		}
		return
	}
	t := s.task
	s.closing, s.after = true, then
	t.closed.Store(true)
	in.fetch.stop(p)
	s.cancel(errClosed)
	last := in.stopping && s.state == TaskRunning && in.cfg.Checkpoints.Config.OnStop
	in.background(func() {
		s.work.Wait()
		if last && t.checkpoints != nil {
			t.checkpoints.atStop(in.ctx)
		}
		t.shutViews()
		// A store that a download is to replace is not gone on with.
		s.handOn = s.handOn && !in.downloaded(t.name)
		err := s.closeStore(t)
		in.post(func() {
			s.task, s.closing, s.busy = nil, false, false
			s.sealedOut = s.sealedOut || s.leaving
			if err != nil {
				in.die(err)
			}
			if after := s.after; after != nil {
				s.after = nil
				after()
			}
		})
	})
}

var errClosed = errors.New("task closed")

// closeStore flushes and closes the slot's store; the slot's goroutines have ended.
func (s *slot) closeStore(t *task) error {
	if s.disk == nil {
		return nil // closed before, or never opened
	}
	var err error
	if s.handOn {
		if t.store != nil {
			err = t.store.Spill()
		}
		return err
	}
	if t.store != nil {
		err = t.store.Flush()
	}
	err = errors.Join(err, s.disk.Close())
	s.disk = nil
	return err
}
