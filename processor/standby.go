package processor

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// standby is the copy of one task that runs elsewhere. What it writes to its store ends with a
// position record, never in the middle of an epoch, so that a copy that has caught up is the state
// of one epoch. Only compaction, which leaves one position record for many epochs, makes runs that
// are too long to be held: they are written in parts, under the position before them, as a restore
// does. The follower (follow.go) moves a copy; the loop begins and ends it.
type standby struct {
	in        *Instance
	partition int32
	name      string

	warm     atomic.Bool // to be reported when it has caught up
	shown    atomic.Pointer[StandbyStatus]
	retiring bool // the loop's

	mu      sync.Mutex         // held while the store is opened, written, given away or closed
	disk    *statestore.Pebble // nil: not open yet, or no longer ours
	over    bool               // the follower is to leave it alone
	halted  string             // why it cannot go on; its store is left as it is
	r       *restore
	tail    []*kgo.Record // the beginning of an epoch whose end is not read yet
	size    int64         // of tail, in bytes
	inside  bool          // tail holds changes
	end     int64         // of the changelog as last seen; -1: not yet
	said    StandbyState  // what listeners know
	flushed time.Time
	heard   time.Time   // when it last read what there was to read
	checked time.Time   // when the digest was last compared
	check   *inspection // of the digest, under way
	proved  int64       // the last epoch whose digest was found right
	anew    bool        // the copy is wrong: it is to be rebuilt
	lost    bool        // the changelog does not hold what comes next
}

// follow has the instance keep the copies that the leader wants, and give up the others.
func (in *Instance) follow(d duties) {
	in.wanted = make(map[int32]following)
	for _, f := range d.follow {
		if f.partition < in.bind.partitions {
			in.wanted[f.partition] = f
		}
	}
	in.arrange()
	for _, f := range d.follow {
		if sb := in.standbys.get(f.partition); sb != nil {
			sb.warm.Store(f.warm)
		}
	}
	in.standbys.rearm(d.acceptable)
}

// arrange begins and ends standbys as wanted. A task that runs here, or is just being closed, comes
// first: its store becomes the standby's when it is done with it.
func (in *Instance) arrange() {
	if in.stopping || in.ctx.Err() != nil {
		return
	}
	for _, sb := range in.standbys.all() {
		if _, wanted := in.wanted[sb.partition]; !wanted && in.slots[sb.partition] == nil {
			in.retire(sb)
		}
	}
	for p := range in.wanted {
		if in.slots[p] == nil && in.standbys.get(p) == nil {
			in.adopt(p, nil)
		}
	}
}

// adopt begins a standby, on a store that is open already or on the one in the task's folder.
func (in *Instance) adopt(p int32, disk *statestore.Pebble) {
	sb := &standby{in: in, partition: p, name: taskName(in.pipe.name, p), disk: disk, end: -1,
		flushed: time.Now()}
	sb.warm.Store(in.wanted[p].warm)
	in.standbys.put(sb)
	in.background(func() {
		sb.mu.Lock()
		defer sb.mu.Unlock()
		if sb.over {
			return // its task was assigned meanwhile
		}
		if err := sb.open(); err != nil {
			in.die(err)
		}
	})
}

// keepOpen has a task that is given up leave its store open if this instance is to keep a copy.
func (in *Instance) keepOpen(p int32) {
	if s := in.slots[p]; s != nil && s.task != nil && !s.closing && s.err == nil {
		_, wanted := in.wanted[p]
		s.handOn = wanted && !in.stopping
	}
}

// succeed goes on with the copy of a task that was given up.
func (in *Instance) succeed(p int32, s *slot) {
	if s.handOn && s.disk != nil {
		in.adopt(p, s.disk)
		s.disk = nil
	}
	in.arrange()
}

// open gets the store ready to go on from its mark. Called with mu held.
func (sb *standby) open() error {
	var err error
	if sb.disk == nil {
		if sb.disk, err = sb.in.openDisk(sb.name); err != nil {
			return err
		}
	}
	if err := sb.in.proveChangelog(sb.name, sb.disk.Mark()); err != nil {
		sb.halt(err) // the store may be the last copy there is
		return nil
	}
	if sb.in.tooOld(sb.disk.Mark()) {
		sb.in.notice("standby of task %s: its store is older than half of the changelog's "+
			"delete.retention.ms; it is rebuilt, or deleted keys could come back", sb.name)
		return sb.rebuild()
	}
	return sb.begin()
}

// begin reads on from where the store stands.
func (sb *standby) begin() error {
	sb.r = &restore{in: sb.in, task: sb.name, partition: sb.partition, store: sb.disk}
	if err := sb.r.begin(followWrite); err != nil {
		return err
	}
	sb.tail, sb.size, sb.inside = nil, 0, false
	sb.checked, sb.proved, sb.heard = time.Time{}, 0, time.UnixMilli(sb.r.since)
	sb.publish()
	return nil
}

// rebuild begins again with an empty store. Called with mu held, on the follower or the opener.
func (sb *standby) rebuild() error {
	sb.stopCheck()
	if err := sb.disk.Close(); err != nil {
		return err
	}
	sb.disk = nil
	if err := sb.in.env.Remove(sb.in.taskDir(sb.name)); err != nil {
		return err
	}
	var err error
	if sb.disk, err = sb.in.openDisk(sb.name); err != nil {
		return err
	}
	return sb.begin()
}

