package checkpoint

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is the model Target: a map, for tests and simulations.
type Memory struct {
	mu    sync.Mutex
	kept  map[string]memoryObject
	ahead time.Duration // of its clock
}

type memoryObject struct {
	content []byte
	at      time.Time
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{kept: make(map[string]memoryObject)} }

// List implements Target.
func (m *Memory) List(ctx context.Context, prefix string, fn func(Object) error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("list %s: %w", prefix, err)
	}
	m.mu.Lock()
	var found []Object
	for _, key := range slices.Sorted(maps.Keys(m.kept)) {
		if o := m.kept[key]; strings.HasPrefix(key, prefix) {
			found = append(found, Object{Key: key, Size: int64(len(o.content)), Time: o.at})
		}
	}
	m.mu.Unlock()
	for _, o := range found {
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// Open implements Target.
func (m *Memory) Open(_ context.Context, key string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.kept[key]
	if !ok {
		return nil, fmt.Errorf("read %s: %w", key, fs.ErrNotExist)
	}
	return io.NopCloser(bytes.NewReader(o.content)), nil
}

// Put implements Target.
func (m *Memory) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	content, err := io.ReadAll(body)
	if err == nil {
		err = ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.kept[key]; err == nil && ok && once {
		err = fs.ErrExist
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	m.kept[key] = memoryObject{content: content, at: time.Now().Add(m.ahead)}
	return nil
}

// Delete implements Target.
func (m *Memory) Delete(ctx context.Context, key string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("delete %s: %w", key, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.kept, key)
	return nil
}

// Vault implements Target.
func (m *Memory) Vault() *Vault { return nil }

// Close implements Target.
func (m *Memory) Close() error { return nil }
