package processor

import (
	"context"
	"sync"

	"pawl/schemas"
)

// subject is a schema under the name that the registry is asked for it by.
type subject struct{ name, text string }

// bindFunc gives a schema its id under a subject.
type bindFunc func(name, text string) (int32, error)

// lookupsAtOnce bounds how many questions a start asks the registry at a time.
const lookupsAtOnce = 8

// lookUp asks the registry for all subjects that walk binds, many at once: a restart finds them all
// there, and an answer may take long. What it does not find, or cannot ask for, is left to whoever
// binds them one by one, which registers and tells of faults.
func (in *Instance) lookUp(ctx context.Context, walk func(bindFunc) error) map[subject]int32 {
	var all []subject
	note := func(name, text string) (int32, error) {
		all = append(all, subject{name, text})
		return 0, nil
	}
	if walk(note) != nil {
		return nil // whoever binds them meets the same
	}
	var mu sync.Mutex
	found := make(map[subject]int32, len(all))
	var wait sync.WaitGroup
	turns := make(chan struct{}, lookupsAtOnce)
	for _, s := range all {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			id, err := in.cfg.Registry.Lookup(ctx, s.name, s.text)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[s] = id
		})
	}
	wait.Wait()
	return found
}

// binder binds what was looked up at once, and all else through the registry.
func (in *Instance) binder(ctx context.Context, found map[subject]int32) bindFunc {
	return func(name, text string) (int32, error) {
		if id, ok := found[subject{name, text}]; ok {
			if err := in.bind.resolver.Add(id, text); err == nil {
				return id, nil
			}
		}
		return schemas.Bind(ctx, in.cfg.Registry, in.bind.resolver, name, text,
			!in.cfg.ReadOnlyRegistry)
	}
}
