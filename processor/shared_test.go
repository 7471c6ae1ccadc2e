package processor

import (
	"math/rand/v2"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// sharing is a partition of a global topic and the tasks that read it.
type sharing struct {
	t     *testing.T
	r     *rand.Rand
	f     *fetcher
	in    *boundInput
	log   []*kgo.Record
	tasks map[int32]*sharedTask
	stuck int32 // a task that takes nothing
	most  int64 // bytes that were queued for one task
	again int   // records fetched
}

// sharedTask is a task without its goroutine.
type sharedTask struct {
	*task
	next int64 // offset of the record it must be given next
}

func newSharing(t *testing.T, seed uint64) *sharing {
	cl, err := kgo.NewClient(kgo.SeedBrokers("127.0.0.1:1")) // never asked
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	p := New("p")
	GlobalTableInput(p, "g", sampleType())
	in := &Instance{pipe: p, cfg: Config{MemoryMax: 8 * 20_000}}
	in.bind = &binding{inputs: []boundInput{{topic: "g", global: true, partitions: 1}}}
	s := &sharing{t: t, r: rand.New(rand.NewPCG(seed, 1)), in: &in.bind.inputs[0], stuck: -1,
		f:     &fetcher{in: in, cl: cl, shared: make(map[string]map[int32]*sharedPart)},
		tasks: make(map[int32]*sharedTask)}
	offset := int64(0)
	for range 2000 {
		offset += int64(1 + s.r.IntN(3)) // some offsets hold no record
		s.log = append(s.log, &kgo.Record{Topic: "g", Offset: offset, Value: make([]byte, 100)})
	}
	return s
}

// open has a task read from an offset on, as after a start or a rewind.
func (s *sharing) open(partition int32, offset int64) {
	gone := make(map[string][]int32)
	s.f.leave(s.in, partition, gone)
	t := &task{in: s.f.in, partition: partition, wake: make(chan struct{}, 1)}
	t.inbox.bytes, t.inbox.paused = make([]int64, 1), make([]bool, 1)
	s.tasks[partition] = &sharedTask{t, offset}
	s.f.join(s.in, fetchPart{task: t}, offset, make(offsets))
}

// fetch gives what a poll returns: some records from where the reading stands.
func (s *sharing) fetch(n int) (more bool) {
	all := s.f.shared["g"][0]
	if len(s.f.cl.PauseFetchPartitions(nil)["g"]) > 0 {
		return false
	}
	var recs []*kgo.Record
	for _, r := range s.log {
		if r.Offset >= all.next && len(recs) < n {
			recs = append(recs, r)
		}
	}
	s.again += len(recs)
	s.f.share(all, kgo.FetchTopicPartition{Topic: "g", FetchPartition: kgo.FetchPartition{
		Records: recs}}, s.end())
	for _, t := range s.tasks {
		s.most = max(s.most, t.inbox.bytes[0])
	}
	return len(recs) > 0
}

func (s *sharing) end() int64 { return s.log[len(s.log)-1].Offset + 1 }

// take has a task take what it was given.
func (s *sharing) take(partition int32) {
	t := s.tasks[partition]
	if len(t.inbox.batches) > 40 { // of 25 records each, on average, and the limit is 67
		s.t.Fatalf("%d batches are queued for task %d", len(t.inbox.batches), partition)
	}
	for _, f := range t.inbox.batches {
		for _, r := range f.recs {
			for _, want := range s.log {
				if want.Offset >= t.next {
					if r != want {
						s.t.Fatalf("task %d was given offset %d, want %d", partition, r.Offset,
							want.Offset)
					}
					break
				}
			}
			t.next = r.Offset + 1
		}
	}
	t.inbox.batches, t.inbox.bytes[0] = nil, 0
	if t.inbox.paused[0] {
		t.inbox.paused[0] = false
		s.f.rejoin(s.in, partition)
	}
}

// TestSharedPartGivesEachTaskEverythingOnce opens, rewinds and closes tasks at random while a
// partition is read for all of them. Each must be given every record from its offset on, once and
// in order, no queue may outgrow its limit by more than a fetch, and a task that takes nothing must
// not keep the others from the end.
func TestSharedPartGivesEachTaskEverythingOnce(t *testing.T) {
	const most = 50 // records of a fetch
	for seed := range uint64(30) {
		s := newSharing(t, seed)
		s.open(0, 0)
		for range 300 {
			p := int32(s.r.IntN(4))
			switch {
			case s.r.IntN(12) > 0 || s.tasks[p] == nil && len(s.tasks) == 4:
				s.fetch(1 + s.r.IntN(most))
				if s.tasks[p] != nil {
					s.take(p)
				}
			case s.tasks[p] == nil:
				s.open(p, s.log[s.r.IntN(len(s.log))].Offset)
			case s.r.IntN(2) == 0 && len(s.tasks) > 1:
				s.f.leave(s.in, p, make(map[string][]int32))
				delete(s.tasks, p)
			default:
				s.open(p, s.r.Int64N(s.tasks[p].next+1)) // an epoch was aborted
			}
		}
		s.open(0, 0)
		s.stuck = 0
		s.open(1, 0)
		for more := true; more; {
			more = s.fetch(1 + s.r.IntN(most))
			for p := range s.tasks {
				if p != s.stuck {
					more = more || s.tasks[p].inbox.bytes[0] > 0
					s.take(p)
				}
			}
			if !more && s.stuck == 0 {
				s.reached(seed, 1)
				s.stuck, more = -1, true
			}
		}
		for p := range s.tasks {
			s.reached(seed, p)
		}
		if limit := s.tasks[0].queueLimit(0) + most*recordBytes(s.log[0]); s.most > limit {
			t.Fatalf("seed %d: %d bytes were queued for a task, want no more than %d", seed, s.most,
				limit)
		}
		if s.again > 100*len(s.log) {
			t.Errorf("seed %d: %d records were read for %d", seed, s.again, len(s.log))
		}
	}
}

// reached demands that a task was given the whole log.
func (s *sharing) reached(seed uint64, partition int32) {
	s.t.Helper()
	if at := s.tasks[partition].next; at != s.end() {
		s.t.Fatalf("seed %d: task %d was given the log to %d of %d", seed, partition, at, s.end())
	}
}
