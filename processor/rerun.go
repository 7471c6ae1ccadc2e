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

// NewOfflineOn is NewOffline with the topics of a cluster as they are: their partitions, their ids,
// the sizes they take. It creates none, and lists all that are missing or unfit. The caller closes
// what it returns.
func NewOfflineOn(ctx context.Context, cfg Config, p *Pipeline) (*Offline, error) {
	cfg.EnsureDefaults()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	o := &Offline{in: &Instance{cfg: cfg, pipe: p}, topics: make(map[string]typed),
		ids: make(map[string]int32)}
	err := o.in.connect(ctx)
	if err == nil {
		err = o.bindOn(ctx)
	}
	if err != nil {
		o.Close()
		return nil, err
	}
	return o, nil
}

func (o *Offline) bindOn(ctx context.Context) error {
	pl, err := o.in.planTopics(ctx)
	if err != nil {
		return err
	}
	var faults []error
	for _, t := range pl.plans {
		switch {
		case t.Fault != "":
			faults = append(faults, errors.New(t.Fault))
		case !t.Exists:
			faults = append(faults, fmt.Errorf("topic %s does not exist; has application %s ever "+
				"run on this cluster, under this application.id and topic.prefix?", t.Name,
				o.in.cfg.ApplicationID))
		}
	}
	if len(faults) > 0 {
		return &StartError{errors.Join(faults...)}
	}
	o.plans, o.in.limits = pl.plans, pl.limits
	if err := o.in.bindSchemas(ctx, pl); err != nil {
		return err
	}
	return o.bindTypes()
}

// Close closes what NewOfflineOn opened.
func (o *Offline) Close() { o.in.closeClients() }

// Client makes a Kafka client as instances of the application have them; Close closes it.
func (o *Offline) Client(role string, opts ...kgo.Opt) (*kgo.Client, error) {
	return o.in.client(role, opts...)
}

// TransactionsV2 says that the cluster has transactions v2 (KIP-890).
func (o *Offline) TransactionsV2() bool { return o.in.txnV2 }

// BatchLimit is the largest batch that a topic takes, in bytes.
func (o *Offline) BatchLimit(topic string) int32 { return o.in.batchLimit(topic) }

// Partitions is how many tasks there are.
func (o *Offline) Partitions() int32 { return o.in.bind.partitions }

// ChangelogID is the id of the changelog topic.
func (o *Offline) ChangelogID() [16]byte { return o.in.bind.changelogID }

// Fresh is where a task stands that begins with nothing at these offsets of its inputs.
func (o *Offline) Fresh(partition int32, start []int64) record.Position {
	return o.in.bind.fresh(partition, start)
}

// EncodePosition writes a position record's value.
func (o *Offline) EncodePosition(p *record.Position) ([]byte, error) {
	b, err := schemas.NewEncoder(record.PositionType(), o.in.bind.positionID).Append(nil, p)
	if err != nil {
		return nil, fmt.Errorf("encode position record: %w", err)
	}
	return b, nil
}

// EncodeClaim writes a claim record's value.
func (o *Offline) EncodeClaim(writer string) ([]byte, error) {
	b, err := schemas.NewEncoder(record.ClaimType(), o.in.bind.claimID).Append(nil,
		&record.Claim{Writer: writer})
	if err != nil {
		return nil, fmt.Errorf("encode claim record: %w", err)
	}
	return b, nil
}

// Stretch is a part of a task's history that is run again.
type Stretch struct {
	Start  []int64        // by input: where it begins, when the store holds no position
	Until  []record.Input // by input: where it ends, as the position record there says
	Ticks  []record.Tick  // that the task logged meanwhile, in order
	Booted bool           // the tables were read to their ends before it ends
}

// RerunTask is a task that repeats a stretch of its history: it takes the records in the order in
// which they were taken then, whatever the batches in which they are fed.
type RerunTask struct {
	*OfflineTask
	until   []record.Input
	booted  bool // the stretch has the end of the bootstrap in it, or begins behind
	ended   []bool
	fed     [][]*kgo.Record // by input: not applied yet
	idle    []record.Tick
	late    map[place][]record.Mark
	applied int // idle ticks that are applied
	at      int // idle ticks that were taken
	want    int // the input that more is needed of, after a Step that found none
	settled bool
}

