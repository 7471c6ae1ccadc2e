package processortest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/processor"
	"pawl/schemas/record"
)

// cluster is all that outlives a process: the logs in Kafka, the group's offsets and the disks; and
// the process that runs now.
type cluster struct {
	set      settings
	pipeline func() *processor.Pipeline // of each process anew
	app      *processor.Offline
	inputs   []string                    // topics, in the order of the pipeline
	logs     map[string][][]*kgo.Record  // of inputs, by topic and partition
	boot     map[string][]int64          // how far tables are read first, by topic and partition
	outputs  []output                    // committed, in order
	counted  map[processor.Counted]int64 // committed, by counter and value
	latest   time.Time                   // of all records sent
	kinds    map[string]string           // of topics
	members  []*member
	inFlight []*member // sealed, not decided
}

// member is one task with what Kafka and its disk hold of it.
type member struct {
	partition int32
	inputs    []processor.OfflineInput
	disk      disk
	task      *processor.OfflineTask
	changelog []*kgo.Record
	end       int64   // of the changelog
	offsets   []int64 // the group's, by input; -1 for none
	fed       []int64 // by input, what the task was given so far
	share     *processor.Effects
	place     int64 // of the committed share's position record
}

// newCluster makes the logs and starts the first process.
func newCluster(set settings, pipeline func() *processor.Pipeline, newDisk func() disk) (*cluster,
	error) {
	c := &cluster{set: set, pipeline: pipeline, logs: make(map[string][][]*kgo.Record),
		boot: make(map[string][]int64), kinds: make(map[string]string),
		counted: make(map[processor.Counted]int64)}
	if err := c.bind(); err != nil {
		return nil, err
	}
	for _, t := range c.app.Topics() {
		c.kinds[t.Name] = t.Kind
		switch t.Kind {
		case processor.TopicInput, processor.TopicTable, processor.TopicGlobal:
			c.inputs = append(c.inputs, t.Name)
			c.logs[t.Name] = make([][]*kgo.Record, t.Partitions)
			c.boot[t.Name] = make([]int64, t.Partitions)
		}
	}
	for p := range int32(set.partitions) {
		m := &member{partition: p, disk: newDisk(), inputs: c.app.Inputs(p)}
		m.offsets = slices.Repeat([]int64{-1}, len(m.inputs))
		c.members = append(c.members, m)
	}
	return c, nil
}

// bind makes the pipeline of a new process.
func (c *cluster) bind() error {
	var err error
	c.app, err = processor.NewOffline(c.set.engine, c.set.partitions, c.pipeline(),
		processor.GlobalPartitions(c.set.globals))
	return err
}

// send appends a record to its input.
func (c *cluster) send(r Record) error {
	logs, ok := c.logs[r.Topic]
	if !ok {
		return fmt.Errorf("%s is no input of the pipeline; its inputs are %v", r.Topic, c.inputs)
	}
	rec, err := encode(c.app, r)
	if err != nil {
		return err
	}
	if rec.Key != nil {
		rec.Partition = c.app.Partition(r.Topic, rec.Key)
	}
	rec.Offset = int64(len(logs[rec.Partition]))
	logs[rec.Partition] = append(logs[rec.Partition], rec)
	if r.Time.After(c.latest) {
		c.latest = r.Time
	}
	return nil
}

// open has the process take a task over.
func (c *cluster) open(m *member) error {
	claim, err := c.app.Claim(m.partition)
	if err != nil {
		return err
	}
	m.append(claim)
	m.end++ // the transaction's marker
	store, err := m.disk.Open()
	if err != nil {
		return err
	}
	logs := processor.OfflineLogs{Changelog: m.changelog, Offsets: m.offsets}
	for _, in := range m.inputs {
		logs.Ends = append(logs.Ends, int64(len(c.logs[in.Topic][in.Partition])))
		logs.Boot = append(logs.Boot, c.boot[in.Topic][in.Partition])
	}
	if m.task, err = c.app.Open(m.partition, store, logs); err != nil {
		return err
	}
	m.rewind()
	return nil
}

func (m *member) append(rec *kgo.Record) {
	rec.Offset = m.end
	m.end++
	m.changelog = append(m.changelog, rec)
}

// rewind has the task fed again from where it stands.
func (m *member) rewind() {
	m.fed, m.share = m.fed[:0], nil
	for _, in := range m.task.Position().Inputs {
		m.fed = append(m.fed, in.Offset)
	}
}

// feed gives the task up to n more records of an input and says whether there were any.
func (c *cluster) feed(m *member, input, n int) bool {
	in := m.inputs[input]
	log := c.logs[in.Topic][in.Partition]
	from := m.fed[input]
	to := min(from+int64(n), int64(len(log)))
	m.task.Feed(input, log[from:to], int64(len(log)))
	m.fed[input] = to
	return to > from
}

