package recovery

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Watch reads the committed answers of one program, from where their topic ends when it begins.
type Watch struct {
	input      *Input
	client     *kgo.Client
	partitions int
	after      int64 // events before are not answered here
	done       chan struct{}

	mu     sync.Mutex
	seen   map[int64]bool
	faults []string
	wrong  int
	from   int64 // of the answers that Await waits for
	first  map[int32]time.Time
	told   chan struct{} // closed when there is one of each partition
}

// maxFaults bounds what is told of wrong answers.
const maxFaults = 20

// NewWatch begins to read topic. End it with Stop.
func NewWatch(ctx context.Context, adm *kadm.Client, input *Input, topic string,
	opts ...kgo.Opt) (*Watch, error) {
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("find the end of %s: %w", topic, err)
	}
	from := map[string]map[int32]kgo.Offset{topic: {}}
	ends.Each(func(o kadm.ListedOffset) {
		from[topic][o.Partition] = kgo.NewOffset().At(o.Offset)
	})
	client, err := kgo.NewClient(append(opts, kgo.ConsumePartitions(from),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.FetchMaxWait(100*time.Millisecond))...)
	if err != nil {
		return nil, fmt.Errorf("make a client to read %s: %w", topic, err)
	}
	w := &Watch{input: input, client: client, partitions: len(from[topic]), after: input.Asked(),
		done: make(chan struct{}), seen: make(map[int64]bool)}
	go w.read()
	return w, nil
}

// Stop ends the reading.
func (w *Watch) Stop() {
	w.client.Close()
	<-w.done
}

func (w *Watch) read() {
	defer close(w.done)
	for {
		fetches := w.client.PollFetches(context.Background())
		if fetches.IsClientClosed() {
			return
		}
		now := time.Now()
		w.mu.Lock()
		fetches.EachRecord(func(rec *kgo.Record) { w.take(rec, now) })
		w.mu.Unlock()
	}
}

func (w *Watch) take(rec *kgo.Record, now time.Time) {
	a, ok := readAnswer(rec.Value)
	want, known := w.input.expected(a.Seq)
	switch {
	case !ok || !known:
		w.fault("%s-%d offset %d is no answer: %x", rec.Topic, rec.Partition, rec.Offset,
			rec.Value)
		return
	case w.seen[a.Seq]:
		w.fault("event %d of %s is answered twice", a.Seq, rec.Key)
	case a.Count != want:
		w.fault("event %d of %s is answered with count %d; it is %d", a.Seq, rec.Key, a.Count,
			want)
	}
	w.seen[a.Seq] = true
	if w.told == nil || a.Seq <= w.from {
		return
	}
	if _, ok := w.first[rec.Partition]; !ok {
		if w.first[rec.Partition] = now; len(w.first) == w.partitions {
			close(w.told)
			w.told = nil
		}
	}
}

func (w *Watch) fault(format string, args ...any) {
	w.wrong++
	if len(w.faults) < maxFaults {
		w.faults = append(w.faults, fmt.Sprintf(format, args...))
	}
}

// Await waits until an event that was asked from now on is answered on each partition. It returns
// when the first of these answers was seen, and when the last partition had one.
func (w *Watch) Await(ctx context.Context) (first, all time.Time, err error) {
	told := make(chan struct{})
	w.mu.Lock()
	w.from, w.first, w.told = w.input.Asked(), make(map[int32]time.Time), told
	w.mu.Unlock()
	select {
	case <-told:
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, at := range w.first {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(all) {
			all = at
		}
	}
	if ctx.Err() != nil {
		return first, all, fmt.Errorf("%d of %d partitions answer: %w", len(w.first), w.partitions,
			context.Cause(ctx))
	}
	return first, all, nil
}

// Judge waits until everything that was asked is answered, and says what is wrong with the answers.
// The feed must have ended.
func (w *Watch) Judge(ctx context.Context) []string {
	asked := w.input.acked(w.after)
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		missing := w.missing(asked)
		if len(missing) > 0 && ctx.Err() == nil {
			select {
			case <-ticker.C:
			case <-ctx.Done():
			}
			continue
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		faults := w.faults
		if more := w.wrong - len(faults); more > 0 {
			faults = append(faults, fmt.Sprintf("and %d more", more))
		}
		if len(missing) > 0 {
			faults = append(faults, fmt.Sprintf("%d of %d events are not answered, such as event "+
				"%d", len(missing), len(asked), missing[0]))
		}
		return faults
	}
}

func (w *Watch) missing(asked []int64) (seqs []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, seq := range asked {
		if !w.seen[seq] {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// Answers is how many there were.
func (w *Watch) Answers() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen)
}
