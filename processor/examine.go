package processor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Examination is what a start of an application would find, and whether it would be refused, by the
// reasons of the start itself. Nothing is written or claimed.
type Examination struct {
	Application string
	Pipeline    string
	Live        bool     // the group has members: what is seen may move meanwhile
	Faults      []string // of topics, for which no task would start
	Tombstones  time.Duration
	Tasks       []TaskExamination
}

// TaskExamination is one task's part.
type TaskExamination struct {
	Task      string
	Partition int32
	Local     *LocalState      // nil: no store on this machine
	Position  *record.Position // the last position record; nil: none
	At        int64            // its offset in the changelog
	Changelog LogExtent
	Inputs    []InputExamination
	Notes     []string      // what a start would do by itself
	Rebuilt   bool          // of that: it would build the store here anew
	Refused   *RefusedError // why a start would refuse; nil: it would not
}

// LocalState is what a task's store on this machine says.
type LocalState struct {
	Dir     string
	Epoch   int64
	Offset  int64     // where its restore would begin in the changelog
	Time    time.Time // of the last record in it
	TopicID string    // of the changelog that it was written from
	Fault   string    // why it cannot be read
}

// LogExtent is a partition's log: its topic's id, first offset and last stable one.
type LogExtent struct {
	Topic      string
	TopicID    string // "" when the topic does not exist
	Start, End int64
}

// InputExamination is one input partition: the log, the group's offset (-1 for none, also where the
// group keeps none, for global inputs), and where the state stands (-1 for nowhere).
type InputExamination struct {
	LogExtent
	Partition int32
	Global    bool
	Group     int64
	State     int64
	StateID   string // of the topic that the state was built from
}

// onlook is an instance that looks at the cluster and joins nothing, with its plan of the topics.
func onlook(ctx context.Context, cfg Config, p *Pipeline) (in *Instance, pl *planner, done func(),
	err error) {
	cfg.EnsureDefaults()
	in = &Instance{cfg: cfg, pipe: p, tombstones: 24 * time.Hour}
	in.ctx, in.cancel = context.WithCancelCause(ctx)
	in.stateDir = filepath.Join(cfg.StateDir, cfg.ApplicationID)
	done = func() {
		in.closeClients()
		in.cancel(nil)
	}
	if err = in.connect(ctx); err == nil {
		pl, err = in.planTopics(ctx)
	}
	if err != nil {
		done()
		return nil, nil, nil, err
	}
	return in, pl, done, nil
}

