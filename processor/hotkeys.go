package processor

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

// HotKey is a record key that takes a large part of a task's records.
type HotKey struct {
	// Key is escaped as in a Go string literal, and cut, with … at its end, where that is longer
	// than 100 bytes.
	Key string `json:"key"`
	// Share of the task's records of the last minutes, 0 to 1, by a sample of them, which has at
	// least this and at most 1/64 more.
	Share float64 `json:"share"`
}

const (
	hotCounters = 64                // keys that are counted at a time
	hotError    = 1.0 / hotCounters // of a share
	hotLeast    = 0.05              // the share from which on a key is named
	hotEvidence = 16                // and how often the sample must have it
	hotNamed    = 3                 // keys at most
	hotHalf     = time.Minute       // after which a record counts half
	hotStale    = 5 * time.Minute   // without a commit, after which nothing is known
	hotKeyBytes = 100               // of a key
)

// hotMeter finds the keys that take the most of a task's records: Space-Saving (Metwally, Agrawal
// and El Abbadi, Efficient Computation of Frequent and Top-k Elements in Data Streams, 2005) over a
// sample of one record in 16. It belongs to the task's goroutine, but for shown; it decides
// nothing, so results are the same without it.
type hotMeter struct {
	hashes [hotCounters]uint64 // what a key is known by
	counts [hotCounters]uint32 // at least what the sample has of the key
	excess [hotCounters]uint32 // and at most by how much it is more
	keys   [hotCounters]hotName
	used   int
	total  uint32
	next   []int64 // by input, the first offset not looked at: what is read again counts once
	aged   time.Time
	shown  atomic.Pointer[hotList]
}

type hotName struct {
	size int // of the whole key
	text [hotKeyBytes]byte
}

// hotList is what a look at the counters found.
type hotList struct {
	found []hotFound
	at    time.Time
}

type hotFound struct {
	key   hotName
	share float64
}

// newHotMeter looks at the inputs of which the task reads one partition: all tasks read a global
// topic, whatever its keys.
func newHotMeter(inputs []boundInput, now time.Time) *hotMeter {
	m := &hotMeter{next: make([]int64, len(inputs)), aged: now}
	for i, in := range inputs {
		if in.global {
			m.next[i] = math.MaxInt64
		}
	}
	return m
}

// take counts a processed record, if it is one of the sample. Which are is decided by the offset
// alone: multiples of the golden ratio lie evenly in every arithmetic progression of offsets, so
// keys that come in turns are not preferred.
func (m *hotMeter) take(input int, rec *kgo.Record) {
	if m != nil && uint64(rec.Offset)*0x9e3779b97f4a7c15 < 1<<60 {
		m.sample(input, rec)
	}
}

func (m *hotMeter) sample(input int, rec *kgo.Record) {
	if len(rec.Key) == 0 || rec.Offset < m.next[input] {
		return
	}
	m.next[input] = rec.Offset + 1
	m.total++
	hash := xxhash.Sum64(rec.Key)
	least := 0
	for i, h := range m.hashes[:m.used] {
		if h == hash {
			m.counts[i]++
			return
		}
	}
	if m.used < hotCounters {
		least = m.used
		m.counts[least] = 0
		m.used++
	} else {
		for i, n := range m.counts {
			if n < m.counts[least] {
				least = i
			}
		}
	}
	m.hashes[least] = hash
	m.excess[least] = m.counts[least]
	m.counts[least]++
	m.keys[least].size = len(rec.Key)
	copy(m.keys[least].text[:], rec.Key)
}

// look ages the counters and lists the hot keys anew. It is called when an epoch has committed.
func (m *hotMeter) look(now time.Time) {
	if m == nil {
		return
	}
	if n := now.Sub(m.aged) / hotHalf; n > 0 {
		m.age(uint(min(n, 32)))
		m.aged = m.aged.Add(n * hotHalf)
	}
	list := &hotList{at: now}
	for i := range m.used {
		sure := m.counts[i] - m.excess[i]
		share := float64(sure) / float64(m.total)
		if sure >= hotEvidence && share >= hotLeast {
			list.found = append(list.found, hotFound{m.keys[i], share})
		}
	}
	slices.SortStableFunc(list.found, func(a, b hotFound) int {
		return cmp.Compare(b.share, a.share)
	})
	list.found = list.found[:min(len(list.found), hotNamed)]
	m.shown.Store(list)
}

// age halves all counts so many times, rounded so that no share gets larger by it, and no error
// smaller.
func (m *hotMeter) age(times uint) {
	up := func(n uint32) uint32 { return uint32((uint64(n) + 1<<times - 1) >> times) }
	m.total = up(m.total)
	kept := 0
	for i := range m.used {
		count := m.counts[i] >> times
		if count == 0 {
			continue
		}
		m.hashes[kept], m.counts[kept], m.keys[kept] = m.hashes[i], count, m.keys[i]
		m.excess[kept] = min(up(m.excess[i]), count)
		kept++
	}
	m.used = kept
}

// hot is the newest list, for any goroutine.
func (m *hotMeter) hot(now time.Time) []HotKey {
	if m == nil {
		return nil
	}
	list := m.shown.Load()
	if list == nil || now.Sub(list.at) > hotStale {
		return nil
	}
	var keys []HotKey
	for i := range list.found {
		f := &list.found[i]
		keys = append(keys, HotKey{f.key.String(), math.Floor(f.share*1000) / 1000})
	}
	return keys
}

// String is the key as HotKey has it.
func (n *hotName) String() string {
	const more = "…"
	raw := n.text[:min(n.size, hotKeyBytes)]
	var shown []byte
	fits := 0 // bytes of shown that leave room for more
	for len(raw) > 0 {
		_, size := utf8.DecodeRune(raw)
		quoted := strconv.Quote(string(raw[:size]))
		shown = append(shown, quoted[1:len(quoted)-1]...)
		raw = raw[size:]
		if len(shown) <= hotKeyBytes-len(more) {
			fits = len(shown)
		}
	}
	if n.size <= hotKeyBytes && len(shown) <= hotKeyBytes {
		return string(shown)
	}
	return string(shown[:fits]) + more
}
