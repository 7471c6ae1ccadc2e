package recent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Config says what is read. Zero fields mean their defaults.
type Config struct {
	// Options lead a client to the cluster.
	Options []kgo.Opt
	// Registry has the schemas.
	Registry schemas.Registry
	// Topic is read.
	Topic string
	// Newest is how many records of a partition are kept. Default 1000.
	Newest int
	// MaxBytes bounds about what all kept records take, shared by the partitions. Default 16 MiB.
	MaxBytes int64
	// Wait bounds how long a question waits for what is being committed. Default 1s.
	Wait time.Duration
	// Begin bounds how long the first question waits for the cluster. Default 5s.
	Begin time.Duration
	// Idle is how long reading goes on when nobody asks any more. Default 5m.
	Idle time.Duration
	// Arrived is told of each record that is committed while somebody holds the reader, in the
	// order of its partition. It must return quickly.
	Arrived func(Record)
}

func (c *Config) ensureDefaults() {
	c.Newest = cmp.Or(c.Newest, 1000)
	c.MaxBytes = cmp.Or(c.MaxBytes, 16<<20)
	c.Wait = cmp.Or(c.Wait, time.Second)
	c.Begin = cmp.Or(c.Begin, 5*time.Second)
	c.Idle = cmp.Or(c.Idle, 5*time.Minute)
	if c.Arrived == nil {
		c.Arrived = func(Record) {}
	}
}

// Reader knows the newest records of a topic.
type Reader struct {
	cfg      Config
	resolver *schemas.Resolver
	running  sync.WaitGroup

	mu      sync.Mutex
	session *session // nil while nothing is read
	used    time.Time
	asking  int // questions under way
	holders int
	closed  bool
}

// New returns a reader, which reads nothing yet. Close it.
func New(cfg Config) *Reader {
	cfg.ensureDefaults()
	return &Reader{cfg: cfg, resolver: schemas.NewResolver(cfg.Registry)}
}

// Close ends reading and waits for its end. Questions under way are answered with an error.
func (r *Reader) Close() {
	r.mu.Lock()
	r.closed = true
	if r.session != nil {
		r.session.stop()
	}
	r.mu.Unlock()
	r.running.Wait()
}

// Hold has the reader read on until release is called, so that Arrived is told of what comes.
func (r *Reader) Hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holders++
	r.open()
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.holders--
		r.used = time.Now()
	})
}

// held says whether anybody wants to be told of records as they come.
func (r *Reader) held() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.holders > 0
}

var errClosed = errors.New("the instance is stopping")

// open begins a session where there is none. r.mu is held.
func (r *Reader) open() *session {
	if r.closed {
		return nil
	}
	r.used = time.Now()
	if r.session == nil {
		s := newSession(r)
		r.session = s
		r.running.Go(s.run)
	}
	return r.session
}

// retire ends a session that nobody has asked for a while; it says whether it did.
func (r *Reader) retire() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asking > 0 || r.holders > 0 || time.Since(r.used) < r.cfg.Idle {
		return false
	}
	r.session = nil
	return true
}

// ask begins a question.
func (r *Reader) ask() (*session, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.open()
	if s == nil {
		return nil, errClosed
	}
	r.asking++
	return s, nil
}

func (r *Reader) asked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asking--
	r.used = time.Now()
}

// Snapshot is what a topic held.
type Snapshot struct {
	// Records are the newest ones, those with the latest timestamp first.
	Records []Record
	// Offsets are the offsets of the next record, by partition.
	Offsets map[int32]int64
	// Behind says of which partitions committed records may be missing, and why.
	Behind map[int32]string
	// Earlier says that the topic holds older records than these.
	Earlier bool
}

// Read returns what was committed when it was called. It fails when it knows nothing of the topic.
func (r *Reader) Read(ctx context.Context) (Snapshot, error) {
	s, err := r.ask()
	if err != nil {
		return Snapshot{}, err
	}
	defer r.asked()
	waiting, cancel := context.WithTimeout(ctx, r.patience(s))
	defer cancel()
	ends, endsErr := s.ends(waiting)
	if endsErr != nil && !s.ready() {
		return Snapshot{}, s.why(endsErr)
	}
	behind := s.reach(waiting, ends, endsErr)
	if !s.ready() {
		return Snapshot{}, s.why(waiting.Err())
	}
	decoding, cancel := context.WithTimeout(ctx, r.cfg.Begin)
	defer cancel()
	return r.snapshot(decoding, s, behind), nil
}

func (r *Reader) patience(s *session) time.Duration {
	if s.ready() {
		return r.cfg.Wait
	}
	return r.cfg.Begin
}

// snapshot decodes what is held.
func (r *Reader) snapshot(ctx context.Context, s *session, behind map[int32]string) Snapshot {
	entries, out := s.held()
	out.Behind = behind
	slices.SortFunc(entries, func(a, b *entry) int {
		return cmp.Or(b.time.Compare(a.time), cmp.Compare(a.partition, b.partition),
			cmp.Compare(b.offset, a.offset))
	})
	out.Records = make([]Record, len(entries))
	for i, e := range entries {
		rec := e.record(ctx, r.cfg.Topic, r.resolver)
		out.Records[i] = rec
		if rec.Fault != "" {
			out.Behind[e.partition] = fmt.Sprintf("the record at offset %d cannot be decoded: %s",
				e.offset, rec.Fault)
		}
	}
	return out
}

// because is a reason in words that a client can use.
func because(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer from the brokers in time"
	}
	return strings.ReplaceAll(err.Error(), "\n", " ")
}
