package recent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// backFactor is how many offsets are gone back for each record that is wanted: markers and
	// aborted records take offsets too.
	backFactor = 8
	// retryPause is the pause after a failure.
	retryPause = 500 * time.Millisecond
	// fetchWait bounds how long a broker may sit on a fetch that it could answer.
	fetchWait = 250 * time.Millisecond
	// requestMax bounds one look at a log's ends.
	requestMax = 5 * time.Second
)

// session is one stretch of reading.
type session struct {
	reader *Reader
	ctx    context.Context
	stop   context.CancelFunc
	admin  *kadm.Client // nil when there can be none
	fault  error

	mu      sync.Mutex
	parts   []*partition // nil until the ends of the topic are known
	changed chan struct{}
}

// partition is how far one has been read.
type partition struct {
	first   int64 // the log's first offset when reading began
	from    int64 // where reading began
	live    int64 // where the log ended when reading began
	next    int64 // offset of the next record
	entries []*entry
	bytes   int64
	dropped bool
}

func newSession(r *Reader) *session {
	s := &session{reader: r, changed: make(chan struct{})}
	s.ctx, s.stop = context.WithCancel(context.Background())
	cl, err := kgo.NewClient(r.cfg.Options...)
	if err != nil {
		s.fault = fmt.Errorf("make a client: %w", err)
		return s
	}
	s.admin = kadm.NewClient(cl)
	return s
}

// run reads until the session is stopped or nobody needs it.
func (s *session) run() {
	defer s.stop()
	if s.admin != nil {
		defer s.admin.Close()
	}
	for s.ctx.Err() == nil {
		err := s.follow()
		if err == nil {
			return
		}
		s.failed(err)
		select {
		case <-time.After(retryPause):
		case <-s.ctx.Done():
		}
		if s.reader.retire() {
			return
		}
	}
}

// follow reads from where the session stands; nil when it is over.
func (s *session) follow() error {
	if s.admin == nil {
		return s.why(nil)
	}
	if err := s.begin(); err != nil {
		return err
	}
	cl, err := kgo.NewClient(append(append([]kgo.Opt(nil), s.reader.cfg.Options...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.reader.cfg.Topic: s.places()}),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(), // they take offsets: without, an end would never be reached
		kgo.FetchMaxWait(fetchWait), kgo.FetchMaxBytes(4<<20),
		kgo.FetchMaxPartitionBytes(1<<20), kgo.MaxConcurrentFetches(1))...)
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	defer cl.Close()
	for {
		wait, cancel := context.WithTimeout(s.ctx, s.reader.cfg.Idle)
		fetches := cl.PollFetches(wait)
		cancel()
		if s.ctx.Err() != nil || s.reader.retire() {
			return nil
		}
		if err := fetches.Err(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("read %s: %w", s.reader.cfg.Topic, err)
		}
		s.take(fetches)
	}
}

// begin finds out where to read from, once.
func (s *session) begin() error {
	if s.ready() {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, requestMax)
	defer cancel()
	topic := s.reader.cfg.Topic
	starts, err := s.admin.ListStartOffsets(ctx, topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return fmt.Errorf("ask where %s starts: %w", topic, err)
	}
	ends, err := s.ends(ctx)
	if err != nil {
		return err
	}
	parts := make([]*partition, len(ends))
	for i := range parts {
		start, ok := starts.Lookup(topic, int32(i))
		end, known := ends[int32(i)]
		if !ok || !known {
			return fmt.Errorf("the brokers do not say where %s-%d starts and ends", topic, i)
		}
		back := int64(s.reader.cfg.Newest) * backFactor
		p := &partition{first: start.Offset, live: end, from: max(start.Offset, end-back)}
		p.next = p.from
		parts[i] = p
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parts = parts
	s.wake()
	return nil
}

// ends are the ends of the logs, open transactions included.
func (s *session) ends(ctx context.Context) (map[int32]int64, error) {
	if s.admin == nil {
		return nil, s.why(nil)
	}
	topic := s.reader.cfg.Topic
	listed, err := s.admin.ListEndOffsets(ctx, topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		return nil, fmt.Errorf("ask where %s ends: %w", topic, err)
	}
	ends := make(map[int32]int64)
	for partition, at := range listed[topic] {
		ends[partition] = at.Offset
	}
	return ends, nil
}

// places is where each partition is to be read from.
func (s *session) places() map[int32]kgo.Offset {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[int32]kgo.Offset)
	for i, p := range s.parts {
		out[int32(i)] = kgo.NewOffset().At(p.next)
	}
	return out
}

