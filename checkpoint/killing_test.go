package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

var errKilled = errors.New("killed")

// killing is a Target whose user dies: after left operations nothing works any more. The last one
// is not done, or done without an answer, or cut in the middle.
type killing struct {
	Target
	left   int
	done   bool                 // the last operation takes effect
	refuse string               // writes below this prefix fail
	hide   string               // this name is not listed
	before func(op, key string) // called before every operation
	mu     sync.Mutex
	ops    []string
}

// admit counts an operation: it works, or is the last one, or comes too late.
func (k *killing) admit(op, key string) (last bool, err error) {
	if k.before != nil {
		k.before(op, key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left--
	k.ops = append(k.ops, op+" "+key)
	switch {
	case k.left < 0, k.left == 0 && !k.done:
		return true, fmt.Errorf("%s %s: %w", op, key, errKilled)
	case op == "put" && k.refuse != "" && strings.HasPrefix(key, k.refuse):
		return true, fmt.Errorf("%s %s: %w", op, key, errKilled)
	}
	return k.left == 0, nil
}

func unanswered(last bool, err error) error {
	if last {
		return errors.Join(errKilled, err)
	}
	return err
}

func (k *killing) List(ctx context.Context, prefix string, fn func(Object) error) error {
	last, err := k.admit("list", prefix)
	if err != nil {
		return err
	}
	return unanswered(last, k.Target.List(ctx, prefix, func(o Object) error {
		if k.hide != "" && strings.HasSuffix(o.Key, "/"+k.hide) {
			return nil
		}
		return fn(o)
	}))
}

func (k *killing) Open(ctx context.Context, key string) (io.ReadCloser, error) {
	last, err := k.admit("open", key)
	if err != nil {
		return nil, err
	}
	r, err := k.Target.Open(ctx, key)
	if last && err == nil { // dies in the middle of the content
		b, err := io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
		return io.NopCloser(io.MultiReader(bytes.NewReader(b[:len(b)/2]),
			readerFunc(func([]byte) (int, error) { return 0, errKilled }))), nil
	}
	return r, err
}

func (k *killing) Put(ctx context.Context, key string, body io.Reader, once bool) error {
	last, err := k.admit("put", key)
	if err != nil {
		return err
	}
	return unanswered(last, k.Target.Put(ctx, key, body, once))
}

func (k *killing) Delete(ctx context.Context, key string) error {
	last, err := k.admit("delete", key)
	if err != nil {
		return err
	}
	return unanswered(last, k.Target.Delete(ctx, key))
}

// pass lets time pass for m alone.
func (m *Memory) pass(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ahead += d
}

// clone is a Memory with the same content.
func (m *Memory) clone() *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Memory{kept: make(map[string]memoryObject), ahead: m.ahead}
	for key, o := range m.kept {
		c.kept[key] = o
	}
	return c
}

// change replaces or, with nil, deletes an object, whose date stays.
func (m *Memory) change(key string, by func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o := m.kept[key]
	if o.content = by(bytes.Clone(o.content)); o.content == nil {
		delete(m.kept, key)
		return
	}
	m.kept[key] = o
}
