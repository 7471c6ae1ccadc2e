package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"path"
	"strings"
	"sync"
	"time"

	"pawl/checkpoint"
)

// storage is the object storage of the application's checkpoints. It outlives processes and disks.
// As package checkpoint asks of it, what was done is seen by all at once, and a request takes
// effect soon or never; everything else may go wrong.
type storage struct {
	memory *checkpoint.Memory
	began  time.Time
	speed  int           // of its clock, so that a grace ends within a run
	soon   time.Duration // within which a request takes effect, or never
	faults float64       // share of requests that meet one
	late   sync.WaitGroup

	mu     sync.Mutex
	until  time.Time // of the trouble
	silent bool      // it takes requests and does not answer, rather than refusing them
	over   chan struct{}
	newest map[string]string // checkpoint that was ever seen, by task
	spoilt map[string]bool   // tasks of which the director has lost or damaged something
}

func newStorage(speed int, soon time.Duration, faults float64) *storage {
	return &storage{memory: checkpoint.NewMemory(), began: time.Now(), speed: speed, soon: soon,
		faults: faults, over: make(chan struct{}), newest: make(map[string]string),
		spoilt: make(map[string]bool)}
}

// trouble makes the storage silent or down for d.
func (s *storage) trouble(silent bool, d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent, s.until = silent, time.Now().Add(d)
}

// heal ends all that befalls requests, also those that wait.
func (s *storage) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.until, s.faults = time.Time{}, 0
	close(s.over)
	s.over = make(chan struct{})
}

// seen notes a manifest that was written.
func (s *storage) seen(key string) {
	parts := strings.Split(key, "/")
	if len(parts) != 4 || parts[0] != "manifests" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.newest[parts[2]] = max(s.newest[parts[2]], parts[3])
}

// put writes, as a request that has arrived.
func (s *storage) put(key string, content []byte, once bool) error {
	err := s.memory.Put(context.Background(), key, bytes.NewReader(content), once)
	if err == nil {
		s.seen(key)
	}
	return err
}

// spoil loses an object or changes a byte of it. Of what it was, nothing is said to anyone.
func (s *storage) spoil(ctx context.Context, key string, r *rand.Rand) error {
	s.mu.Lock()
	s.spoilt[path.Base(path.Dir(key))] = true
	s.mu.Unlock()
	if r.IntN(2) == 0 {
		return s.memory.Delete(ctx, key)
	}
	body, err := s.memory.Open(ctx, key)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(body)
	if err != nil || len(content) == 0 {
		return err
	}
	content[r.IntN(len(content))] ^= 1 << r.IntN(8)
	return s.memory.Put(ctx, key, bytes.NewReader(content), false)
}

// visit is the storage as one process, or an operator, has it. It implements checkpoint.Target.
type visit struct {
	*storage
	trace *trace
	name  string   // in the trace
	p     *process // nil for an operator

	chance sync.Mutex
	random *rand.Rand
}

// fate is what becomes of a request.
type fate struct {
	arrives bool
	late    time.Duration // it arrives so long after it was given up
	cut     bool          // an answer breaks off in the middle
	err     error         // what the client sees
}

var (
	errStorageDown = errors.New("the simulated storage is down")
	errStorageLost = errors.New("the simulated storage's answer was lost")
	errCut         = errors.New("the simulated storage's answer broke off")
)

// dead says that the process was killed: it asks for nothing any more.
func (v *visit) dead() bool { return v.p != nil && v.p.gone() }

// draw has the seed decide how long a request takes and what becomes of it.
func (v *visit) draw() (f fate, wait time.Duration) {
	v.mu.Lock()
	share := v.faults
	v.mu.Unlock()
	v.chance.Lock()
	defer v.chance.Unlock()
	wait = time.Duration(v.random.Int64N(int64(10 * time.Millisecond)))
	f.arrives = true
	kind := v.random.IntN(5)
	if v.random.Float64() >= share {
		return f, wait
	}
	some := time.Duration(v.random.Int64N(int64(v.soon)))
	switch kind {
	case 0:
		f = fate{err: errStorageDown}
	case 1:
		f.err = errStorageLost
	case 2:
		f = fate{err: errStorageLost, late: some}
	case 3:
		f.cut = true
	case 4:
		wait = some
	}
	v.trace.count("storage-" + []string{"refused", "lost", "late", "cut", "slow"}[kind])
	return f, wait
}

