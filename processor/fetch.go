package processor

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas/record"
)

// fetcher reads the input partitions of running tasks. It is a client apart from the group member,
// so that a partition starts at exactly the position its task restored to, and rewinds do not
// touch the group. All changes of position happen between two polls, on the polling goroutine:
// what a poll returned before a rewind can then never be taken for what follows it.
type fetcher struct {
	in *Instance
	cl *kgo.Client

	mu      sync.Mutex
	pending []func()
	cancel  context.CancelFunc // of the running poll

	// By topic; the polling goroutine's own.
	parts  map[string]map[int32]*fetchPart
	shared map[string]map[int32]*sharedPart // of global topics
}

type fetchPart struct {
	task  *task
	gen   int64
	input int
}

func newFetcher(in *Instance) (*fetcher, error) {
	cl, err := in.client("fetch", append(in.cfg.Fetch.options(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.MaxConcurrentFetches(2),
		kgo.WithPools(new(recycler)),
	)...)
	if err != nil {
		return nil, err
	}
	return &fetcher{in: in, cl: cl, parts: make(map[string]map[int32]*fetchPart),
		shared: make(map[string]map[int32]*sharedPart)}, nil
}

// do runs f on the polling goroutine, before its next poll.
func (f *fetcher) do(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = append(f.pending, fn)
	if f.cancel != nil {
		f.cancel()
	}
}

// start reads the task's inputs from the given positions on; whatever was read before is dropped.
func (f *fetcher) start(t *task, gen int64, from []record.Input) {
	f.do(func() {
		if t.closed.Load() {
			return
		}
		f.remove(t.partition)
		at := make(offsets)
		for i, in := range f.in.bind.inputs {
			part := fetchPart{task: t, gen: gen, input: i}
			if in.global {
				f.join(&in, part, from[i].Offset, at)
				continue
			}
			if f.parts[in.topic] == nil {
				f.parts[in.topic] = make(map[int32]*fetchPart)
			}
			f.parts[in.topic][t.partition] = &part
			at.add(in.topic, t.partition, from[i].Offset)
		}
		f.cl.ResumeFetchPartitions(at.partitions())
		f.cl.AddConsumePartitions(at)
	})
}

// offsets are places to read from, by topic and partition.
type offsets map[string]map[int32]kgo.Offset

func (o offsets) add(topic string, partition int32, offset int64) {
	if o[topic] == nil {
		o[topic] = make(map[int32]kgo.Offset)
	}
	o[topic][partition] = kgo.NewOffset().At(offset)
}

func (o offsets) partitions() map[string][]int32 {
	m := make(map[string][]int32, len(o))
	for topic, parts := range o {
		m[topic] = slices.Collect(maps.Keys(parts))
	}
	return m
}

// stop reads the partition's inputs no more.
func (f *fetcher) stop(partition int32) { f.do(func() { f.remove(partition) }) }

func (f *fetcher) remove(partition int32) {
	gone := make(map[string][]int32)
	for _, in := range f.in.bind.inputs {
		if in.global {
			f.leave(&in, partition, gone)
		} else if f.parts[in.topic][partition] != nil {
			delete(f.parts[in.topic], partition)
			gone[in.topic] = append(gone[in.topic], partition)
		}
	}
	if len(gone) > 0 {
		f.cl.RemoveConsumePartitions(gone)
	}
}

// resume goes on fetching an input that was paused because its task lagged behind.
func (f *fetcher) resume(input int, task int32) {
	in := &f.in.bind.inputs[input]
	if in.global {
		f.do(func() { f.rejoin(in, task) })
		return
	}
	f.cl.ResumeFetchPartitions(map[string][]int32{in.topic: {task}})
}

// run polls until ctx ends.
func (f *fetcher) run(ctx context.Context) {
	for ctx.Err() == nil {
		f.mu.Lock()
		fns := f.pending
		f.pending = nil
		poll, cancel := context.WithCancel(ctx)
		f.cancel = cancel
		f.mu.Unlock()
		for _, fn := range fns {
			fn()
		}
		fetches := f.cl.PollFetches(poll)
		cancel()
		f.deliver(fetches)
	}
}

func (f *fetcher) deliver(fetches kgo.Fetches) {
	fetches.EachPartition(func(p kgo.FetchTopicPartition) {
		end := p.LastStableOffset
		if end < 0 {
			end = p.HighWatermark
		}
		if all := f.shared[p.Topic][p.Partition]; all != nil {
			f.share(all, p, end)
			return
		}
		part := f.parts[p.Topic][p.Partition]
		if part == nil {
			return
		}
		if p.Err != nil {
			f.failed(part, p)
			return
		}
		f.in.seen(p.Partition, part.input, p.HighWatermark, end)
		full := part.task.deliver(part.gen, fetched{part.input, p.Records, end})
		if full {
			f.cl.PauseFetchPartitions(map[string][]int32{p.Topic: {p.Partition}})
			part.task.paused(part.input)
		}
	})
}

// failed reports a fetch error that retries do not mend: the log is not what it was.
func (f *fetcher) failed(part *fetchPart, p kgo.FetchTopicPartition) {
	if errors.Is(p.Err, context.Canceled) || errors.Is(p.Err, context.DeadlineExceeded) ||
		errors.Is(p.Err, kgo.ErrClientClosed) {
		return
	}
	var loss *kgo.ErrDataLoss
	lost := errors.As(p.Err, &loss) || errors.Is(p.Err, kerr.OffsetOutOfRange) ||
		errors.Is(p.Err, kerr.UnknownTopicID) || errors.Is(p.Err, kerr.InconsistentTopicID)
	t := part.task
	err := denied(p.Err, ResourceTopic, p.Topic, OpRead)
	if denial(err) != nil {
		f.shutOut(t.name, p, err)
		return
	}
	f.in.post(func() {
		if lost {
			f.in.refuse(t, &RefusedError{Task: t.name,
				What: "input " + p.Topic + " no longer holds the task's position: " + err.Error(),
				Mend: mendInput})
			return
		}
		f.in.taskFault(t, -1, err)
	})
}

// deniedPause is how long a partition that may not be read is left alone.
const deniedPause = time.Second

// shutOut waits until a partition may be read again: it goes on where it stands.
func (f *fetcher) shutOut(task string, p kgo.FetchTopicPartition, err error) {
	where := map[string][]int32{p.Topic: {p.Partition}}
	f.cl.PauseFetchPartitions(where)
	f.in.waiting(task, err.Error(), 0)
	f.in.after(deniedPause, func() { f.do(func() { f.cl.ResumeFetchPartitions(where) }) })
}
