package processor

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// OfflineTask is one task of an Offline: records are fed to it, stepped through, sealed into
// Effects, and these are applied when the caller has them committed, or discarded.
type OfflineTask struct {
	in     *Instance
	task   *task
	store  *statestore.Buffered
	open   bool // the open epoch holds something
	poison *poisonError
}

// OfflineLogs is what a cluster holds of one task when it is opened.
type OfflineLogs struct {
	Changelog []*kgo.Record // committed records with their offsets; the last is the claim
	// What follows is by input, as Offline.Inputs lists them.
	Offsets []int64 // the group's offset of each; -1 for none, as global ones have
	Ends    []int64 // where each ends now
	// Boot says for each table how far it is read before the first record of another input; nil
	// means Ends.
	Boot []int64
}

// Open takes a task over as an instance does: the store is brought up to the claim, proved, and a
// core put over it. disk is what an earlier owner left, or an empty store.
func (o *Offline) Open(partition int32, disk statestore.Store, logs OfflineLogs) (*OfflineTask,
	error) {
	b := o.in.bind
	name := taskName(b.pipeline.name, partition)
	claim, err := o.restore(name, partition, disk, logs.Changelog)
	if err != nil {
		return nil, fmt.Errorf("restore task %s: %w", name, err)
	}
	t := &task{in: o.in, partition: partition, name: name, used: make([]int64, len(b.inputs)),
		store: statestore.NewBuffered(disk)}
	t.opened.Store(1) // so that nobody asks the clock
	t.core = newCore(b, partition, t.store)
	t.core.claim = claim
	t.fresh = b.fresh(partition, make([]int64, len(b.inputs)))
	if err := t.core.load(t.fresh); err != nil {
		return nil, err
	}
	what, mend := o.in.differs(&t.core.position, t.store.Mark().Position != nil, logs.Offsets,
		inputLimits{start: make([]int64, len(b.inputs)), end: logs.Ends})
	if what != "" {
		return nil, &RefusedError{Task: name, What: what, Mend: mend}
	}
	boot := logs.Boot
	if boot == nil {
		boot = logs.Ends
	}
	t.merge = newMerge(b, &t.core.position, boot)
	t.ahead = newAhead(context.Background(), t, true)
	for i, end := range logs.Ends {
		t.merge.push(i, nil, end)
	}
	return &OfflineTask{in: o.in, task: t, store: t.store}, nil
}

// restore brings disk from its mark to the claim and returns the claim's offset.
func (o *Offline) restore(name string, partition int32, disk statestore.Store,
	changelog []*kgo.Record) (int64, error) {
	if len(changelog) == 0 || string(changelog[len(changelog)-1].Key) != statestore.ClaimKey {
		return 0, errors.New("its changelog does not end with a claim")
	}
	if err := o.in.proveChangelog(name, disk.Mark()); err != nil {
		return 0, err
	}
	claim := changelog[len(changelog)-1].Offset
	r := &restore{in: o.in, task: name, partition: partition, store: disk, claim: claim}
	if err := r.begin(o.in.restoreLimit()); err != nil {
		return 0, err
	}
	r.mark.Topic = o.in.bind.changelogID
	from := r.mark.Offset
	for _, rec := range changelog {
		if rec.Offset < from {
			continue
		}
		err := r.take(rec)
		if err == nil && r.load.Full() {
			err = r.write()
		}
		if err != nil {
			return 0, err
		}
	}
	var known []statestore.Schema
	for s := range r.schemas {
		if err := o.in.bind.resolver.Fetch(context.Background(), s.id); err != nil {
			return 0, err
		}
		known = append(known, statestore.Schema{ID: s.id, Table: s.table})
	}
	return claim, errors.Join(r.write(), o.in.gate(known))
}

// Feed adds fetched records of an input, in order; end is where its partition ends by now.
func (t *OfflineTask) Feed(input int, recs []*kgo.Record, end int64) {
	t.task.merge.push(input, recs, end)
}

// ErrDiscard says that the open epoch must be discarded, after what is sealed was decided: a record
// changed state before it was rejected. The next time it goes to the dead-letter topic untried.
var ErrDiscard = errors.New("the open epoch must be discarded")

// Step takes the next record of the merged inputs through the pipeline. It returns false when there
// is none: all that was fed is processed, or the merge waits for an input that has not ended. An
// error other than ErrDiscard is the pipeline's own: on a cluster the task would fail.
func (t *OfflineTask) Step() (bool, error) { return t.step(t.task.merge.next) }

