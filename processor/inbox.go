package processor

import (
	"slices"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"
)

// inbox is what the fetcher brought since the task last looked.
type inbox struct {
	sync.Mutex
	gen     int64 // fetches of an older generation are stale
	batches []fetched
	bytes   []int64 // fetched and not yet processed, by input
	paused  []bool  // the fetcher stopped reading the input; it must be told to go on
}

type fetched struct {
	input int
	recs  []*kgo.Record
	end   int64
}

// add takes a fetch in. One without records tells of an end only, and there may be any number of
// them while the task does not look.
func (b *inbox) add(f fetched) {
	if len(f.recs) == 0 {
		same := func(other fetched) bool { return other.input == f.input }
		if i := slices.IndexFunc(b.batches, same); i >= 0 {
			b.batches[i].end = max(b.batches[i].end, f.end)
			return
		}
	}
	b.batches = append(b.batches, f)
}

// deliver is called by the fetcher. Stale generations are dropped: the task was rewound meanwhile.
func (t *task) deliver(gen int64, f fetched) (full bool) {
	var n int64
	for _, r := range f.recs {
		n += recordBytes(r)
	}
	t.inbox.Lock()
	if gen == t.inbox.gen {
		t.inbox.add(f)
		t.inbox.bytes[f.input] += n
	}
	// By input: a full stream must not keep a table from being read that it waits for.
	full = t.inbox.bytes[f.input] > t.queueLimit(f.input)
	t.inbox.Unlock()
	t.nudge()
	return full
}

// queueLimit is the share of an input; the partitions of a global topic have one together.
func (t *task) queueLimit(input int) int64 {
	n := t.in.queueLimit() / int64(len(t.in.pipe.inputs))
	if in := &t.in.bind.inputs[input]; in.global {
		n /= int64(in.partitions)
	}
	return n
}

// paused notes that the fetcher stopped reading an input.
func (t *task) paused(input int) {
	t.inbox.Lock()
	t.inbox.paused[input] = true
	t.inbox.Unlock()
	t.nudge()
}

// collect moves delivered batches into the merge.
func (t *task) collect() {
	t.inbox.Lock()
	batches := t.inbox.batches
	t.inbox.batches = nil
	for i, n := range t.used {
		t.inbox.bytes[i] -= n
		t.used[i] = 0
	}
	t.inbox.Unlock()
	for _, f := range batches {
		t.merge.push(f.input, f.recs, f.end)
	}
}

// resume lets the fetcher go on with inputs of which half the queue is used up.
func (t *task) resume() {
	t.inbox.Lock()
	defer t.inbox.Unlock()
	for i, paused := range t.inbox.paused {
		if paused && t.inbox.bytes[i]-t.used[i] <= t.queueLimit(i)/2 {
			t.inbox.paused[i] = false
			t.in.fetch.resume(i, t.partition)
		}
	}
}
