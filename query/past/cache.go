package past

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"pawl/checkpoint"
	"pawl/processor"
	"pawl/query"
	"pawl/statestore"
)

// Config is what a Cache needs.
type Config struct {
	Target      checkpoint.Target
	Limits      checkpoint.Limits // of a download
	Application string
	Pipeline    string
	Dir         string // for what is downloaded; nobody else's
	MaxBytes    int64  // on disk
	MaxStores   int    // open at once, downloads included. Default 16
	// Fault is told of what no request fails by: files that cannot be deleted. Default: nobody.
	Fault func(error)
}

const (
	downloads  = 2       // at once
	blockCache = 8 << 20 // bytes, of all stores
)

// Cache holds checkpoints that were asked for.
type Cache struct {
	cfg   Config
	env   *statestore.Env
	slots chan struct{} // of downloads
	work  sync.WaitGroup
	gate  sync.RWMutex // held by readers; Close takes it

	ctx  context.Context // of downloads
	stop context.CancelFunc

	mu     sync.Mutex
	dir    string // of this process; "" before Start
	closed bool
	known  *listing
	asking *lookup
	stores map[key]*stored
	bad    map[key]bool // turned out to be damaged
	bytes  int64        // of stores
	uses   int64
}

// New makes a Cache that answers nothing before Start. Close ends its work.
func New(cfg Config) *Cache {
	if cfg.MaxStores == 0 {
		cfg.MaxStores = 16
	}
	if cfg.Fault == nil {
		cfg.Fault = func(error) {}
	}
	c := &Cache{cfg: cfg, slots: make(chan struct{}, downloads),
		env:    statestore.NewEnv(nil, blockCache, cfg.Fault),
		stores: make(map[key]*stored), bad: make(map[key]bool)}
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

// Start removes what an earlier process left in Dir, which must be this process's by now.
func (c *Cache) Start() {
	if err := os.RemoveAll(c.cfg.Dir); err != nil {
		c.cfg.Fault(fmt.Errorf("remove old checkpoints: %w", err))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// A name of its own: an end that is late must not take away what the next process has.
	c.dir = filepath.Join(c.cfg.Dir, fmt.Sprintf("%d-%d", os.Getpid(), time.Now().UnixNano()))
}

// Close ends downloads, waits for readers, and deletes what is there. Only the first call counts.
func (c *Cache) Close() {
	c.mu.Lock()
	again := c.closed
	c.closed = true
	c.mu.Unlock()
	if again {
		return
	}
	c.stop()
	c.work.Wait()
	c.gate.Lock()
	defer c.gate.Unlock()
	var errs []error
	for _, s := range c.stores {
		errs = append(errs, s.discard())
	}
	c.env.Close()
	if c.dir != "" {
		errs = append(errs, remove(c.dir))
		_ = os.Remove(c.cfg.Dir) // unless the next process is there already
	}
	if err := errors.Join(errs...); err != nil {
		c.cfg.Fault(err)
	}
}

func stopping() error {
	return &query.Problem{Status: http.StatusServiceUnavailable, RetryIn: 1,
		Detail: "the instance is starting or stopping; ask again later"}
}

func later(format string, args ...any) error {
	return &query.Problem{Status: http.StatusServiceUnavailable, RetryIn: 2,
		Detail: fmt.Sprintf(format, args...)}
}

// View implements query.Past. A checkpoint that turns out to be damaged is passed over for the next
// older one.
func (c *Cache) View(ctx context.Context, partition int32, at query.Moment,
	ranges []processor.StateRange, read func(query.View, query.Copy) error) error {
	task := fmt.Sprintf("%s-%d", c.cfg.Pipeline, partition)
	for {
		got, err := c.list(ctx)
		if err != nil {
			return err
		}
		series, m, err := c.choose(got, task, at)
		if err != nil {
			return err
		}
		if err := m.Locked(); err != nil {
			return &query.Problem{Status: http.StatusConflict, Detail: err.Error()}
		}
		s, err := c.want(series, m)
		if err != nil {
			return err
		}
		err = c.look(ctx, s, m, ranges, read)
		c.release(s)
		var damage *checkpoint.DamagedError
		if !errors.As(err, &damage) {
			return err
		}
	}
}

// look waits for a store and reads it.
func (c *Cache) look(ctx context.Context, s *stored, m *checkpoint.Manifest,
	ranges []processor.StateRange, read func(query.View, query.Copy) error) error {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return later("checkpoint %s of %s, %d bytes, is being downloaded; ask again", s.id, s.task,
			s.bytes)
	}
	if s.err != nil {
		return s.err
	}
	c.gate.RLock()
	defer c.gate.RUnlock()
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return stopping()
	}
	return s.state.View(ranges, func(v *processor.StateView) error {
		return read(query.ViewOf(v), query.Copy{ID: m.ID, Created: m.Created})
	})
}

// want finds a checkpoint's store, or begins to download it. release it.
func (c *Cache) want(series *checkpoint.Series, m *checkpoint.Manifest) (*stored, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.dir == "" {
		return nil, stopping()
	}
	c.uses++
	k := key{series.Task(), m.ID}
	if s := c.stores[k]; s != nil {
		s.refs++
		s.used = c.uses
		return s, nil
	}
	s := &stored{key: k, dir: filepath.Join(c.dir, k.task+"."+k.id), bytes: m.Bytes(), refs: 2,
		used: c.uses, ready: make(chan struct{})}
	if s.bytes > c.cfg.MaxBytes {
		return nil, &query.Problem{Status: http.StatusConflict, Detail: fmt.Sprintf("checkpoint "+
			"%s of %s has %d bytes, and no more than %d may be downloaded; raise "+
			"checkpoint.read.max.bytes", k.id, k.task, s.bytes, c.cfg.MaxBytes)}
	}
	for len(c.stores) >= c.cfg.MaxStores || c.bytes+s.bytes > c.cfg.MaxBytes {
		if !c.evict() {
			return nil, later("other checkpoints are being read, and there is no room for %s of "+
				"%s beside them; ask again", k.id, k.task)
		}
	}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, fmt.Errorf("make a folder for checkpoints: %w", err)
	}
	c.stores[k] = s
	c.bytes += s.bytes
	c.work.Go(func() {
		err := c.load(c.ctx, s, series, m)
		c.loaded(s, err)
	})
	return s, nil
}

// loaded tells those who wait how it went.
func (c *Cache) loaded(s *stored, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
	if err != nil {
		var damage *checkpoint.DamagedError
		if errors.As(err, &damage) {
			c.bad[s.key], c.known = true, nil
		}
		delete(c.stores, s.key)
		c.bytes -= s.bytes
	}
	s.err = err
	close(s.ready)
}

func (c *Cache) release(s *stored) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.refs--
}

// evict makes room of the least recently used store that nobody reads.
func (c *Cache) evict() bool {
	var oldest *stored
	for _, s := range c.stores {
		if s.refs == 0 && (oldest == nil || s.used < oldest.used) {
			oldest = s
		}
	}
	if oldest == nil {
		return false
	}
	delete(c.stores, oldest.key)
	c.bytes -= oldest.bytes
	if err := oldest.discard(); err != nil {
		c.cfg.Fault(err)
	}
	return true
}

func (c *Cache) isBad(k key) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bad[k]
}
