package processor

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"pawl/statestore"
)

// copyKind says what a copy of a task's state is at the moment.
type copyKind byte

const (
	copyClosed  copyKind = iota // a store on disk that nothing follows
	copyStandby                 // a store that follows the changelog
	copyActive                  // the task's own
)

// replica is one copy of a task's state.
type replica struct {
	partition int32
	kind      copyKind
	offset    int64 // next changelog offset
	lag       int64 // behind the changelog's end when that was last looked at; -1: not yet
}

// copies are those of this instance, for the leader of the group to decide by. They only advise:
// whoever is given a task proves its state before it takes a record.
type copies struct {
	mu sync.Mutex
	m  map[int32]replica
}

func (c *copies) set(r replica) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = make(map[int32]replica)
	}
	c.m[r.partition] = r
}

// closed notes that nothing moves a copy any more.
func (c *copies) closed(p int32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.m[p]; ok {
		r.kind, r.lag = copyClosed, -1
		c.m[p] = r
	}
}

func (c *copies) list() []replica {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.m), func(a, b replica) int {
		return int(a.partition - b.partition)
	})
}

// inspections is how many stores are looked into at once.
const inspections = 4

// findCopies looks into the stores that earlier runs left, so that the first join can tell of them.
// One that cannot be read counts as none here; who opens it says what is wrong.
func (in *Instance) findCopies() {
	var look errgroup.Group
	look.SetLimit(inspections)
	for p := range in.bind.partitions {
		look.Go(func() error {
			err := in.adoptDownloaded(taskName(in.pipe.name, p))
			if err == nil {
				err = in.findCopy(p)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				in.notice("task %s: its store cannot be looked into: %v", taskName(in.pipe.name, p),
					err)
			}
			return nil
		})
	}
	_ = look.Wait() // no look fails
}

func (in *Instance) findCopy(p int32) error {
	dir := in.taskDir(taskName(in.pipe.name, p))
	return in.env.Inspect(dir, func(s *statestore.Pebble) error {
		if m := s.Mark(); m.Topic == in.bind.changelogID && !in.tooOld(m) {
			in.copies.set(replica{partition: p, offset: m.Offset, lag: -1})
		}
		return nil
	})
}

// The user data of a member's subscription, in the JoinGroup request:
//
//	bytes    what
//	1        version, 1
//	uvarint  number of copies
//	         of each, by partition:
//	uvarint    partition
//	1          kind: 0 closed, 1 standby, 2 active
//	uvarint    next changelog offset
//	uvarint    lag + 1; 0: not known
//	         the address of its HTTP, if it has one, as directory.go has it
//
// The user data of a member's assignment, in the SyncGroup response:
//
//	bytes    what
//	1        version, 1
//	uvarint  the leader's acceptable.recovery.lag
//	uvarint  number of tasks to follow
//	         of each, by partition:
//	uvarint    partition
//	1          1: a warm-up, 0: a standby
//
// A reader takes what it knows and leaves what follows. A higher version may only add behind what
// there is, of a subscription before the address, which is read from the end.
const userDataVersion = 1

var errUserData = errors.New("user data is torn")

func encodeCopies(all []replica) []byte {
	b := append([]byte{userDataVersion}, binary.AppendUvarint(nil, uint64(len(all)))...)
	for _, r := range all {
		b = binary.AppendUvarint(b, uint64(r.partition))
		b = append(b, byte(r.kind))
		b = binary.AppendUvarint(b, uint64(r.offset))
		b = binary.AppendUvarint(b, uint64(r.lag+1))
	}
	return b
}

func decodeCopies(b []byte) ([]replica, error) {
	d := &userData{b: b}
	d.version()
	var all []replica
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		all = append(all, replica{partition: int32(d.uvarint()), kind: copyKind(d.byte()),
			offset: int64(d.uvarint()), lag: int64(d.uvarint()) - 1})
	}
	return all, d.err
}

// duties are what the leader tells a member beside its tasks.
type duties struct {
	acceptable int64
	follow     []following
}

func encodeDuties(t duties) []byte {
	b := binary.AppendUvarint([]byte{userDataVersion}, uint64(t.acceptable))
	b = binary.AppendUvarint(b, uint64(len(t.follow)))
	for _, f := range t.follow {
		b = binary.AppendUvarint(b, uint64(f.partition))
		if f.warm {
			b = append(b, 1)
		} else {
			b = append(b, 0)
		}
	}
	return b
}

func decodeDuties(b []byte) (duties, error) {
	d := &userData{b: b}
	d.version()
	t := duties{acceptable: int64(d.uvarint())}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		t.follow = append(t.follow, following{int32(d.uvarint()), d.byte() == 1})
	}
	return t, d.err
}

// userData is read from front to back; after an error all that comes is 0.
type userData struct {
	b   []byte
	err error
}

func (d *userData) version() {
	if v := d.byte(); d.err == nil && v == 0 {
		d.err = fmt.Errorf("%w: version 0", errUserData)
	}
}

func (d *userData) byte() byte {
	if d.err != nil || len(d.b) == 0 {
		d.err = errUserData
		return 0
	}
	v := d.b[0]
	d.b = d.b[1:]
	return v
}

func (d *userData) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if d.err != nil || n <= 0 {
		d.err = errUserData
		return 0
	}
	d.b = d.b[n:]
	return v
}