// Examine looks at everything that a start compares.
func Examine(ctx context.Context, cfg Config, p *Pipeline) (*Examination, error) {
	in, pl, done, err := onlook(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	defer done()
	e := &Examination{Application: cfg.ApplicationID, Pipeline: p.name,
		Tombstones: in.tombstones}
	for _, t := range pl.plans {
		if t.Fault != "" {
			e.Faults = append(e.Faults, t.Fault)
		}
	}
	if e.Live, err = in.live(ctx); err != nil {
		return nil, err
	}
	if pl.count == 0 {
		return e, nil // without an input there is nothing to compare with
	}
	in.bindTopics(pl)
	for task := range int32(pl.count) {
		t, err := in.examineTask(ctx, pl, task)
		if err != nil {
			return nil, fmt.Errorf("examine task %s: %w", taskName(p.name, task), err)
		}
		e.Tasks = append(e.Tasks, *t)
	}
	return e, nil
}

// bindTopics binds what a comparison needs, without schema ids.
func (in *Instance) bindTopics(pl *planner) {
	b := &binding{app: in.cfg.ApplicationID, pipeline: in.pipe, partitions: int32(pl.count),
		resolver: schemas.NewResolver(in.cfg.Registry)}
	b.changelog.name = changelogName(in.cfg.ApplicationID, in.pipe.name)
	b.changelogID = [16]byte(pl.topics[b.changelog.name].ID)
	for source, i := range in.pipe.inputs {
		name := in.cfg.TopicPrefix + i.topic()
		d := pl.topics[name]
		d.Topic = name
		b.bindInput(source, i, d)
	}
	in.bind = b
}

// live says whether the group has members.
func (in *Instance) live(ctx context.Context) (bool, error) {
	var g kadm.DescribedGroup
	// A cluster that has had no group yet finds a coordinator only after the first question.
	err := in.untilStarted(ctx, "coordinator of group "+in.cfg.ApplicationID,
		func(try context.Context) error {
			groups, err := in.adm.DescribeGroups(try, in.cfg.ApplicationID)
			g = groups[in.cfg.ApplicationID]
			if err == nil && !errors.Is(g.Err, kerr.GroupIDNotFound) {
				err = g.Err
			}
			return err
		})
	return len(g.Members) > 0, err
}

// examineLooks is how often a task of a live application is looked at until what is compared was
// not moving.
const examineLooks = 5

func (in *Instance) examineTask(ctx context.Context, pl *planner, task int32) (*TaskExamination,
	error) {
	for look := 1; ; look++ {
		before, open, err := in.offsetsNow(ctx, task)
		if err != nil {
			return nil, err
		}
		t, err := in.lookAt(ctx, pl, task, before)
		if err != nil {
			return nil, err
		}
		after, openAfter, err := in.offsetsNow(ctx, task)
		if err != nil {
			return nil, err
		}
		moved := open || openAfter || !slices.Equal(before, after)
		if t.Refused == nil || !moved {
			return t, nil
		}
		if look == examineLooks {
			t.Refused = nil
			t.Notes = append(t.Notes, "it commits all the time, so that its offsets could not be "+
				"compared; look again when it is quiet, or stop it")
			return t, nil
		}
		pause(ctx, 100*time.Millisecond)
	}
}

// offsetsNow reads the group's offsets; open says that a transaction is about to change them, and
// none are known. Without the group, or the topics, there are none.
func (in *Instance) offsetsNow(ctx context.Context, task int32) (offsets []int64, open bool,
	err error) {
	offsets, err = in.groupOffsetsOnce(ctx, task)
	switch {
	case err == nil:
		return offsets, false, nil
	case errors.Is(err, kerr.UnstableOffsetCommit):
		open = true
	case !errors.Is(err, kerr.GroupIDNotFound) && !errors.Is(err, kerr.UnknownTopicID) &&
		!errors.Is(err, kerr.UnknownTopicOrPartition):
		return nil, false, err
	}
	offsets = make([]int64, len(in.bind.inputs))
	for i := range offsets {
		offsets[i] = -1
	}
	return offsets, open, nil
}

// lookAt compares one task's accounts as a start would.
func (in *Instance) lookAt(ctx context.Context, pl *planner, task int32, offsets []int64) (
	*TaskExamination, error) {
	t := &TaskExamination{Task: taskName(in.pipe.name, task), Partition: task}
	if err := in.lookAtChangelog(ctx, pl, t); err != nil {
		return nil, err
	}
	var refused *RefusedError
	lim, limErr := in.inputLimits(ctx, task)
	if limErr != nil && !errors.As(limErr, &refused) && len(pl.faulty()) == 0 {
		return nil, limErr
	}
	for i, b := range in.bind.inputs {
		one := InputExamination{Partition: b.of(task), Global: b.global, Group: offsets[i],
			State: -1, LogExtent: LogExtent{Topic: b.topic, Start: -1, End: -1}}
		if pl.exists(b.topic) {
			one.TopicID = b.topicID
		}
		if limErr == nil {
			one.Start, one.End = lim.start[i], lim.end[i]
		}
		if t.Position != nil && i < len(t.Position.Inputs) {
			one.State, one.StateID = t.Position.Inputs[i].Offset, t.Position.Inputs[i].TopicID
		}
		t.Inputs = append(t.Inputs, one)
	}
	mark, known := in.lookAtStore(ctx, t)
	if refused == nil {
		refused = in.verdict(t, mark, known, offsets, lim, limErr)
	}
	t.Refused = refused
	return t, nil
}

// verdict applies a start's own rules, in its order.
func (in *Instance) verdict(t *TaskExamination, mark statestore.Mark, known []statestore.Schema,
	offsets []int64, lim inputLimits, limErr error) *RefusedError {
	var refused *RefusedError
	if errors.As(in.proveChangelog(t.Task, mark), &refused) {
		return refused
	}
	if err := in.gate(known); err != nil {
		return clashed(t.Task, err)
	}
	if limErr != nil {
		return nil // a topic's fault, which is told as such
	}
	pos := in.bind.fresh(t.Partition, lim.start)
	if t.Position != nil {
		pos = *t.Position
	}
	what, mend := in.differs(&pos, t.Position != nil, offsets, lim)
	if what == "" {
		return nil
	}
	return &RefusedError{Task: t.Task, What: what, Mend: mend}
}

// lookAtStore reads what the local store says of itself, and notes what a restore would do.
func (in *Instance) lookAtStore(ctx context.Context, t *TaskExamination) (statestore.Mark,
	[]statestore.Schema) {
	dir := filepath.Join(in.stateDir, t.Task)
	if _, err := os.Stat(dir); in.cfg.StateDir == "" || errors.Is(err, fs.ErrNotExist) {
		if t.Position != nil {
			t.Notes = append(t.Notes, "there is no store here: the state is restored from the "+
				"start of the changelog")
		}
		return statestore.Mark{}, nil
	}
	t.Local = &LocalState{Dir: dir}
	env := in.cfg.Stores(8<<20, func(err error) { t.Local.Fault = err.Error() })
	defer env.Close()
	snap, err := env.Snapshot(dir)
	if err != nil {
		t.Local.Fault = err.Error()
		var corrupt *statestore.CorruptError
		if errors.As(err, &corrupt) {
			t.Rebuilt = true
			t.Notes = append(t.Notes, "the store here is damaged: it is removed, and the state is "+
				"restored from a checkpoint or the changelog")
		}
		return statestore.Mark{}, nil
	}
	t.Local.Offset, t.Local.Time = snap.Mark.Offset, time.UnixMilli(snap.Mark.Time).UTC()
	t.Local.TopicID = kadm.TopicID(snap.Mark.Topic).String()
	if snap.Mark.Position != nil {
		if pos, err := in.position(ctx, snap.Mark.Position); err == nil {
			t.Local.Epoch = pos.Epoch
		}
	}
	for _, s := range snap.Schemas {
		if err := in.bind.resolver.Add(s.ID, s.Text); err != nil {
			t.Notes = append(t.Notes, err.Error())
		}
	}
	if in.tooOld(snap.Mark) {
		t.Rebuilt = true
		t.Notes = append(t.Notes, fmt.Sprintf("the store here is older than half of the "+
			"changelog's delete.retention.ms (%v): it is rebuilt from the changelog",
			in.tombstones))
	}
	if snap.Mark.Offset < t.Changelog.Start {
		t.Rebuilt = true
		t.Notes = append(t.Notes, fmt.Sprintf("the changelog begins at %d and no longer holds "+
			"offset %d, where the store here stands: it is rebuilt from the changelog",
			t.Changelog.Start, snap.Mark.Offset))
	}
	return snap.Mark, snap.Schemas
}

// position decodes a position record by the schema it names; without a registry, by this version's.
func (in *Instance) position(ctx context.Context, raw []byte) (record.Position, error) {
	var pos record.Position
	id, _, err := schemas.ParseHeader(raw)
	if err == nil {
		err = in.bind.resolver.Fetch(ctx, id)
	}
	if err == nil {
		err = schemas.NewDecoder(record.PositionType(), in.bind.resolver).Decode(raw, &pos)
	}
	if err != nil {
		return pos, fmt.Errorf("read position record: %w", err)
	}
	return pos, nil
}

// lookAtChangelog finds the last position record of a task.
func (in *Instance) lookAtChangelog(ctx context.Context, pl *planner, t *TaskExamination) error {
	name := in.bind.changelog.name
	t.Changelog = LogExtent{Topic: name, Start: -1, End: -1}
	d, ok := pl.topics[name]
	if !ok || d.Err != nil || int(t.Partition) >= len(d.Partitions) {
		return nil
	}
	t.Changelog.TopicID = d.ID.String()
	starts, err := in.adm.ListStartOffsets(ctx, name)
	if err == nil {
		err = starts.Error()
	}
	var ends kadm.ListedOffsets
	if err == nil {
		ends, err = in.adm.ListCommittedOffsets(ctx, name)
	}
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return fmt.Errorf("list offsets of the changelog: %w", err)
	}
	start, _ := starts.Lookup(name, t.Partition)
	end, _ := ends.Lookup(name, t.Partition)
	t.Changelog.Start, t.Changelog.End = start.Offset, end.Offset
	to := end.Offset
	for back := int64(1000); to > start.Offset; back *= 8 {
		from := max(start.Offset, to-back)
		last, err := in.lastPosition(ctx, t.Partition, from, to)
		if err != nil {
			return err
		}
		if last != nil {
			pos, err := in.position(ctx, last.Value)
			t.Position, t.At = &pos, last.Offset
			return err
		}
		to = from
	}
	return nil
}