// halt ends the following and leaves the store alone.
func (sb *standby) halt(why error) {
	sb.halted = why.Error()
	var refused *RefusedError
	if errors.As(why, &refused) {
		sb.halted = fmt.Sprintf("%s; %s", refused.What, refused.Mend)
	}
	sb.in.copies.closed(sb.partition)
	sb.say(StandbyHalted)
}

// handedOver gives a task that was assigned here the standby's open store; nil when there is none.
// It returns when nothing touches the store any more, so that the caller may open the folder.
func (in *Instance) handedOver(p int32) *statestore.Pebble {
	sb := in.standbys.take(p)
	if sb == nil {
		return nil
	}
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.over = true
	sb.stopCheck()
	disk := sb.disk
	sb.disk = nil
	sb.say(StandbyStopped)
	return disk
}

// retire ends a standby for good; its store stays on disk for a quick return.
func (in *Instance) retire(sb *standby) {
	if sb.retiring {
		return
	}
	sb.retiring = true
	in.background(func() {
		err := sb.close(true)
		in.post(func() {
			if err != nil {
				in.die(err)
			}
			in.standbys.drop(sb)
			in.arrange() // it may be wanted again by now
		})
	})
}

// close ends a standby and closes its store, on disk if flush is set.
func (sb *standby) close(flush bool) error {
	sb.mu.Lock()
	defer sb.mu.Unlock()
	sb.over = true
	sb.stopCheck()
	if sb.disk == nil {
		return nil
	}
	var err error
	if flush {
		err = sb.disk.Flush()
	}
	err = errors.Join(err, sb.disk.Close())
	sb.disk = nil
	sb.in.copies.closed(sb.partition)
	sb.say(StandbyStopped)
	return err
}

// take adds one changelog record. What it holds reaches the store with the end of its epoch.
func (sb *standby) take(rec *kgo.Record) error {
	if rec.Offset < sb.r.mark.Offset {
		return nil
	}
	sb.tail = append(sb.tail, rec)
	sb.size += int64(len(rec.Key) + len(rec.Value))
	switch control := rec.Attrs.IsControl(); {
	case !control && string(rec.Key) == statestore.PositionKey:
	case sb.size > followRun:
	case !control && !statestore.Internal(rec.Key):
		sb.inside = true
		return nil
	case sb.inside:
		return nil // another writer's claim or marker, between an epoch's changes
	}
	for _, rec := range sb.tail {
		if err := sb.r.take(rec); err != nil {
			return err
		}
	}
	sb.tail, sb.size, sb.inside = sb.tail[:0], 0, false
	return nil
}

// write brings whole epochs into the store, their writer schemas first. It returns the id of one
// whose text has to be fetched before, 0 for none.
func (sb *standby) write() (unknown int32, err error) {
	if unknown, err := sb.r.keepTexts(); err != nil || unknown != 0 {
		return unknown, err
	}
	if sb.r.mark.Offset == sb.disk.Mark().Offset {
		return 0, nil
	}
	large := sb.r.load.Bytes() > followKeep
	if err := sb.r.write(); err != nil {
		return 0, err
	}
	if large {
		sb.r.load = statestore.NewLoad(sb.disk, followWrite)
	}
	return 0, nil
}

// lag is how far the store is behind the changelog's end; -1 while that is not known.
func (sb *standby) lag() int64 {
	if sb.end < 0 || sb.disk == nil {
		return -1
	}
	return max(sb.end-sb.r.mark.Offset, 0)
}

// position is what the store's position record says.
func (sb *standby) position() (record.Position, error) {
	var pos record.Position
	dec := schemas.NewDecoder(record.PositionType(), sb.in.bind.resolver)
	err := dec.Decode(sb.disk.Mark().Position, &pos)
	return pos, err
}

// publish tells the group's leader, at the next join, where the copy stands, and says what changed.
func (sb *standby) publish() {
	lag, near := sb.lag(), sb.in.standbys.acceptable.Load()
	sb.in.copies.set(replica{partition: sb.partition, kind: copyStandby,
		offset: sb.r.mark.Offset, lag: lag})
	state := StandbyFollowing
	if lag >= 0 && (lag <= near || sb.said == StandbyCaughtUp && lag <= 2*near) {
		state = StandbyCaughtUp
	}
	sb.say(state)
}

// say shows the copy's state, and tells listeners when it is a new one.
func (sb *standby) say(state StandbyState) {
	st := StandbyStatus{Name: sb.name, State: state, Warmup: sb.warm.Load(), Reason: sb.halted,
		Lag: -1, Verified: sb.proved}
	if sb.r != nil {
		st.Offset, st.Lag = sb.r.mark.Offset, sb.lag()
	}
	sb.shown.Store(&st)
	if sb.said == state {
		return
	}
	sb.said = state
	sb.in.tell(func(l *Listener) {
		if l.Standby != nil {
			l.Standby(st)
		}
	})
}

func (in *Instance) taskDir(name string) string { return filepath.Join(in.stateDir, name) }