// request waits until a request arrives, or is given up; then it may arrive all the same.
func (v *visit) request(ctx context.Context, act, key string) fate {
	if v.dead() {
		return fate{err: errStorageDown}
	}
	f, wait := v.draw()
	v.mu.Lock()
	left, silent, over := time.Until(v.until), v.silent, v.over
	v.mu.Unlock()
	if left > 0 {
		f = fate{err: errStorageDown}
		if silent {
			wait = left
		}
	}
	var killed chan struct{}
	if v.p != nil {
		killed = v.p.killed
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-over:
	case <-ctx.Done():
		f.err = ctx.Err()
	case <-killed:
		f.err = errStorageDown
	}
	if v.dead() || ctx.Err() != nil {
		v.chance.Lock()
		f.arrives = f.arrives && v.random.IntN(2) == 0
		v.chance.Unlock()
	}
	if f.err != nil && !v.dead() {
		v.trace.say(v.name, "storage %s %s: %v, arrives %v, late %v", act, key,
			f.err, f.arrives, f.late)
	}
	return f
}

// change is a request that changes something.
func (v *visit) change(ctx context.Context, act, key string, do func() error) error {
	f := v.request(ctx, act, key)
	var err error
	switch {
	case f.late > 0:
		v.late.Go(func() {
			time.Sleep(f.late)
			_ = do() // nobody waits for the answer
		})
	case f.arrives:
		err = do()
	}
	if f.err != nil {
		err = fmt.Errorf("%s %s: %w", act, key, f.err)
	}
	return err
}

// List implements checkpoint.Target.
func (v *visit) List(ctx context.Context, prefix string, fn func(checkpoint.Object) error) error {
	f := v.request(ctx, "list", prefix)
	if f.err != nil {
		return fmt.Errorf("list %s: %w", prefix, f.err)
	}
	var all []checkpoint.Object
	err := v.memory.List(ctx, prefix, func(o checkpoint.Object) error {
		o.Time = v.began.Add(time.Duration(v.speed) * o.Time.Sub(v.began))
		all = append(all, o)
		return nil
	})
	if f.cut {
		all, err = all[:len(all)/2], fmt.Errorf("list %s: %w", prefix, errCut)
	}
	for _, o := range all {
		if err := fn(o); err != nil {
			return err
		}
	}
	return err
}

// Open implements checkpoint.Target.
func (v *visit) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	f := v.request(ctx, "open", key)
	if f.err != nil {
		return nil, fmt.Errorf("open %s: %w", key, f.err)
	}
	body, err := v.memory.Open(ctx, key)
	if err != nil || !f.cut {
		return body, err
	}
	content, err := io.ReadAll(body)
	return io.NopCloser(io.MultiReader(bytes.NewReader(content[:len(content)/2]),
		breakOff{})), err
}

// breakOff is where an answer breaks off.
type breakOff struct{}

// Read implements io.Reader.
func (breakOff) Read([]byte) (int, error) { return 0, errCut }

// Put implements checkpoint.Target.
func (v *visit) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	content, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("put %s: %w", key, err)
	}
	return v.change(ctx, "put", key, func() error { return v.put(key, content, once) })
}

// Delete implements checkpoint.Target.
func (v *visit) Delete(ctx context.Context, key string) error {
	return v.change(ctx, "delete", key, func() error {
		return v.memory.Delete(context.WithoutCancel(ctx), key)
	})
}

// Vault implements checkpoint.Target.
func (v *visit) Vault() *checkpoint.Vault { return nil }

// Close implements checkpoint.Target.
func (v *visit) Close() error { return nil }
