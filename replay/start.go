package replay

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"pawl/checkpoint"
	"pawl/internal/verify"
	"pawl/schemas/record"
)

// start is the state that a task's replay begins with: a checkpoint or nothing, then the changelog
// up to a position record.
type start struct {
	base     *checkpoint.Manifest // nil: nothing
	to       *stand               // nil: the base alone
	position record.Position
	known    bool // false: no state at all, before the first record
	why      string
	label    string   // says where it comes from, when it is neither
	skipped  []string // checkpoints that could not be used, and why
}

// source says where the state comes from.
func (st *start) source() string {
	from := "the changelog's beginning"
	if st.base != nil {
		from = "checkpoint " + st.base.ID
	}
	switch {
	case st.label != "":
		return st.label
	case !st.known:
		return "no state, the inputs from where the task began"
	case st.to != nil:
		return fmt.Sprintf("%s and the changelog up to epoch %d", from, st.to.Epoch)
	}
	return from
}

// choose finds the start of every task. With anyLine a state of an earlier incarnation will do:
// whoever only goes back to it needs nothing of what came after.
func (s *session) choose(ctx context.Context, anyLine bool) error {
	if err := errors.Join(s.o.Point.Validate(), s.knownTopics()); err != nil {
		return err
	}
	times, err := s.listTimes(ctx)
	if err != nil {
		return err
	}
	young, err := s.youngest(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, t := range s.tasks {
		if t.last == nil {
			continue
		}
		places, err := s.places(t, times)
		if err != nil {
			return err
		}
		c := &chooser{s: s, t: t, places: places, anyLine: anyLine, young: young,
			only: s.o.Point.Checkpoint != ""}
		if err := c.choose(ctx); err != nil {
			return err
		}
		if err := c.check(); err != nil {
			faults = append(faults, fmt.Errorf("task %s: %w", t.name, err))
		}
		t.start = c.best
	}
	return errors.Join(faults...)
}

// youngest is when the checkpoint was made that the point names; zero for the latest ones.
func (s *session) youngest(ctx context.Context) (time.Time, error) {
	name := s.o.Point.Checkpoint
	if name == "" {
		return time.Time{}, nil
	}
	if s.o.Checkpoints == nil {
		return time.Time{}, fmt.Errorf("checkpoint %s: checkpoint.url is not set; set it", name)
	}
	if name == "latest" {
		return time.Time{}, nil
	}
	var found []string
	var at time.Time
	for _, t := range s.tasks {
		entries, err := s.entries(ctx, t)
		if err != nil {
			return at, err
		}
		for _, e := range entries {
			if e.Manifest != nil && (e.ID == name ||
				strconv.FormatInt(e.Manifest.Epoch, 10) == name) {
				found = append(found, t.name+" "+e.ID)
				at = e.Manifest.Created
			}
		}
	}
	switch len(found) {
	case 1:
		return at, nil
	case 0:
		return at, fmt.Errorf("no task of %s has a checkpoint %s; pawl checkpoint list shows them",
			s.o.Config.ApplicationID, name)
	}
	return at, fmt.Errorf("%s is the epoch of several checkpoints; give the id of one: %s", name,
		strings.Join(found, ", "))
}

func (s *session) entries(ctx context.Context, t *task) ([]checkpoint.Entry, error) {
	if s.o.Checkpoints == nil {
		return nil, nil
	}
	series, err := checkpoint.NewSeries(s.o.Checkpoints, s.o.Config.ApplicationID, t.name)
	if err != nil {
		return nil, err
	}
	return series.List(ctx)
}

// chooser finds one task's start.
type chooser struct {
	s       *session
	t       *task
	places  []int64 // the state may not be further than this
	anyLine bool
	only    bool // checkpoints only
	young   time.Time
	best    start
}

func (c *chooser) choose(ctx context.Context) error {
	if err := c.fromCheckpoint(ctx); err != nil {
		return err
	}
	if c.only {
		return nil
	}
	if err := c.fromChangelog(ctx); err != nil {
		return err
	}
	if !c.best.known {
		c.fromNothing()
	}
	return nil
}

// fits says why a state cannot be the start; "" when it can.
func (c *chooser) fits(p *record.Position) string {
	last := &c.t.last.Position
	switch {
	case len(p.Inputs) != len(last.Inputs):
		return fmt.Sprintf("it has %d input partitions, and now there are %d", len(p.Inputs),
			len(last.Inputs))
	case p.Incarnation != last.Incarnation && !c.anyLine:
		return fmt.Sprintf("the task was taken back since: it is of incarnation %d, and now is %d",
			p.Incarnation, last.Incarnation)
	case p.Epoch > last.Epoch:
		return fmt.Sprintf("its epoch %d is beyond %d, where the task stood", p.Epoch, last.Epoch)
	}
	for i := range p.Inputs {
		in := &p.Inputs[i]
		if in.TopicID != last.Inputs[i].TopicID {
			return fmt.Sprintf("input %s was deleted and made again since", in.Topic)
		}
		if in.Offset > c.places[i] {
			return fmt.Sprintf("it stands at offset %d of %s-%d, beyond %d", in.Offset, in.Topic,
				in.Partition, c.places[i])
		}
	}
	return ""
}

// fromCheckpoint takes the newest checkpoint that fits.
func (c *chooser) fromCheckpoint(ctx context.Context) error {
	entries, err := c.s.entries(ctx, c.t)
	if err != nil {
		return err
	}
	id := c.s.off.ChangelogID()
	for _, e := range entries {
		why := ""
		var p record.Position
		switch m := e.Manifest; {
		case e.Fault != nil:
			why = e.Fault.Error()
		case m.Changelog.TopicID != base64.StdEncoding.EncodeToString(id[:]):
			why = "the changelog was deleted and made again since"
		case !c.young.IsZero() && m.Created.After(c.young):
			why = "it is younger than the one that was named"
		default:
			if p, err = positionOf(m); err != nil {
				return err
			}
			why = c.fits(&p)
		}
		if why != "" {
			c.best.skipped = append(c.best.skipped, e.ID+": "+why)
			continue
		}
		c.best.base, c.best.position, c.best.known = e.Manifest, p, true
		c.best.why = "the newest checkpoint at or before the point"
		return nil
	}
	return nil
}

// positionOf is the position that a checkpoint stands at.
func positionOf(m *checkpoint.Manifest) (record.Position, error) {
	if err := m.Locked(); err != nil {
		return record.Position{}, err
	}
	digest, err := strconv.ParseUint(m.Digest, 16, 64)
	if err != nil {
		return record.Position{}, fmt.Errorf("checkpoint %s: digest %q: %w", m.ID, m.Digest, err)
	}
	p := record.Position{Epoch: m.Epoch, Claim: m.Claim, Writer: m.Writer, Watermark: m.Watermark,
		Ticks: m.Ticks, Digest: int64(digest), Bootstrapped: m.Bootstrapped,
		Partitions: m.Partitions, Incarnation: m.Incarnation}
	for _, in := range m.Inputs {
		p.Inputs = append(p.Inputs, record.Input(in))
	}
	return p, nil
}

// fromChangelog looks for a newer state that the changelog can still tell. Compaction takes old
// position records first: behind the first one that is left everything is there.
func (c *chooser) fromChangelog(ctx context.Context) error {
	b := c.t.log
	epoch := int64(0)
	if m := c.best.base; m != nil {
		if c.s.stale(m) {
			return nil
		}
		b.From, epoch = m.Changelog.Offset, m.Epoch
	}
	seen := false
	return c.s.stands(ctx, c.t, b, func(st *stand) bool {
		whole := seen || st.Epoch == epoch+1
		seen = true
		if c.fits(&st.Position) == "" {
			if whole {
				c.best.to, c.best.position, c.best.known = st, st.Position, true
				c.best.why = "the newest epoch at or before the point that the changelog can tell"
			}
			return true
		}
		return c.anyLine || st.Incarnation < c.t.last.Incarnation
	})
}

// stale says that compaction may have dropped a deletion since a checkpoint was made: the changelog
// cannot take it further.
func (s *session) stale(m *checkpoint.Manifest) bool {
	return time.Since(m.Changelog.Time) > s.kept/2
}

// fromNothing begins where the task once began.
func (c *chooser) fromNothing() {
	p := c.s.off.Fresh(c.t.partition, origins(&c.t.last.Position))
	c.best.position = p
	c.best.why = "no checkpoint and no whole epoch of the changelog is at or before the point"
}

// origins are the offsets at which a task's ledger begins.
func origins(p *record.Position) []int64 {
	all := make([]int64, len(p.Inputs))
	for i := range p.Inputs {
		in := &p.Inputs[i]
		all[i] = in.Offset - in.Processed - in.Late - in.Dead - in.Deduplicated - in.Filtered -
			in.Shed - in.Gaps
	}
	return all
}

// check refuses a start that the inputs no longer reach back to.
func (c *chooser) check() error {
	st := &c.best
	if c.only && !st.known {
		return fmt.Errorf("it has no checkpoint that can be used%s", listed(st.skipped))
	}
	if !st.known && c.t.last.Incarnation > 0 && !c.anyLine {
		return errors.New("it was taken back since it began, and what the changelog holds of it " +
			"does not reach back; begin later, or at a checkpoint made since")
	}
	for i, in := range st.position.Inputs {
		if from := c.s.inputs[in.Topic][in.Partition].From; in.Offset < from {
			return fmt.Errorf("the nearest state to the point stands at offset %d of %s-%d, but "+
				"the log begins at %d: the records between are gone (%s); begin later, or at a "+
				"newer checkpoint%s", in.Offset, in.Topic, in.Partition, from, st.source(),
				listed(st.skipped))
		}
		if in.Offset > c.places[i] && st.known {
			return fmt.Errorf("state at offset %d of %s-%d is beyond the point", in.Offset,
				in.Topic, in.Partition) // unreachable: it did not fit
		}
	}
	return nil
}

func listed(reasons []string) string {
	if len(reasons) == 0 {
		return ""
	}
	return "; passed over: " + strings.Join(reasons, "; ")
}

// bounds is where the start's changelog part lies.
func (st *start) bounds(log verify.Bounds) verify.Bounds {
	b := verify.Bounds{From: log.From, To: log.From}
	if st.base != nil {
		b.From, b.To = st.base.Changelog.Offset, st.base.Changelog.Offset
	}
	if st.to != nil {
		b.To = st.to.at + 1
	}
	return b
}
