package processor

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// TableInfo describes one table of a pipeline.
type TableInfo struct {
	Name     string
	Timers   bool // its keys begin with a time, not with a record's key
	Global   bool // every task holds it whole
	Windowed bool // a time follows the record's key: a window's start, or a value's own
	Window   WindowInfo
}

// Tables lists the pipeline's tables.
func (p *Pipeline) Tables() []TableInfo {
	var all []TableInfo
	for _, t := range p.tables {
		info := TableInfo{Name: t.tableName()}
		info.Windowed = slices.Contains(p.windows, info.Name)
		info.Window = p.closings[info.Name]
		for _, timers := range p.timers {
			info.Timers = info.Timers || timers.table.name == info.Name
		}
		for _, in := range p.inputs {
			info.Global = info.Global || in.isGlobal() && in.topic() == info.Name
		}
		all = append(all, info)
	}
	return all
}

// Pipeline is what the instance runs.
func (in *Instance) Pipeline() *Pipeline { return in.pipe }

// Tables lists the pipeline's tables. The list must not be changed.
func (in *Instance) Tables() []TableInfo { return in.infos() }

// TaskCount is the number of the application's tasks, here and elsewhere.
func (in *Instance) TaskCount() int32 { return in.bind.partitions }

// TaskName is the name of a partition's task.
func (in *Instance) TaskName(partition int32) string { return taskName(in.pipe.name, partition) }

// TaskOf is the partition whose task gets the records with this key.
func (in *Instance) TaskOf(key []byte) int32 { return partitionOf(key, in.bind.partitions) }

// PartitionOf is TaskOf for a number of partitions that was learnt elsewhere.
func PartitionOf(key []byte, partitions int32) int32 { return partitionOf(key, partitions) }

// StateHash is what one live entry adds to the digest of a task's state, which is the sum over all
// of them modulo 2^64. The key is the one in the changelog.
func StateHash(key, value []byte) uint64 { return entryHash(key, value) }

// NotHereError says that a task's state cannot be read from this instance now.
type NotHereError struct {
	Task        string
	State       TaskState     // "" when the instance does not have the task
	Unconfirmed time.Duration // it runs, but the group was silent for that long
}

// Error names the task and its state.
func (e *NotHereError) Error() string {
	if e.Unconfirmed > 0 {
		return fmt.Sprintf("task %s may run elsewhere: the group has not confirmed this instance "+
			"for session.timeout=%v", e.Task, e.Unconfirmed)
	}
	if e.State == "" {
		return fmt.Sprintf("task %s is not assigned to this instance", e.Task)
	}
	return fmt.Sprintf("task %s is %s here", e.Task, e.State)
}

// StateRange is a part of a table: the keys in [From, To), where nil means from the first and to
// the last. Limit is about how many are wanted, 0 for all.
type StateRange struct {
	Table    string
	From, To statestore.Key
	Limit    int
}

// StatePoint is the range of one key.
func StatePoint(table string, key statestore.Key) StateRange {
	return StateRange{Table: table, From: key, To: append(slices.Clone(key), 0), Limit: 1}
}

// bounds are the keys in the store.
func (r *StateRange) bounds() statestore.Range {
	prefix := statestore.Key(nil).String(r.Table)
	from := append(slices.Clone(prefix), r.From...)
	to := prefix.End()
	if r.To != nil {
		to = append(slices.Clone(prefix), r.To...)
	}
	return statestore.Range{From: from, To: to, Limit: r.Limit}
}

// StateView is what a task had committed at one epoch. It is valid during a call of View's function
// only, and for one goroutine.
type StateView struct {
	Task      string
	Partition int32
	Position  record.Position // must not be changed

	in       *Instance
	resolver *schemas.Resolver
	view     *statestore.View
	ranges   []StateRange
	ended    func() bool
}

// View calls fn with the ranges as the task of the partition had committed them at one epoch: never
// with anything of an open one. The task goes on meanwhile, but cannot be given away before fn
// returns, so fn must not wait for anybody. A task that does not run here is a *NotHereError.
func (in *Instance) View(partition int32, ranges []StateRange,
	fn func(*StateView) error) (err error) {
	t, err := in.readable(partition)
	if err != nil {
		return err
	}
	t.views.gate.RLock()
	defer t.views.gate.RUnlock()
	if t.views.shut {
		return &NotHereError{Task: t.name, State: TaskClosed}
	}
	bounds := make([]statestore.Range, len(ranges))
	for i := range ranges {
		bounds[i] = ranges[i].bounds()
	}
	view, err := t.store.View(bounds...)
	if err != nil {
		return fmt.Errorf("task %s: %w", t.name, err)
	}
	defer func() {
		if closeErr := view.Close(); err == nil && closeErr != nil {
			err = fmt.Errorf("task %s: %w", t.name, closeErr)
		}
	}()
	pos, err := t.positionAt(view.Mark)
	if err != nil {
		return err
	}
	if err := in.confirmed(t); err != nil {
		return err
	}
	return fn(&StateView{Task: t.name, Partition: partition, Position: *pos, in: in,
		resolver: in.bind.resolver, view: view, ranges: ranges, ended: t.closed.Load})
}