// lastPosition reads a stretch of a changelog partition for its last position record.
func (in *Instance) lastPosition(ctx context.Context, partition int32, from, to int64) (
	last *kgo.Record, err error) {
	changelog := boundInput{topic: in.bind.changelog.name, id: in.bind.changelogID}
	err = in.readStretch(ctx, changelog, partition, from, to, func(rec *kgo.Record) {
		if string(rec.Key) == statestore.PositionKey {
			last = rec
		}
	})
	return last, err
}

// readStretch gives what is committed in a stretch of a log, control records left out. The records
// stay valid.
func (in *Instance) readStretch(ctx context.Context, b boundInput, partition int32, from, to int64,
	take func(*kgo.Record)) error {
	cl, err := in.client("examine",
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
			b.topic: {partition: kgo.NewOffset().At(from)}}),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()), kgo.KeepControlRecords(),
		kgo.FetchMaxWait(100*time.Millisecond))
	if err != nil {
		return err
	}
	defer in.closeClient(cl)
	for at := from; at < to; {
		wait, cancel := context.WithTimeout(ctx, time.Second)
		fetches := cl.PollFetches(wait)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, e := range fetches.Errors() {
			if !errors.Is(e.Err, context.DeadlineExceeded) {
				return fmt.Errorf("read %s-%d: %w", e.Topic, e.Partition, e.Err)
			}
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			at = rec.Offset + 1
			if rec.Offset < to && !rec.Attrs.IsControl() {
				take(rec)
			}
		})
		if fetches.NumRecords() > 0 {
			continue
		}
		// What is left may hold no record: aborted ones, or what compaction took.
		hollow, err := in.hollow(ctx, b, partition, at, to)
		if err != nil || hollow {
			return err
		}
	}
	return nil
}

// faulty are the topics that cannot be used as they are.
func (p *planner) faulty() []string {
	var names []string
	for _, t := range p.plans {
		if t.Fault != "" {
			names = append(names, t.Name)
		}
	}
	return names
}

func (p *planner) exists(topic string) bool {
	d, ok := p.topics[topic]
	return ok && d.Err == nil
}
