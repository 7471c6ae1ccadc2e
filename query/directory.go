package query

import (
	"context"
	"slices"
	"sync"
	"time"

	"pawl/processor"
)

// Directory knows where tasks run. What it says may be out of date: who is asked knows best.
type Directory interface {
	// Owner is the HTTP address of a task's owner; ok is false while none is known.
	Owner(ctx context.Context, partition int32) (address string, ok bool)
	// Instances lists the application's instances.
	Instances(ctx context.Context) ([]processor.Member, error)
	// Doubt says that an answer was wrong.
	Doubt()
}

// NewDirectory is a Directory over the group's own account of its members, which is asked again
// when it is old or doubted.
func NewDirectory(members func(context.Context) ([]processor.Member, error)) Directory {
	return &groupDirectory{members: members}
}

const (
	directoryFresh = 5 * time.Second        // how long an answer is believed
	directoryPause = 100 * time.Millisecond // between two questions
)

type groupDirectory struct {
	members func(context.Context) ([]processor.Member, error)
	asking  sync.Mutex // held while the group is asked

	mu      sync.Mutex
	known   []processor.Member
	owners  map[int32]string
	asked   time.Time
	doubted bool
}

// Owner implements Directory.
func (d *groupDirectory) Owner(ctx context.Context, partition int32) (string, bool) {
	_ = d.refresh(ctx) // what was known before may still be right
	d.mu.Lock()
	defer d.mu.Unlock()
	address, ok := d.owners[partition]
	return address, ok && address != ""
}

// Instances implements Directory.
func (d *groupDirectory) Instances(ctx context.Context) ([]processor.Member, error) {
	err := d.refresh(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known != nil {
		err = nil
	}
	return slices.Clone(d.known), err
}

// Doubt implements Directory.
func (d *groupDirectory) Doubt() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doubted = true
}

// due tells whether it is time to ask the group, and whether anything is known without.
func (d *groupDirectory) due() (due, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	age := time.Since(d.asked)
	fresh := age < directoryPause || age < directoryFresh && !d.doubted && d.known != nil
	return !fresh, d.known != nil
}

// refresh asks the group when it is time. One asks; meanwhile the others go by what was known, or
// wait for the first answer. While the group rebalances it names no tasks: then the owners stay
// those of before.
func (d *groupDirectory) refresh(ctx context.Context) error {
	due, known := d.due()
	switch {
	case !due:
		return nil
	case !known:
		d.asking.Lock()
	case !d.asking.TryLock():
		return nil
	}
	defer d.asking.Unlock()
	if due, _ = d.due(); !due {
		return nil // somebody else has asked
	}
	members, err := d.members(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = time.Now()
	if err != nil {
		return err
	}
	d.doubted = false
	owners := make(map[int32]string)
	for _, m := range members {
		for _, p := range m.Tasks {
			owners[p] = m.Address
		}
	}
	if len(owners) > 0 || d.known == nil {
		d.known, d.owners = members, owners
	}
	return nil
}