// Rerun puts a core over disk, which stands where the stretch begins.
func (o *Offline) Rerun(partition int32, disk statestore.Store, s Stretch) (*RerunTask, error) {
	b := o.in.bind
	name := taskName(b.pipeline.name, partition)
	t := &task{in: o.in, partition: partition, name: name, used: make([]int64, len(b.inputs)),
		store: statestore.NewBuffered(disk)}
	t.opened.Store(1) // so that nobody asks the clock
	t.core = newCore(b, partition, t.store)
	t.fresh = b.fresh(partition, s.Start)
	if err := t.core.load(t.fresh); err != nil {
		return nil, err
	}
	t.core.claim = t.core.position.Claim
	pos := &t.core.position
	offsets, lim := make([]int64, len(b.inputs)), inputLimits{start: make([]int64, len(b.inputs)),
		end: make([]int64, len(b.inputs))}
	known := t.store.Mark().Position != nil
	for i := range offsets {
		if offsets[i] = -1; known && i < len(pos.Inputs) {
			offsets[i], lim.end[i] = pos.Inputs[i].Offset, pos.Inputs[i].Offset
		}
	}
	if what, mend := o.in.differs(pos, known, offsets, lim); what != "" {
		return nil, &RefusedError{Task: name, What: what, Mend: mend}
	}
	if len(s.Until) != len(b.inputs) {
		return nil, &RefusedError{Task: name, What: fmt.Sprintf("the pipeline has %d input "+
			"partitions for the task, but its history has %d", len(b.inputs), len(s.Until)),
			Mend: "run a version with the same inputs"}
	}
	if err := o.gateStore(disk); err != nil {
		return nil, err
	}
	r := &RerunTask{OfflineTask: &OfflineTask{in: o.in, task: t, store: t.store}, until: s.Until,
		booted: s.Booted,
		ended:  make([]bool, len(b.inputs)), fed: make([][]*kgo.Record, len(b.inputs)),
		late: make(map[place][]record.Mark)}
	boot := make([]int64, len(b.inputs))
	for i := range boot {
		boot[i] = s.Until[i].Offset
	}
	if err := r.script(s.Ticks, boot); err != nil {
		return nil, fmt.Errorf("task %s: %w", name, err)
	}
	t.merge = newMerge(b, pos, boot)
	t.ahead = newAhead(context.Background(), t, true)
	return r, nil
}

// gateStore refuses state that today's tables cannot read.
func (o *Offline) gateStore(disk statestore.Store) error {
	known, err := statestore.Schemas(disk)
	if err != nil {
		return err
	}
	for _, k := range known {
		if err := o.in.bind.resolver.Add(k.ID, k.Text); err != nil {
			return fmt.Errorf("state schema %d: %w", k.ID, err)
		}
	}
	return o.in.gate(known)
}

// script sorts the ticks by what they decide.
func (t *RerunTask) script(ticks []record.Tick, boot []int64) error {
	for n := range ticks {
		tick := &ticks[n]
		switch tick.Kind {
		case record.TickIdle:
			t.idle = append(t.idle, *tick)
			continue
		case record.TickBootstrap, record.TickDeviation:
		default:
			return fmt.Errorf("unknown kind of tick %q", tick.Kind)
		}
		i := t.input(tick.Topic, tick.Partition)
		if i < 0 {
			return fmt.Errorf("tick %s names %s-%d, which is no input", tick.Kind, tick.Topic,
				tick.Partition)
		}
		if tick.Kind == record.TickBootstrap {
			boot[i] = tick.Offset
			continue
		}
		t.late[place{i, tick.Offset}] = tick.After
	}
	return nil
}

func (t *RerunTask) input(topic string, partition int32) int {
	return slices.IndexFunc(t.task.core.position.Inputs, func(in record.Input) bool {
		return in.Topic == topic && in.Partition == partition
	})
}

// Feed adds fetched records of an input, in order. Those at or beyond the end are left out.
func (t *RerunTask) Feed(input int, recs []*kgo.Record) {
	for len(recs) > 0 && recs[len(recs)-1].Offset >= t.until[input].Offset {
		recs = recs[:len(recs)-1]
		t.ended[input] = true
	}
	t.fed[input] = append(t.fed[input], recs...)
	t.task.merge.push(input, recs, 0)
}

// End says that an input has no more records.
func (t *RerunTask) End(input int) { t.ended[input] = true }

// Wants is the input that the last Step found nothing of, or -1 when the stretch is over.
func (t *RerunTask) Wants() int { return t.want }