// Get returns a value in wire format; the key must be in one of the ranges.
func (v *StateView) Get(table string, key statestore.Key) (value []byte, ok bool, err error) {
	return v.view.Get(append(statestore.Key(nil).String(table), key...))
}

// Scan calls fn for the rows of range i, in order of keys, until it returns false. Key and value
// are valid during the call only. next is where another view has to begin, nil when the range is
// through.
func (v *StateView) Scan(i int, fn func(key statestore.Key, value []byte) bool) (
	next statestore.Key, err error) {
	prefix := len(statestore.Key(nil).String(v.ranges[i].Table))
	ended := false
	at, err := v.view.Scan(i, func(full, value []byte) bool {
		if ended = v.ended(); ended {
			return false
		}
		return fn(statestore.Key(full[prefix:]), value)
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("task %s: %w", v.Task, err)
	case ended:
		return nil, &NotHereError{Task: v.Task, State: TaskClosed}
	case at == nil:
		return nil, nil
	}
	return statestore.Key(at[prefix:]), nil
}

// JSON is a value as encoding/json prints it, see schemas.ToJSON.
func (v *StateView) JSON(value []byte) (any, error) { return schemas.ToJSON(value, v.resolver) }

// AppendJSON appends a value as encoding/json prints it, see schemas.AppendJSON.
func (v *StateView) AppendJSON(dst, value []byte) ([]byte, error) {
	return schemas.AppendJSON(dst, value, v.resolver)
}

// Resolver knows the writer schemas of the values.
func (v *StateView) Resolver() *schemas.Resolver { return v.resolver }

// Schema is the text of the writer schema that a value names.
func (v *StateView) Schema(value []byte) (text string, ok bool) {
	id, _, err := schemas.ParseHeader(value)
	if err != nil {
		return "", false
	}
	return v.resolver.Text(id)
}

// Await waits until ok says yes to where the task stands, which it is told once and then after each
// epoch. It ends early when ctx does or the task is not here any more.
func (in *Instance) Await(ctx context.Context, partition int32,
	ok func(record.Position) bool) error {
	for {
		moved := in.moves.next() // before the look, or what comes after it could be missed
		t, err := in.readable(partition)
		if err != nil {
			return err
		}
		pos, err := t.positionAt(t.store.Mark())
		if err != nil {
			return err
		}
		if err := in.confirmed(t); err != nil || ok(*pos) {
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-in.ctx.Done():
			return &NotHereError{Task: t.name, State: TaskClosed}
		}
	}
}

// readable finds the running task of a partition.
func (in *Instance) readable(partition int32) (*task, error) {
	in.statusMu.Lock()
	defer in.statusMu.Unlock()
	info := in.statuses[partition]
	if info == nil {
		return nil, &NotHereError{Task: in.TaskName(partition)}
	}
	if info.State != TaskRunning || info.task == nil {
		return nil, &NotHereError{Task: info.Name, State: info.State}
	}
	return info.task, nil
}

// confirmed says that nobody else could have gone on with a task before now. It has to be asked
// after the look at the task's state.
func (in *Instance) confirmed(t *task) error {
	if in.group.holds() {
		return nil
	}
	return &NotHereError{Task: t.name, State: TaskRunning, Unconfirmed: in.cfg.SessionTimeout}
}

// views is what readers of a task's state share.
type views struct {
	gate sync.RWMutex // held by readers; who closes the store takes it for good
	shut bool

	mu     sync.Mutex
	raw    []byte // the position record decoded last
	shown  *record.Position
	decode *schemas.Decoder[record.Position]
}

// shutViews waits for those who read the task's state and lets nobody in any more: the store is
// about to be closed. A scan under way sees that the task is closed and ends.
func (t *task) shutViews() {
	t.closed.Store(true)
	t.views.gate.Lock()
	t.views.shut = true
	t.views.gate.Unlock()
}

// positionAt decodes a mark's position, once for all who read the same epoch.
func (t *task) positionAt(m statestore.Mark) (*record.Position, error) {
	if m.Position == nil {
		return &t.fresh, nil
	}
	t.views.mu.Lock()
	defer t.views.mu.Unlock()
	if t.views.shown != nil && bytes.Equal(t.views.raw, m.Position) {
		return t.views.shown, nil
	}
	if t.views.decode == nil {
		t.views.decode = schemas.NewDecoder(record.PositionType(), t.in.bind.resolver)
	}
	pos := new(record.Position)
	if err := t.views.decode.Decode(m.Position, pos); err != nil {
		return nil, fmt.Errorf("position record of task %s: %w", t.name, err)
	}
	t.views.raw, t.views.shown = m.Position, pos
	return pos, nil
}

// moves wakes those who wait for an epoch or for a task's state.
type moves struct {
	mu sync.Mutex
	ch chan struct{} // closed at the next move; nil while nobody waits
}

func (m *moves) next() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ch == nil {
		m.ch = make(chan struct{})
	}
	return m.ch
}

func (m *moves) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.ch != nil {
		close(m.ch)
		m.ch = nil
	}
}
