package audit

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// readChangelogs reads what the tasks say of themselves. Of a live application any committed prefix
// will do.
func (a *auditor) readChangelogs(ctx context.Context) error {
	name := a.layout.changelog.name
	read := a.settled
	if a.report.Live {
		read = a.cluster.Bounds
	}
	bounds, err := read(ctx, name)
	if err != nil {
		return err
	}
	a.bounds[name] = bounds
	for _, t := range a.tasks {
		if err := a.readChangelog(ctx, t, bounds[t.partition]); err != nil {
			return err
		}
	}
	return nil
}

// looks is how often a changelog is read before what is wrong with it counts.
const looks = 3

// readChangelog reads one task's log. Where it is not clean it is read again: compaction may have
// gone through it under the reader, who then sees old records, and of newer ones what is left.
func (a *auditor) readChangelog(ctx context.Context, t *task, b verify.Bounds) error {
	for look := 1; ; look++ {
		before := a.report.clone()
		t.last, t.epochs, t.from, t.turned = nil, epochs{}, nil, nil
		c := &changelog{a: a, t: t, topic: a.layout.changelog.name, bounds: b, claim: -1,
			positions: schemas.NewDecoder(record.PositionType(), a.resolver),
			claims:    schemas.NewDecoder(record.ClaimType(), a.resolver)}
		if err := c.read(ctx); err != nil {
			return err
		}
		if look == looks || !a.layout.changelog.compacted || a.report.Total() == before.Total() {
			return nil
		}
		a.report = before
	}
}

// changelog is one task's log being read. Compaction may have left of an old stretch only the
// newest record of each key, and so at most one position record, the first one that is left:
// before it records stand alone, and the state is not whole. Behind it, everything is.
type changelog struct {
	a         *auditor
	t         *task
	topic     string
	bounds    verify.Bounds
	positions *schemas.Decoder[record.Position]
	claims    *schemas.Decoder[record.Claim]

	prev   *record.Position
	prevAt *kgo.Record
	claim  int64  // offset of the newest claim record; -1 for none so far
	writer string // the transactional id in it

	changes int64       // since the last position or claim record
	first   *kgo.Record // of them
	mixed   bool        // they are of several transactions
	lost    *kgo.Record // first change, before the first position record, that a claim came after
	state   *digest
	drift   uint64 // how much the digest of the positions was found to be wrong
}