// feedAll gives the task all records of all its inputs.
func (c *cluster) feedAll(m *member) {
	for i, in := range m.inputs {
		c.feed(m, i, len(c.logs[in.Topic][in.Partition]))
	}
}

// step takes the task's next record, and says whether there was one.
func (c *cluster) step(m *member) (bool, error) {
	ok, err := m.task.Step()
	if !errors.Is(err, processor.ErrDiscard) {
		return ok, err
	}
	if m.share != nil {
		c.commit()
		if err := c.apply(func() int64 { return 0 }); err != nil {
			return false, err
		}
	}
	return true, c.discard(m)
}

// tick moves the event time of a task whose inputs are read to their ends, as far as the settings
// say, a third at a time. It says whether anything came of it.
func (c *cluster) tick(m *member) (bool, error) {
	if c.set.idle <= 0 {
		return false, nil
	}
	for third := range time.Duration(3) {
		at := c.latest.Add(c.set.idle * (third + 1) / 3)
		if ticked, err := m.task.Idle(at.UnixMilli()); ticked || err != nil {
			return ticked, err
		}
	}
	return false, nil
}

// discard drops what the task has not committed.
func (c *cluster) discard(m *member) error {
	if err := m.task.Discard(); err != nil {
		return err
	}
	m.rewind()
	return nil
}

// seal ends the task's open epoch, for the next transaction.
func (c *cluster) seal(m *member) error {
	fx, err := m.task.Seal()
	if fx != nil {
		m.share = fx
		c.inFlight = append(c.inFlight, m)
	}
	return err
}

// commit commits the transaction of all sealed shares.
func (c *cluster) commit() {
	for _, m := range c.inFlight {
		outputs, changelog := m.task.Records(m.share)
		for _, r := range outputs {
			c.outputs = append(c.outputs, output{clone(r), m.task.Name(), c.kinds[r.Topic]})
		}
		for _, r := range changelog {
			m.append(clone(r))
		}
		for _, n := range m.task.Counted(m.share) {
			c.counted[processor.Counted{Counter: n.Counter, Value: n.Value}] += n.N
		}
		m.place = m.end - 1
		m.end++ // the transaction's marker
		for i, in := range m.share.Position.Inputs {
			if !m.inputs[i].Global {
				m.offsets[i] = in.Offset
			}
		}
	}
}

// apply brings the committed shares into the stores. What is kept decoded beside them is for the
// caller to say, for it must not matter.
func (c *cluster) apply(cacheLimit func() int64) error {
	for _, m := range c.inFlight {
		if err := m.task.Apply(m.share, m.place, cacheLimit()); err != nil {
			return err
		}
		m.share = nil
	}
	c.inFlight = c.inFlight[:0]
	return nil
}

// abort drops the transaction of all sealed shares, and what was processed over them.
func (c *cluster) abort() error {
	for _, m := range c.inFlight {
		if err := c.discard(m); err != nil {
			return err
		}
	}
	c.inFlight = c.inFlight[:0]
	return nil
}

// crash ends the process as a kill would, and starts another.
func (c *cluster) crash(chance *rand.Rand) error {
	c.inFlight = c.inFlight[:0]
	for _, m := range c.members {
		if err := m.disk.Crash(chance); err != nil {
			return err
		}
	}
	return c.start()
}

// start starts a process over what there is.
func (c *cluster) start() error {
	if err := c.bind(); err != nil {
		return err
	}
	for _, m := range c.members {
		if err := c.open(m); err != nil {
			return err
		}
	}
	return nil
}

// close gives the disks back.
func (c *cluster) close() error {
	var faults []error
	for _, m := range c.members {
		faults = append(faults, m.disk.Close())
	}
	return errors.Join(faults...)
}

// compact leaves of the changelog the newest record of each key, as a broker does in time.
func (m *member) compact() {
	newest := make(map[string]int, len(m.changelog))
	for i, r := range m.changelog {
		newest[string(r.Key)] = i
	}
	kept := m.changelog[:0:0]
	for i, r := range m.changelog {
		if newest[string(r.Key)] == i {
			kept = append(kept, r)
		}
	}
	m.changelog = kept
}

// position is where the task stands, without what differs from one process to the next.
func (m *member) position() record.Position {
	p := m.task.Position()
	p.Epoch, p.Claim, p.Writer = 0, 0, ""
	return p
}

// clone copies a record out of the epoch's memory.
func clone(r *kgo.Record) *kgo.Record {
	out := &kgo.Record{Topic: r.Topic, Partition: r.Partition, Key: slices.Clone(r.Key),
		Value: slices.Clone(r.Value), Timestamp: r.Timestamp}
	for _, h := range r.Headers {
		out.Headers = append(out.Headers, kgo.RecordHeader{Key: h.Key,
			Value: slices.Clone(h.Value)})
	}
	return out
}
