package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// scheduler decides in what order bytes arrive. Everything that hosts and brokers write waits until
// all goroutines are blocked; then the seed picks one frame, which arrives, and so on. What happens
// between two grants is all that the seed does not decide.
type scheduler struct {
	random *rand.Rand
	trace  *trace
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}

	mu      sync.Mutex
	fresh   []*frame
	pipes   []*pipe // with a queue, by name
	weather weather
	grants  int
	named   map[string]int // links so far, by ends and role
}

// frame is a request, an answer, or the end of a connection, under way.
type frame struct {
	pipe   *pipe
	data   []byte
	eof    bool
	at     time.Time // not before
	reset  bool      // the connection breaks instead of its arrival
	key    int16     // of a request; -1 for others
	corr   int32
	number int
}

// weather is how likely requests meet a fault.
type weather struct {
	faults float64       // share of requests, before weighting by kind
	lag    time.Duration // the longest ordinary delay
	late   time.Duration // the longest extraordinary one
	v1     bool          // brokers cannot tell a transaction's late requests from the next one's
}

func newScheduler(random *rand.Rand, t *trace) *scheduler {
	return &scheduler{random: random, trace: t, wake: make(chan struct{}, 1),
		named: make(map[string]int), stop: make(chan struct{}), done: make(chan struct{})}
}

func (s *scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// submit takes what somebody wrote.
func (s *scheduler) submit(f *frame) {
	s.mu.Lock()
	f.number = len(s.fresh)
	s.fresh = append(s.fresh, f)
	s.mu.Unlock()
	s.poke()
}

// drop forgets what is under way on a link.
func (s *scheduler) drop(l *link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	mine := func(f *frame) bool { return f.pipe.link == l }
	s.fresh = slices.DeleteFunc(s.fresh, mine)
	l.up.queue, l.down.queue = nil, nil
}

// run grants frames until close.
func (s *scheduler) run() {
	defer close(s.done)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		synctest.Wait()
		f, wait := s.next()
		if f != nil {
			s.grant(f)
			continue
		}
		timer.Reset(wait)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-s.stop:
			return
		}
	}
}

func (s *scheduler) close() {
	close(s.stop)
	<-s.done
}

// idle says that nothing is under way.
func (s *scheduler) idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fresh) == 0 &&
		!slices.ContainsFunc(s.pipes, func(p *pipe) bool { return len(p.queue) > 0 })
}

// setWeather changes the chances of faults.
func (s *scheduler) setWeather(w weather) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.weather = w
}

// next admits what is new and picks what may arrive now, or says when to look again.
func (s *scheduler) next() (*frame, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.admit(now)
	wait := time.Hour
	var ready []*pipe
	s.pipes = slices.DeleteFunc(s.pipes, func(p *pipe) bool { return len(p.queue) == 0 })
	for _, p := range s.pipes {
		from := p.queue[0].at
		if held := p.link.proc.heldUntil(p.link.role); held.After(from) {
			from = held
		}
		if d := from.Sub(now); d > 0 {
			wait = min(wait, d)
			continue
		}
		ready = append(ready, p)
	}
	if len(ready) == 0 {
		return nil, wait
	}
	p := ready[s.random.IntN(len(ready))]
	f := p.queue[0]
	p.queue = p.queue[1:]
	s.grants++
	return f, 0
}

// admit queues what was written since the last look, in an order that does not depend on which
// goroutine was first, and draws its delay and its fate.
func (s *scheduler) admit(now time.Time) {
	s.nameLinks()
	slices.SortStableFunc(s.fresh, func(a, b *frame) int {
		return cmp.Or(strings.Compare(a.pipe.link.name, b.pipe.link.name),
			cmp.Compare(a.side(), b.side()), cmp.Compare(a.number, b.number))
	})
	for _, f := range s.fresh {
		f.at = now.Add(s.lag())
		f.key = -1
		if f.pipe.up {
			s.fate(f)
		} else if len(f.data) >= 8 {
			f.corr = int32(binary.BigEndian.Uint32(f.data[4:]))
			if f.pipe.link.lost[f.corr] {
				delete(f.pipe.link.lost, f.corr)
				f.reset = true
			}
		}
		p := f.pipe
		if n := len(p.queue); n == 0 {
			s.pipes = append(s.pipes, p)
		} else if last := p.queue[n-1].at; f.at.Before(last) {
			f.at = last
		}
		p.queue = append(p.queue, f)
	}
	if len(s.fresh) > 0 {
		slices.SortStableFunc(s.pipes, func(a, b *pipe) int {
			return cmp.Or(strings.Compare(a.link.name, b.link.name),
				cmp.Compare(a.side(), b.side()))
		})
		s.pipes = slices.Compact(s.pipes)
	}
	s.fresh = s.fresh[:0]
}

