package sim

import (
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// traceSize is how many of the last events are kept.
const traceSize = 3000

// trace remembers the last events of a run, and counts faults by kind.
type trace struct {
	began time.Time

	mu     sync.Mutex
	ring   []event
	events int
	counts map[string]int
	order  uint64 // digest of all that arrived, in order
}

// event is one line of the trace.
type event struct {
	at    time.Duration
	who   string
	what  string
	frame bool // a grant: the next fields hold it
	up    bool
	reset bool
	eof   bool
	key   int16
	corr  int32
	size  int
}

func newTrace() *trace {
	return &trace{began: time.Now(), ring: make([]event, 0, traceSize),
		counts: make(map[string]int)}
}

func (t *trace) add(e event) {
	e.at = time.Since(t.began)
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.ring) < traceSize {
		t.ring = append(t.ring, e)
	} else {
		t.ring[t.events%traceSize] = e
	}
	t.events++
}

// say adds a line.
func (t *trace) say(who, format string, args ...any) {
	t.add(event{who: who, what: fmt.Sprintf(format, args...)})
}

// count adds a fault without a line of its own.
func (t *trace) count(kind string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts[kind]++
}

// fault adds a fault of the network.
func (t *trace) fault(kind string, l *link, key int16) {
	t.count(kind)
	t.say(l.name, "%s of %s", kind, kmsg.NameForKey(key))
}

func (t *trace) grant(f *frame) {
	h := fnv.New64()
	_, _ = fmt.Fprintf(h, "%d %s %v %v %d %d", t.order, f.pipe.link.name, f.pipe.up, f.reset, f.key,
		f.corr) // never fails
	t.order = h.Sum64()
	t.add(event{who: f.pipe.link.name, frame: true, up: f.pipe.up, reset: f.reset, eof: f.eof,
		key: f.key, corr: f.corr, size: len(f.data)})
}

// faults returns the counts by kind.
func (t *trace) faults() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.counts)
}

// lines prints the events that are still known, oldest first.
func (t *trace) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := 0
	if t.events > traceSize {
		from = t.events % traceSize
	}
	out := make([]string, 0, len(t.ring))
	for i := range t.ring {
		out = append(out, t.ring[(from+i)%len(t.ring)].String())
	}
	return slices.Clip(out)
}

// String is the event in aligned columns: seconds since the start, who, what.
func (e event) String() string {
	what := e.what
	if e.frame {
		what = fmt.Sprintf("<- %d bytes for %d", e.size, e.corr)
		if e.up {
			what = fmt.Sprintf("-> %-22s %d", kmsg.NameForKey(e.key), e.corr)
		}
		switch {
		case e.reset:
			what += " RESET"
		case e.eof:
			what = what[:2] + " closed"
		}
	}
	return fmt.Sprintf("%11.6f  %-18s  %s", e.at.Seconds(), e.who, what)
}
