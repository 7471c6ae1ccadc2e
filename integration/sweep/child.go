package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"pawl/integration/harness/process"
)

const (
	startLimit = 60 * time.Second // from the start of an instance until its tasks run
	stopLimit  = 30 * time.Second // from SIGTERM until it has ended
	watchEvery = 10 * time.Millisecond
	tailLines  = 25
)

// child is an instance under measurement.
type child struct {
	*process.Process
	addr string // of its HTTP server
}

// startChild starts an instance and waits until it listens. Its settings and state are in dir.
func (st *stage) startChild(ctx context.Context, app string, p Point) (*child, error) {
	dir := filepath.Join(st.dir, app)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a folder for %s: %w", app, err)
	}
	args := []string{"run", "fraud", "--kafka", st.kafka.Bootstrap(), "--registry",
		st.registry.URL()}
	for key, value := range map[string]string{
		"application.id":  app,
		"topic.prefix":    topic(app, ""),
		"state.dir":       filepath.Join(dir, "state"),
		"http.listen":     "127.0.0.1:0",
		"commit.interval": fmt.Sprintf("%dms", p.IntervalMS),
		"commit.linger":   fmt.Sprintf("%dms", p.LingerMS),
		"memory.max":      fmt.Sprintf("%dMiB", p.MemoryMB),
		"log.level":       "info",
	} {
		args = append(args, "--set", key+"="+value)
	}
	proc, err := process.Start(process.Spec{Name: app, Path: st.pawl, Args: args,
		Log: filepath.Join(dir, "log")})
	if err != nil {
		return nil, err
	}
	c := &child{Process: proc}
	if err := c.await(ctx, "listens", startLimit, c.listens); err != nil {
		return nil, errors.Join(err, c.end())
	}
	return c, nil
}

// listens tells whether the instance has said where it listens.
func (c *child) listens() (bool, error) {
	text, err := c.Output()
	if err != nil {
		return false, err
	}
	_, rest, found := strings.Cut(text, "http: listening on ")
	line, _, whole := strings.Cut(rest, "\n")
	c.addr = line
	return found && whole, nil
}

// await asks again and again until the answer is yes, which need not be at once: an error may pass.
// It fails when the instance ends first, or the limit has passed.
func (c *child) await(ctx context.Context, what string, limit time.Duration,
	ask func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		yes, err := ask()
		if yes && err == nil {
			return nil
		}
		select {
		case <-tick.C:
			continue
		case <-c.Done():
			err = errors.Join(fmt.Errorf("ended with exit code %d", c.ExitCode()), err)
		case <-ctx.Done():
			err = errors.Join(ctx.Err(), err)
		}
		return fmt.Errorf("%s, before it %s: %w; it last said:\n%s", c.Name(), what, err,
			c.Tail(tailLines))
	}
}

// end stops the instance in order; one that does not stop is killed, which is an error.
func (c *child) end() error {
	err := c.Stop(stopLimit)
	if err != nil {
		c.Kill9()
	}
	return err
}
