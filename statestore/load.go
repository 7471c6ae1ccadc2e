package statestore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Load brings many changes into a store, in the order in which they were committed. They are
// gathered to runs, of which each goes to the store sorted, the newest change of each key alone,
// together with the mark it ends at: a load that is cut short goes on from there.
//
// The keys and values of a run lie in one piece of memory that is used again for the next run, and
// what tells them apart holds no pointer: a collector of garbage has nothing to look at.
type Load struct {
	store   Store
	limit   int
	bytes   []byte
	entries []loadEntry
	common  int // how many first bytes all keys of the run share
	bulk    int // from how many bytes on a run goes to disk as a file of its own
}

// loadEntry is one change, whose key and value lie in the run's memory one after the other.
type loadEntry struct {
	order uint64 // the first bytes of the key after those that all have
	at    uint32
	key   uint32
	value int32 // -1: the key is deleted
}

const (
	loadEntrySize = 24
	// loadMin is the least memory of a run: less would be more runs than a store can bear.
	loadMin = 256 << 10
	// loadMax keeps positions within a run in 32 bits.
	loadMax = 1 << 30
	// bulkBytes is the least size of a file: a smaller run is cheaper in the memtable, for which
	// nothing has to be synced.
	bulkBytes = 4 << 20
)

// NewLoad prepares to bring changes into s. A run takes limit bytes of memory.
func NewLoad(s Store, limit int64) *Load {
	return &Load{store: s, limit: int(min(max(limit, loadMin), loadMax)), bulk: bulkBytes}
}

// Add adds a change to the run. It copies key and value; a nil value deletes.
func (l *Load) Add(key, value []byte) {
	e := loadEntry{at: uint32(len(l.bytes)), key: uint32(len(key)), value: -1}
	if value != nil {
		e.value = int32(len(value))
	}
	if len(l.entries) == 0 {
		l.common = len(key)
	} else {
		l.common = commonPrefix(l.key(&l.entries[0])[:l.common], key)
	}
	if size := len(key) + len(value); len(l.bytes)+size > cap(l.bytes) {
		l.grow(size)
	}
	l.bytes = append(append(l.bytes, key...), value...)
	l.entries = append(l.entries, e)
}

// grow makes room for size bytes, and in a run that has become large at once for all that it may
// hold: growing bit by bit would leave more memory behind than it uses.
func (l *Load) grow(size int) {
	if len(l.bytes) < bulkBytes {
		return // append sees to it
	}
	more := float64(l.limit)/float64(l.Bytes()) - 1
	l.bytes = slices.Grow(l.bytes, size+int(max(more, 0)*float64(len(l.bytes))))
	l.entries = slices.Grow(l.entries, 1+int(max(more, 0)*float64(len(l.entries))))
}

// Bytes is the memory that the run takes.
func (l *Load) Bytes() int64 { return int64(len(l.bytes) + loadEntrySize*len(l.entries)) }

// Full says that the run is to be written.
func (l *Load) Full() bool { return l.Bytes() >= int64(l.limit) }

// ingester is a store that takes sorted changes without duplicates, with their mark, as one file.
type ingester interface {
	ingest(changes func(yield func(Change) bool), m Mark) error
}

// Write brings the run into the store, which then stands at m, and begins the next one.
func (l *Load) Write(m Mark) error {
	l.sort()
	var err error
	if b, ok := l.store.(ingester); ok && len(l.bytes) >= l.bulk {
		err = b.ingest(l.changes, m)
	} else {
		err = l.store.Apply(slices.Collect(l.changes), m)
	}
	if err != nil {
		return err
	}
	l.bytes, l.entries = l.bytes[:0], l.entries[:0]
	return nil
}

func (l *Load) key(e *loadEntry) []byte { return l.bytes[e.at : e.at+e.key] }

// sort orders the run by key, and the changes of one key by age, the newest first.
func (l *Load) sort() {
	for i := range l.entries {
		e := &l.entries[i]
		e.order = leading(l.key(e)[l.common:])
	}
	slices.SortFunc(l.entries, func(a, b loadEntry) int {
		if a.order != b.order {
			return cmp.Compare(a.order, b.order)
		}
		if c := bytes.Compare(l.key(&a), l.key(&b)); c != 0 {
			return c
		}
		return cmp.Compare(b.at, a.at)
	})
}

// changes are those of a sorted run that count: of each key the newest.
func (l *Load) changes(yield func(Change) bool) {
	var last []byte
	for i := range l.entries {
		e := &l.entries[i]
		key := l.key(e)
		if i > 0 && bytes.Equal(key, last) {
			continue
		}
		last = key
		c := Change{Key: key}
		if from := e.at + e.key; e.value >= 0 {
			c.Value = l.bytes[from : from+uint32(e.value)]
		}
		if !yield(c) {
			return
		}
	}
}

// leading is the first eight bytes of b as a number that sorts like them. What b lacks counts as
// zero bytes, so equal numbers say nothing yet.
func leading(b []byte) uint64 {
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var eight [8]byte
	copy(eight[:], b)
	return binary.BigEndian.Uint64(eight[:])
}

func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	if bytes.Equal(a[:n], b[:n]) {
		return n
	}
	i := 0
	for a[i] == b[i] {
		i++
	}
	return i
}
