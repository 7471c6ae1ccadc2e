package past

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"pawl/checkpoint"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// key names a checkpoint of the application.
type key struct{ task, id string }

// stored is a checkpoint on its way to be read, or there.
type stored struct {
	key
	dir   string
	bytes int64
	refs  int   // requests that want it, and its download
	used  int64 // when it was asked for last, as the Cache counts

	ready chan struct{} // closed when the rest is set
	err   error
	store *statestore.Pebble
	state processor.StoredState
}

// load downloads and opens it.
func (c *Cache) load(ctx context.Context, s *stored, series *checkpoint.Series,
	m *checkpoint.Manifest) error {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := series.Restore(ctx, m, s.dir, c.cfg.Limits, nil); err != nil {
		return errors.Join(err, remove(s.dir), remove(s.dir+".restoring"))
	}
	store, err := c.env.OpenReadOnly(s.dir)
	if err != nil {
		return errors.Join(err, remove(s.dir))
	}
	resolver, pos, err := Describe(store, m.Schemas)
	if err != nil {
		return errors.Join(fmt.Errorf("checkpoint %s %s: %w", series, m.ID, err), store.Close(),
			remove(s.dir))
	}
	s.store = store
	s.state = processor.StoredState{Task: s.task, Partition: m.Partition, Position: pos,
		Store: statestore.NewBuffered(store), Resolver: resolver}
	return nil
}

// discard closes a store that nobody reads, and deletes it.
func (s *stored) discard() error {
	if s.store == nil {
		return nil
	}
	return errors.Join(s.store.Close(), remove(s.dir))
}

func remove(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("remove %s: %w", filepath.Base(dir), err)
	}
	return nil
}

// Describe gives the schemas that a store's values are written with, and where it stands. more are
// those that a checkpoint's manifest has beside them.
func Describe(store *statestore.Pebble, more []checkpoint.Schema) (*schemas.Resolver,
	record.Position, error) {
	var pos record.Position
	resolver := schemas.NewResolver(nil)
	known, err := statestore.Schemas(store)
	if err != nil {
		return nil, pos, err
	}
	for _, s := range known {
		if err := resolver.Add(s.ID, s.Text); err != nil {
			return nil, pos, err
		}
	}
	for _, s := range more {
		if err := resolver.Add(s.ID, s.Text); err != nil {
			return nil, pos, err
		}
	}
	raw := store.Mark().Position
	if raw == nil {
		return resolver, pos, nil // nothing was committed before it was closed
	}
	id, _, err := schemas.ParseHeader(raw)
	if _, ok := resolver.Text(id); err == nil && !ok {
		// A store does not keep the schema of its position record: it is this version's.
		err = resolver.Add(id, record.PositionType().String())
	}
	if err == nil {
		err = schemas.NewDecoder(record.PositionType(), resolver).Decode(raw, &pos)
	}
	if err != nil {
		return nil, pos, fmt.Errorf("position record: %w", err)
	}
	return resolver, pos, nil
}
