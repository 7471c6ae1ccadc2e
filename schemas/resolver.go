package schemas

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/schemas/internal/plan"
)

// notFoundFor is how long the registry's "no such id" is believed before it is asked again: a
// producer may register a schema late, and poisoned records must not become a load on the registry.
const notFoundFor = 30 * time.Second

// Resolver is the cache of one process from schema ids to writer schemas. It is safe for
// concurrent use. An id, once known, never changes its meaning.
type Resolver struct {
	registry Registry

	mu      sync.RWMutex
	known   map[int32]resolved
	missing map[int32]time.Time // until when the registry's "no" stands
	flights map[int32]*flight
}

// resolved is one id: its text, and the schema or why the text is none.
type resolved struct {
	text   string
	schema avro.Schema
	err    error
	json   func() *plan.JSON // made when it is first asked for
}

// known is what a schema's text came to.
func known(text string, schema avro.Schema, err error) resolved {
	return resolved{text: text, schema: schema, err: err,
		json: sync.OnceValue(func() *plan.JSON { return plan.NewJSON(schema) })}
}

// flight is one question to the registry that is under way; err may be read after done.
type flight struct {
	done     chan struct{}
	err      error
	deserted bool // the one who asked gave up, which says nothing about the registry
}

// NewResolver returns an empty Resolver that fetches from reg; nil is allowed when everything
// needed is added.
func NewResolver(reg Registry) *Resolver {
	return &Resolver{
		registry: reg,
		known:    make(map[int32]resolved),
		missing:  make(map[int32]time.Time),
		flights:  make(map[int32]*flight),
	}
}

// Add makes a schema known under id, as read from a store or as just registered. It refuses an
// id that already means something else: then the ids come from two registries, and state written
// under one would be misread under the other.
func (r *Resolver) Add(id int32, schema string) error {
	parsed, text, err := parse(schema)
	if err != nil {
		return fmt.Errorf("schema id %d: %w", id, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old, ok := r.known[id]
	if ok && old.err == nil {
		if Fingerprint(old.schema) != Fingerprint(parsed) {
			return fmt.Errorf("schema id %d is %s (%.8s…) and also %s (%.8s…): was the registry "+
				"replaced? restore it, or rebuild the state", id, schemaName(old.schema),
				Fingerprint(old.schema), schemaName(parsed), Fingerprint(parsed))
		}
		return nil
	}
	r.known[id] = known(text, parsed, nil)
	delete(r.missing, id)
	return nil
}

// Cached returns the schema of id if it is known.
func (r *Resolver) Cached(id int32) (avro.Schema, bool) {
	known, ok := r.find(id)
	return known.schema, ok && known.err == nil
}

// Text returns the text of schema id if it is known.
func (r *Resolver) Text(id int32) (string, bool) {
	known, ok := r.find(id)
	return known.text, ok
}

// find returns what is known of id.
func (r *Resolver) find(id int32) (resolved, bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	known, ok := r.known[id]
	return known, ok
}

// Fetch asks the registry for id, once, and makes it known; those who ask for the same id at the
// same time share one question. It returns ErrNotFound when the registry says that it has no such
// id, and remembers that for half a minute. A text that is no Avro schema is made known as such:
// decoding then fails for good, as KindIncompatible. Never call it on the hot path.
func (r *Resolver) Fetch(ctx context.Context, id int32) error {
	for {
		own, shared, err := r.board(id)
		switch {
		case own != nil:
			r.fly(ctx, id, own)
			return own.err
		case shared == nil:
			return err
		}
		select {
		case <-shared.done:
			if !shared.deserted {
				return shared.err
			}
		case <-ctx.Done():
			return fmt.Errorf("fetch schema id %d: %w", id, context.Cause(ctx))
		}
	}
}

// board returns a new flight of our own, another's to wait for, or the answer that is known.
func (r *Resolver) board(id int32) (own, shared *flight, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.known[id]; ok {
		return nil, nil, nil
	}
	if until, ok := r.missing[id]; ok && time.Now().Before(until) {
		return nil, nil, fmt.Errorf("fetch schema id %d: %w", id, ErrNotFound)
	}
	if shared, ok := r.flights[id]; ok {
		return nil, shared, nil
	}
	if r.registry == nil {
		return nil, nil, fmt.Errorf("fetch schema id %d: there is no registry to ask; "+
			"set schema.registry.url", id)
	}
	own = &flight{done: make(chan struct{})}
	r.flights[id] = own
	return own, nil, nil
}

// fly asks the registry and lands the answer for everybody who waits.
func (r *Resolver) fly(ctx context.Context, id int32, f *flight) {
	text, err := r.registry.Schema(ctx, id)
	r.mu.Lock()
	defer r.mu.Unlock()
	defer close(f.done)
	delete(r.flights, id)
	switch {
	case err == nil:
		schema, normal, bad := parse(text)
		if bad != nil {
			normal = text
		}
		if _, ok := r.known[id]; !ok { // Add may have been faster
			r.known[id] = known(normal, schema, bad)
		}
		delete(r.missing, id)
		return
	case errors.Is(err, ErrNotFound):
		r.missing[id] = time.Now().Add(notFoundFor)
	case ctx.Err() != nil:
		f.deserted = true
	}
	f.err = fmt.Errorf("fetch schema id %d: %w", id, err)
}