func (t *OfflineTask) step(next func() choice) (bool, error) {
	for {
		c := next()
		var err error
		switch {
		case c.booted:
			err = t.task.booted()
		case c.rec == nil:
			return false, nil
		default:
			err = t.task.process(c)
		}
		if err == nil {
			t.open = true
			return true, nil
		}
		if err := t.trouble(c, err); err != nil {
			return false, err
		}
	}
}

// trouble sorts what a step failed with; nil means to try again.
func (t *OfflineTask) trouble(c choice, err error) error {
	var unknown *schemas.UnknownIDError
	if errors.As(err, &unknown) && t.task.core.failure == nil {
		return t.learn(c, unknown.ID)
	}
	if errors.As(err, &t.poison) {
		return ErrDiscard
	}
	return fmt.Errorf("task %s: %w", t.task.name, placed(c, err))
}

// learn asks the registry for a writer schema; a record of one that it does not have is dead.
func (t *OfflineTask) learn(c choice, id int32) error {
	err := t.in.bind.resolver.Fetch(context.Background(), id)
	if !errors.Is(err, schemas.ErrNotFound) {
		return err
	}
	t.task.core.poison[place{c.input, c.rec.Offset}] = unknownSchema(id)
	return nil
}

func unknownSchema(id int32) *RejectError {
	return RejectAs("UnknownSchema", "the registry has no schema with id %d", id).(*RejectError)
}

func placed(c choice, err error) error {
	if c.rec == nil {
		return err
	}
	return fmt.Errorf("input %s offset %d: %w", c.rec.Topic, c.rec.Offset, err)
}

// Idle moves the task's event time to watermark, in ms, as time does while the inputs are quiet. It
// returns false when that changes nothing, for no timer waits for it. What was fed must have been
// stepped through; whether the inputs have been quiet for long enough is for the caller to say.
func (t *OfflineTask) Idle(watermark int64) (bool, error) {
	c := t.task.core
	if first, ok := c.earliest(); c.watermark == noWatermark || !ok || first > watermark {
		return false, c.failure
	}
	if err := c.idle(watermark); err != nil {
		return false, fmt.Errorf("task %s: idle tick: %w", t.task.name, err)
	}
	t.open = true
	return true, nil
}

// Seal ends the open epoch; nil means that nothing was in it. The next epoch may be stepped through
// at once, but not be sealed before this one is applied or discarded.
func (t *OfflineTask) Seal() (*Effects, error) {
	if !t.open {
		return nil, nil
	}
	t.open = false
	return t.task.core.seal(offlineWriter)
}

// Records are what a transaction sends of fx: outputs in order, then the task's changelog records,
// the position last. They are valid until fx is applied.
func (t *OfflineTask) Records(fx *Effects) (outputs, changelog []*kgo.Record) {
	name := t.in.bind.changelog.name
	add := func(key, value []byte) {
		changelog = append(changelog, &kgo.Record{Topic: name, Partition: t.task.partition,
			Key: key, Value: value})
	}
	for _, c := range fx.Changes {
		add(c.Key, c.Value)
	}
	add([]byte(statestore.PositionKey), fx.position)
	return fx.Outputs, changelog
}

// Counted is what fx adds to the pipeline's counters; valid until fx is applied.
func (t *OfflineTask) Counted(fx *Effects) []Counted { return fx.counted(t.in.pipe) }

// Apply brings a committed epoch into the store; offset is its position record's in the changelog.
// Of decoded state no more than cacheLimit bytes are kept.
func (t *OfflineTask) Apply(fx *Effects, offset, cacheLimit int64) error {
	mark := statestore.Mark{Position: fx.position, Offset: offset + 1,
		Topic: t.in.bind.changelogID}
	if err := t.store.Apply(fx.Changes, mark); err != nil {
		return fmt.Errorf("task %s: %w", t.task.name, err)
	}
	t.task.ahead.forget(fx.Position.Inputs)
	t.task.core.applied(fx, cacheLimit)
	return nil
}

// Discard drops what is not applied, sealed or open. Records must be fed again from Position on.
func (t *OfflineTask) Discard() error {
	c := t.task.core
	if t.poison != nil {
		c.poison[t.poison.at] = t.poison.why
		t.poison = nil
	}
	t.open = false
	if err := c.discard(t.task.fresh); err != nil {
		return err
	}
	t.task.merge.clear(&c.position)
	t.task.ahead.rewind(c.position.Inputs)
	return nil
}

// Name is the task's name, pipeline and partition.
func (t *OfflineTask) Name() string { return t.task.name }

// Position is where the task stands after the last record stepped through.
func (t *OfflineTask) Position() record.Position {
	p := t.task.core.position
	p.Inputs = slices.Clone(p.Inputs)
	return p
}

// Store is the committed state; closing it drops what was not flushed.
func (t *OfflineTask) Store() *statestore.Buffered { return t.store }
