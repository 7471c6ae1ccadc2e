package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"pawl/schemas"
)

// registry is a schema registry in memory that is sometimes slow or down.
type registry struct {
	memory *schemas.Memory

	mu     sync.Mutex
	random *rand.Rand
	until  time.Time // of the trouble
	slow   bool
	ids    map[[2]string]int32 // by subject and schema: instances register the same ones again
}

func newRegistry(random *rand.Rand) *registry {
	return &registry{memory: schemas.NewMemory(), random: random,
		ids: make(map[[2]string]int32)}
}

var errRegistryDown = errors.New("the simulated registry is down")

// trouble makes the registry slow or unreachable for d.
func (r *registry) trouble(slow bool, d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.slow, r.until = slow, time.Now().Add(d)
}

// pass waits out the registry's answer.
func (r *registry) pass(ctx context.Context) error {
	r.mu.Lock()
	trouble, slow := time.Now().Before(r.until), r.slow
	wait := time.Duration(r.random.Int64N(int64(time.Second)))
	r.mu.Unlock()
	switch {
	case !trouble:
		return nil
	case !slow:
		return errRegistryDown
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Register implements schemas.Registry.
func (r *registry) Register(ctx context.Context, subject, schema string) (int32, error) {
	if err := r.pass(ctx); err != nil {
		return 0, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if id, ok := r.ids[[2]string{subject, schema}]; ok {
		return id, nil
	}
	id, err := r.memory.Register(ctx, subject, schema)
	if err == nil {
		r.ids[[2]string{subject, schema}] = id
	}
	return id, err
}

// Lookup implements schemas.Registry.
func (r *registry) Lookup(ctx context.Context, subject, schema string) (int32, error) {
	if err := r.pass(ctx); err != nil {
		return 0, err
	}
	return r.memory.Lookup(ctx, subject, schema)
}

// Schema implements schemas.Registry.
func (r *registry) Schema(ctx context.Context, id int32) (string, error) {
	if err := r.pass(ctx); err != nil {
		return "", err
	}
	return r.memory.Schema(ctx, id)
}