func (c *changelog) read(ctx context.Context) error {
	c.state = newDigest(c.a.maxKeys, share{1, 0})
	err := c.a.each(ctx, c.topic, c.t.partition, c.bounds, func(rec *kgo.Record) error {
		switch {
		case string(rec.Key) == statestore.PositionKey:
			return c.position(ctx, rec)
		case string(rec.Key) == statestore.ClaimKey:
			return c.claimed(ctx, rec)
		case statestore.Internal(rec.Key):
			c.violated(Changelog, rec, "key %q is none that Pawl writes", rec.Key)
		default:
			c.change(rec)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.changes > 0 {
		c.violated(Changelog, c.first, "no position record follows it and the %d changes with it: "+
			"no epoch accounts for them", c.changes)
	}
	c.t.last = c.prev
	c.a.report.EpochsSeen += int64(len(c.t.epochs.rows))
	if c.prev == nil {
		return nil
	}
	c.t.lastAt = at(c.prevAt)
	c.a.report.Epochs += c.prev.Epoch
	if !c.t.epochs.whole() && c.t.turned == nil {
		c.a.report.note("%s: compaction has deleted position records of older epochs", c.topic)
	}
	c.standing()
	return c.fold(ctx)
}

func (c *changelog) violated(invariant string, rec *kgo.Record, format string, args ...any) {
	c.a.report.violated(invariant, at(rec), format, args...)
}

// change takes a change of state.
func (c *changelog) change(rec *kgo.Record) {
	if c.changes++; c.changes == 1 {
		c.first, c.mixed = rec, false
	}
	c.mixed = c.mixed || writerOf(rec) != writerOf(c.first)
	c.state.change(rec.Key, rec.Value)
}

// claimed takes a claim record.
func (c *changelog) claimed(ctx context.Context, rec *kgo.Record) error {
	var claim record.Claim
	bad, err := decode(ctx, c.claims, rec.Value, &claim)
	if err != nil {
		return fmt.Errorf("claim record at %s: %w", at(rec), err)
	}
	if bad != "" {
		c.violated(Claim, rec, "the claim record cannot be read: %s", bad)
	}
	c.a.report.Claims++
	c.claim, c.writer = rec.Offset, claim.Writer
	switch {
	case c.changes == 0:
	case c.prev == nil:
		if c.lost == nil {
			c.lost = c.first
		}
	default:
		c.unfinished(c.first, c.changes)
	}
	c.changes = 0
	return nil
}

func (c *changelog) unfinished(first *kgo.Record, changes int64) {
	c.violated(Changelog, first, "a claim follows it and the %d changes with it, but no position "+
		"record: no epoch accounts for them", changes)
}

// position takes a position record.
func (c *changelog) position(ctx context.Context, rec *kgo.Record) error {
	p := new(record.Position)
	bad, err := decode(ctx, c.positions, rec.Value, p)
	if err != nil {
		return fmt.Errorf("position record at %s: %w", at(rec), err)
	}
	if bad == "" && len(p.Inputs) != len(c.a.layout.inputs) {
		bad = fmt.Sprintf("it has %d inputs, but the pipeline has %d", len(p.Inputs),
			len(c.a.layout.inputs))
	}
	changes, first := c.changes, c.first
	c.changes = 0
	if bad != "" {
		c.violated(Position, rec, "the position record cannot be read: %s", bad)
		return nil
	}
	strict := c.prev != nil || p.Epoch == 1
	if c.prev == nil && strict && c.lost != nil {
		c.unfinished(c.lost, 1)
	}
	if strict && changes > 0 && (c.mixed || writerOf(first) != writerOf(rec)) {
		c.violated(Changelog, first, "it is of another transaction than the position record of "+
			"epoch %d that follows it", p.Epoch)
	}
	c.judgeClaim(rec, p)
	if c.prev == nil {
		c.begin(rec, p)
	} else {
		c.follow(rec, c.prev, p)
	}
	if strict {
		c.judgeState(rec, p)
	}
	c.t.epochs.add(p, writerOf(rec))
	c.t.account(p, c.a.starts)
	c.prev, c.prevAt = p, rec
	return nil
}

// judgeState compares the digest of a position record with the changes so far.
func (c *changelog) judgeState(rec *kgo.Record, p *record.Position) {
	if c.state.share.of > 1 {
		return // a share tells nothing; the whole is compared at the end
	}
	drift := uint64(p.Digest) - c.state.sum
	if drift != 0 && drift != c.drift {
		c.violated(State, rec, "epoch %d says that the state's digest is %016x, the changes up to "+
			"it fold to %016x", p.Epoch, uint64(p.Digest), c.state.sum)
	}
	c.drift = drift // once is enough
}

// fold compares the state with the last position record, where that was not done on the way. For
// what did not fit the log is read again.
func (c *changelog) fold(ctx context.Context) error {
	sum, keys := c.state.sum, int64(len(c.state.live))
	rest := c.state.rest
	again := len(rest) > 0
	for len(rest) > 0 {
		c.state = newDigest(c.a.maxKeys, rest[0])
		err := c.a.each(ctx, c.topic, c.t.partition, c.bounds, func(rec *kgo.Record) error {
			if !statestore.Internal(rec.Key) {
				c.state.change(rec.Key, rec.Value)
			}
			return nil
		})
		if err != nil {
			return err
		}
		sum += c.state.sum
		keys += int64(len(c.state.live))
		rest = append(rest[1:], c.state.rest...)
	}
	c.a.report.StateKeys += keys
	last := len(c.t.epochs.rows) == 1 && !c.t.epochs.whole()
	if (again || last) && c.changes == 0 && uint64(c.prev.Digest) != sum {
		c.violated(State, c.prevAt, "epoch %d says that the state's digest is %016x, the "+
			"changelog folds to %016x", c.prev.Epoch, uint64(c.prev.Digest), sum)
	}
	c.state = nil
	return nil
}