// nameLinks gives new links names that tell their clients, in the order of what they ask first:
// which of two clients was the first to dial is chance.
func (s *scheduler) nameLinks() {
	var first []*frame
	for _, f := range s.fresh {
		l := f.pipe.link
		if f.pipe.up && l.role == "" && len(f.data) >= 14 {
			n := int(int16(binary.BigEndian.Uint16(f.data[12:])))
			id := string(f.data[14:min(14+max(n, 0), len(f.data))])
			l.role = cmp.Or(id[strings.LastIndexByte(id, '-')+1:], "nobody")
			first = append(first, f)
		}
	}
	slices.SortStableFunc(first, func(a, b *frame) int {
		return cmp.Or(strings.Compare(a.pipe.link.proc.label(), b.pipe.link.proc.label()),
			cmp.Compare(a.pipe.link.port, b.pipe.link.port),
			strings.Compare(a.pipe.link.role, b.pipe.link.role), bytes.Compare(a.data, b.data),
			cmp.Compare(a.pipe.link.number, b.pipe.link.number))
	})
	for _, f := range first {
		l := f.pipe.link
		name := fmt.Sprintf("%s>%d/%s", l.proc.label(), l.port, l.role)
		s.named[name]++
		l.name = fmt.Sprintf("%s%d", name, s.named[name])
	}
}

func (f *frame) side() int { return f.pipe.side() }

func (p *pipe) side() int {
	if p.up {
		return 0
	}
	return 1
}

// least is how long anything takes: a client that asks again at once must not stop the clock.
const least = 10 * time.Microsecond

// lag is an ordinary delay: mostly hardly any.
func (s *scheduler) lag() time.Duration {
	switch n := s.random.IntN(10); {
	case n < 6 || s.weather.lag == 0:
		return least
	case n < 9:
		return time.Duration(s.random.Int64N(int64(s.weather.lag)/10 + 1))
	default:
		return time.Duration(s.random.Int64N(int64(s.weather.lag) + 1))
	}
}

// weights of request kinds: faults go where they hurt.
func weight(key kmsg.Key) float64 {
	switch key {
	case kmsg.EndTxn, kmsg.TxnOffsetCommit, kmsg.InitProducerID:
		return 4
	case kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.OffsetFetch:
		return 2
	case kmsg.Fetch, kmsg.ApiVersions:
		return 0.1
	}
	return 0.5
}

// transactional requests carry what belongs to a transaction.
func transactional(key kmsg.Key) bool {
	switch key {
	case kmsg.Produce, kmsg.AddPartitionsToTxn, kmsg.AddOffsetsToTxn, kmsg.TxnOffsetCommit,
		kmsg.EndTxn:
		return true
	}
	return false
}

// fate draws what befalls a request.
func (s *scheduler) fate(f *frame) {
	l := f.pipe.link
	if len(f.data) < 14 {
		return
	}
	f.key = int16(binary.BigEndian.Uint16(f.data[4:]))
	f.corr = int32(binary.BigEndian.Uint32(f.data[8:]))
	if s.random.Float64() >= s.weather.faults*weight(kmsg.Key(f.key)) {
		return
	}
	kind := s.random.IntN(5)
	if kind >= 3 && s.weather.v1 && transactional(kmsg.Key(f.key)) {
		kind = 0
	}
	switch kind {
	case 0:
		f.reset = true
		s.trace.fault("lost-request", l, f.key)
	case 1, 2:
		if l.lost == nil {
			l.lost = make(map[int32]bool)
		}
		l.lost[f.corr] = true
		s.trace.fault("lost-answer", l, f.key)
	case 3:
		late := min(time.Millisecond<<s.random.IntN(14), s.weather.late)
		f.at = f.at.Add(late)
		s.trace.fault("late", l, f.key)
	case 4:
		late := s.weather.late/2 + time.Duration(s.random.Int64N(int64(s.weather.late)))
		f.at = f.at.Add(late)
		s.trace.fault("very-late", l, f.key)
	}
}

// grant lets a frame arrive.
func (s *scheduler) grant(f *frame) {
	s.trace.grant(f)
	if f.reset {
		f.pipe.link.reset()
		return
	}
	f.pipe.deliver(f)
}