// take keeps what was fetched, and tells of what is new.
func (s *session) take(fetches kgo.Fetches) {
	var arrived []*entry
	tell := s.reader.held()
	s.mu.Lock()
	limit := s.reader.cfg.MaxBytes / int64(max(len(s.parts), 1))
	fetches.EachRecord(func(rec *kgo.Record) {
		p := s.parts[rec.Partition]
		if rec.Offset < p.next {
			return
		}
		p.next = rec.Offset + 1
		if rec.Attrs.IsControl() {
			return
		}
		e := newEntry(rec)
		p.keep(e, s.reader.cfg.Newest, limit)
		if tell && rec.Offset >= p.live {
			arrived = append(arrived, e)
		}
	})
	s.fault = nil
	s.wake()
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ctx, s.reader.cfg.Wait)
	defer cancel()
	for _, e := range arrived {
		s.reader.cfg.Arrived(e.record(ctx, s.reader.cfg.Topic, s.reader.resolver))
	}
}

// keep adds an entry and forgets the oldest ones above the limits.
func (p *partition) keep(e *entry, most int, bytes int64) {
	p.entries = append(p.entries, e)
	p.bytes += e.bytes()
	for len(p.entries) > 1 && (len(p.entries) > most || p.bytes > bytes) {
		p.bytes -= p.entries[0].bytes()
		p.entries[0] = nil
		p.entries, p.dropped = p.entries[1:], true
	}
}

// reach waits until the ends are reached and says which partitions are behind.
func (s *session) reach(ctx context.Context, ends map[int32]int64, endsErr error) map[int32]string {
	for endsErr == nil {
		s.mu.Lock()
		behind := s.behind(ends)
		changed, fault := s.changed, s.fault
		s.mu.Unlock()
		if len(behind) == 0 {
			return behind
		}
		select {
		case <-changed:
		case <-s.ctx.Done():
			return behind
		case <-ctx.Done():
			if fault != nil {
				for i := range maps.Keys(behind) {
					behind[i] = because(fault)
				}
			}
			return behind
		}
	}
	behind := make(map[int32]string)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.parts {
		behind[int32(i)] = because(endsErr)
	}
	return behind
}

// behind are the partitions that have not been read to the ends. s.mu is held.
func (s *session) behind(ends map[int32]int64) map[int32]string {
	out := make(map[int32]string)
	for i, end := range ends {
		switch {
		case s.parts == nil:
			out[i] = "it is being read"
		case int(i) >= len(s.parts):
			out[i] = "it is new, and read from the next start of the instance on"
		case s.parts[i].next < end:
			out[i] = fmt.Sprintf("it is read to offset %d of %d: a transaction is open, or there "+
				"is much to read", s.parts[i].next, end)
		}
	}
	return out
}

// held is what has been read.
func (s *session) held() (entries []*entry, out Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out.Offsets = make(map[int32]int64)
	for i, p := range s.parts {
		entries = append(entries, p.entries...)
		out.Offsets[int32(i)] = p.next
		out.Earlier = out.Earlier || p.dropped || p.from > p.first
	}
	return entries, out
}

func (s *session) ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parts != nil
}

func (s *session) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fault = err
}

// why is the reason that the session has none of the topic.
func (s *session) why(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx.Err() != nil:
		return errClosed
	case s.fault != nil:
		return s.fault
	}
	return fmt.Errorf("%s: %s", s.reader.cfg.Topic, because(err))
}

// wake lets waiting questions look again. s.mu is held.
func (s *session) wake() {
	close(s.changed)
	s.changed = make(chan struct{})
}
