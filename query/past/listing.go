package past

import (
	"context"
	"fmt"
	"time"

	"pawl/checkpoint"
)

// listing is what the storage had when it was asked.
type listing struct {
	at    time.Time
	until time.Time // it is believed
	tasks []listed
}

// listed are the checkpoints of one task, the newest first.
type listed struct {
	series  *checkpoint.Series
	entries []checkpoint.Entry
}

const (
	listFresh   = 5 * time.Second
	listShare   = 20 // of the time that listing takes: more than that it is believed
	listTimeout = time.Minute
)

// lookup is a listing that somebody asks for.
type lookup struct {
	done chan struct{} // closed when the rest is there
	got  *listing
	err  error
}

// list gives the last listing while it is fresh, else asks; all who want one wait for the same.
func (c *Cache) list(ctx context.Context) (*listing, error) {
	c.mu.Lock()
	if c.known != nil && time.Now().Before(c.known.until) {
		defer c.mu.Unlock()
		return c.known, nil
	}
	if c.closed {
		c.mu.Unlock()
		return nil, stopping()
	}
	if c.asking == nil {
		c.asking = &lookup{done: make(chan struct{})}
		asking := c.asking
		c.work.Go(func() { c.ask(asking) })
	}
	asking := c.asking
	c.mu.Unlock()
	select {
	case <-asking.done:
		return asking.got, asking.err
	case <-ctx.Done():
		return nil, later("the checkpoints are being listed; ask again")
	}
}

func (c *Cache) ask(asking *lookup) {
	ctx, cancel := context.WithTimeout(c.ctx, listTimeout)
	defer cancel()
	began := time.Now()
	got, err := c.read(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		got.at = began
		got.until = time.Now().Add(max(listFresh, listShare*time.Since(began)))
		c.known = got
	}
	asking.got, asking.err, c.asking = got, err, nil
	close(asking.done)
}

func (c *Cache) read(ctx context.Context) (*listing, error) {
	all, err := checkpoint.Find(ctx, c.cfg.Target)
	if err != nil {
		return nil, fmt.Errorf("list checkpoints: %w", err)
	}
	got := new(listing)
	for _, s := range all {
		if s.Application() != c.cfg.Application {
			continue
		}
		entries, err := s.List(ctx)
		if err != nil {
			return nil, fmt.Errorf("list checkpoints: %w", err)
		}
		got.tasks = append(got.tasks, listed{s, entries})
	}
	return got, nil
}

// Forget has the next question ask the storage: there is a new checkpoint.
func (c *Cache) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.known = nil
}

// List implements query.Past.
func (c *Cache) List(ctx context.Context) (any, time.Time, error) {
	got, err := c.list(ctx)
	if err != nil {
		return nil, time.Time{}, err
	}
	rows := []Row{}
	for _, t := range got.tasks {
		for _, e := range t.entries {
			rows = append(rows, RowOf(t.series, e))
		}
	}
	return rows, got.at, nil
}