// Step takes the next record, or the next idle tick. It returns false when it needs records of the
// input that Wants names, or all is taken. An error other than ErrDiscard is the pipeline's own, or
// says that the history cannot be repeated.
func (t *RerunTask) Step() (bool, error) {
	t.want = -1
	for i := range t.ended {
		if t.task.merge.inputs[i].head() == nil && !t.ended[i] {
			t.want = i
			return false, nil
		}
	}
	if t.at < len(t.idle) && !t.task.merge.boot && t.reached(t.idle[t.at].After) {
		tick := &t.idle[t.at]
		if err := t.task.core.idle(tick.Watermark); err != nil {
			return false, fmt.Errorf("task %s: idle tick: %w", t.task.name, err)
		}
		t.at++
		t.open = true
		return true, nil
	}
	var held error
	stepped, err := t.step(func() choice {
		var c choice
		c, held = t.choose()
		return c
	})
	if !stepped && err == nil && held == nil && t.at < len(t.idle) && !t.task.merge.boot {
		held = fmt.Errorf("task %s: an idle tick waits for records that are not there: %+v",
			t.task.name, t.idle[t.at].After)
	}
	return stepped, errors.Join(err, held)
}

// choose is the record that was taken next.
func (t *RerunTask) choose() (choice, error) {
	m := t.task.merge
	if m.boot {
		c := m.nextBoot()
		if c.rec == nil && t.booted {
			return choice{booted: true}, nil
		}
		return choice{input: c.input, rec: c.rec}, nil
	}
	best, held := -1, -1
	for i := range m.inputs {
		rec := m.inputs[i].head()
		if rec == nil {
			continue
		}
		if after, ok := t.late[place{i, rec.Offset}]; ok {
			if t.reached(after) {
				return choice{input: i, rec: rec, deviation: true}, nil
			}
			held = i
			continue
		}
		if best < 0 || t.before(i, best) {
			best = i
		}
	}
	if best >= 0 {
		return choice{input: best, rec: m.inputs[best].head()}, nil
	}
	if held >= 0 {
		return choice{}, fmt.Errorf("task %s: input %s offset %d was taken after records that are "+
			"not there", t.task.name, m.inputs[held].head().Topic, m.inputs[held].head().Offset)
	}
	return choice{}, nil
}

// before orders heads as the merge does.
func (t *RerunTask) before(a, b int) bool {
	m := t.task.merge
	at, bt := m.inputs[a].head().Timestamp.UnixMilli(), m.inputs[b].head().Timestamp.UnixMilli()
	if at != bt {
		return at < bt
	}
	return m.inputs[a].table && !m.inputs[b].table
}

// reached says whether all records below the marks are taken.
func (t *RerunTask) reached(marks []record.Mark) bool {
	for _, k := range marks {
		i := t.input(k.Topic, k.Partition)
		if i < 0 {
			continue
		}
		head := t.task.merge.inputs[i].head()
		if t.task.core.position.Inputs[i].Offset < k.Offset && head != nil &&
			head.Offset < k.Offset {
			return false
		}
	}
	return true
}

// Settle takes the position to the end of the stretch, when all records are taken: behind the last
// one there may be offsets that hold none.
func (t *RerunTask) Settle() {
	if t.settled {
		return
	}
	t.settled, t.open = true, true
	for i := range t.until {
		in := &t.task.core.position.Inputs[i]
		in.Gaps += t.until[i].Offset - in.Offset
		in.Offset, in.Passed = t.until[i].Offset, t.until[i].Passed
	}
}

// Apply is OfflineTask's.
func (t *RerunTask) Apply(fx *Effects, offset, cacheLimit int64) error {
	to := fx.Position.Inputs
	for i := range t.fed {
		n, _ := slices.BinarySearchFunc(t.fed[i], to[i].Offset, func(r *kgo.Record, o int64) int {
			return int(min(max(r.Offset-o, -1), 1))
		})
		t.fed[i] = slices.Delete(t.fed[i], 0, n)
	}
	t.applied = t.at
	return t.OfflineTask.Apply(fx, offset, cacheLimit)
}

// Discard is OfflineTask's, but what was fed need not be fed again.
func (t *RerunTask) Discard() error {
	t.at, t.settled = t.applied, false
	if err := t.OfflineTask.Discard(); err != nil {
		return err
	}
	for i := range t.fed {
		t.task.merge.push(i, slices.Clone(t.fed[i]), 0)
	}
	return nil
}
