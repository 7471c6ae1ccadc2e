package processor

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/mutant"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// noWatermark stands for a task that has seen no event time yet.
const noWatermark = math.MinInt64

// binding is what all tasks of an instance share once the pipeline has met the cluster: names,
// partition counts and schema ids. It never changes.
type binding struct {
	app         string
	pipeline    *Pipeline
	resolver    *schemas.Resolver
	inputs      []boundInput // one partition each for a task; a global topic has several
	outputs     []boundOutput
	windows     []boundTopic // late topics
	tableIDs    []int32
	positionID  int32
	claimID     int32
	tickID      int32
	partitions  int32 // of inputs that are not global, and so of tasks
	dlq         boundTopic
	shed        boundTopic // its name is "" when no input sheds
	changelog   boundTopic
	changelogID [16]byte // topic id
	ticks       string
	provenance  bool
	disorder    int64 // max.out.of.orderness, ms
	maxSkew     int64 // max.future.skew, ms
	breaker     breaker
}

type boundTopic struct {
	name     string
	maxBytes int // largest record value that the topic takes
}

type boundInput struct {
	topic   string
	id      [16]byte // topic id
	topicID string   // the same, printed
	table   bool
	source  int // index of the pipeline's input

	global     bool  // every task reads the partition that stands here
	partition  int32 // of a global topic
	partitions int32 // of a global topic, all
}

// of is the partition of the topic that a task reads here.
func (b *boundInput) of(task int32) int32 {
	if b.global {
		return b.partition
	}
	return task
}

type boundOutput struct {
	boundTopic
	partitions int32
	id         int32
}

// core is the pure part of a task: records go in, Effects come out. It has no clock, no broker and
// no goroutine, so the same records over the same state give the same Effects, in any batching.
type core struct {
	bind      *binding
	name      string
	partition int32
	store     statestore.Store
	tables    []tableCache
	steps     []inputStep
	outs      []any
	timers    []*timerState
	ctx       Context
	topics    []string // that outputs are counted by
	given     given    // of the next record, where its input is enriched or sheds
	fx        *Effects
	spare     *Effects // of a committed epoch, for its memory
	sizes     []int64  // of the tables' caches

	position    record.Position // as of the last record stepped
	claim       int64           // offset of the claim record under which the task runs
	watermark   int64
	before      int64       // the watermark before the record being stepped
	counted     []tally     // by the record being stepped
	trace       RecordTrace // of the record being stepped; nil when nobody follows it
	kept        bool        // what the record being stepped consists of is in the open epoch
	uncommitted int64       // bytes of overlay and outputs not yet sealed
	failure     error       // first failure of the open epoch
	tripped     error       // the breaker's word on the open epoch
	deadBefore  []int64     // dead letters of each input when the task was opened
	poison      map[place]*RejectError
	positionEnc *schemas.Encoder[record.Position]
	positionDec *schemas.Decoder[record.Position]
	tickEnc     *schemas.Encoder[record.Tick]
}

func newCore(b *binding, partition int32, store statestore.Store) *core {
	c := &core{
		bind: b, name: taskName(b.pipeline.name, partition), partition: partition, store: store,
		topics:      b.produced(),
		poison:      make(map[place]*RejectError),
		positionEnc: schemas.NewEncoder(record.PositionType(), b.positionID),
		positionDec: schemas.NewDecoder(record.PositionType(), b.resolver),
		tickEnc:     schemas.NewEncoder(record.TickType(), b.tickID),
	}
	c.ctx.core = c
	for i, t := range b.pipeline.tables {
		c.tables = append(c.tables, t.bind(c, i, b.tableIDs[i]))
	}
	for i, in := range b.inputs {
		c.steps = append(c.steps, b.pipeline.inputs[in.source].bind(c, i))
	}
	for i, o := range b.pipeline.outputs {
		c.outs = append(c.outs, o.bind(b.outputs[i].id))
	}
	for _, t := range b.pipeline.timers {
		c.timers = append(c.timers, &timerState{Timers: t})
	}
	return c
}

func taskName(pipeline string, partition int32) string {
	return pipeline + "-" + strconv.Itoa(int(partition))
}

// load takes the task to the position of its store, or to fresh when the store has none.
func (c *core) load(fresh record.Position) error {
	c.position = fresh
	c.position.Inputs = slices.Clone(fresh.Inputs) // fresh must stay what it is, for the next load
	if raw := c.store.Mark().Position; raw != nil {
		if err := c.positionDec.Decode(raw, &c.position); err != nil {
			return fmt.Errorf("position record of task %s: %w", c.name, err)
		}
	}
	if c.watermark = c.position.Watermark; mutant.Is(mutant.WatermarkLost) {
		c.watermark = noWatermark
	}
	if c.deadBefore == nil {
		for _, in := range c.position.Inputs {
			c.deadBefore = append(c.deadBefore, in.Dead)
		}
	}
	c.fx = c.newEffects()
	c.uncommitted = 0
	c.failure, c.tripped = nil, nil
	for _, t := range c.timers {
		t.reset()
	}
	return nil
}

// forget drops the verdicts on records that are committed by now.
func (c *core) forget() {
	for at := range c.poison {
		if at.offset < c.position.Inputs[at.input].Offset {
			delete(c.poison, at)
		}
	}
}

// discard drops all that is not committed and goes back to the store's position.
func (c *core) discard(fresh record.Position) error {
	for _, t := range c.tables {
		t.discard()
	}
	return c.load(fresh)
}

// fail marks the open epoch: whatever the handler makes of it, its effects are dropped.
func (c *core) fail(err error) {
	if c.failure == nil {
		c.failure = err
	}
}

// step processes one record. An error means that the open epoch cannot be sealed: the record is
// not accounted for, and the task must wait (*schemas.UnknownIDError, errUnanswered) or discard.
func (c *core) step(input int, rec *kgo.Record) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r, input, rec)
		}
	}()
	c.counted, c.kept = c.counted[:0], false
	if len(c.poison) > 0 {
		if why, ok := c.poison[place{input, rec.Offset}]; ok {
			c.dead(input, rec, why)
			c.account(input, rec)
			return nil
		}
	}
	before, late := len(c.fx.Outputs), c.fx.delta.Late
	watermark := c.watermark
	c.before = watermark
	c.ctx.ordinal, c.ctx.wrote = 0, false
	err = c.steps[input].step(rec)
	if reject := rejection(err); reject != nil {
		if c.ctx.wrote {
			return &poisonError{place{input, rec.Offset}, reject}
		}
		c.fx.Outputs = c.fx.Outputs[:before]
		c.watermark, c.fx.delta.Late = watermark, late
		c.counted = c.counted[:0]
		c.dead(input, rec, reject)
		err = nil
	}
	if err != nil {
		return err
	}
	if c.failure != nil {
		return c.failure
	}
	c.account(input, rec)
	return nil
}

// rejection is the RejectError in err, or nil.
func rejection(err error) *RejectError {
	if err == nil {
		return nil // nearly always; what follows allocates
	}
	var reject *RejectError
	errors.As(err, &reject)
	return reject
}

// skip moves past a control record: an offset without content.
func (c *core) skip(input int, rec *kgo.Record) {
	c.kept = false
	in := &c.position.Inputs[input]
	in.Gaps += rec.Offset + 1 - in.Offset
	in.Offset = rec.Offset + 1
}

// What the parts of an open epoch cost in memory beside keys and values, in bytes.
const (
	recordCost = 64   // an input record: its timestamp, its share of the rest
	copyCost   = 1024 // a dead letter or late record with its headers
)

// account moves the input's position past rec. Exactly one count of the ledger was raised for it.
func (c *core) account(input int, rec *kgo.Record) {
	in := &c.position.Inputs[input]
	in.Gaps += rec.Offset - in.Offset
	in.Offset = rec.Offset + 1
	if len(in.Deaths) > 0 {
		c.lived(in)
	}
	c.fx.Records++
	c.fx.flow.inputs[c.bind.inputs[input].source]++
	c.uncommitted += recordCost
	c.fx.times = append(c.fx.times, rec.Timestamp.UnixMilli())
	c.position.Watermark = c.watermark
	c.fx.count(c.bind.pipeline, c.counted)
	if c.trace != nil {
		c.fx.traces = append(c.fx.traces, c.trace)
	}
}

// seal turns all that was processed since the last seal into Effects and opens a new epoch over
// them. It returns nil when nothing was.
func (c *core) seal(writer string) (*Effects, error) {
	fx := c.fx
	digest := uint64(c.position.Digest)
	for i, t := range c.tables {
		before := len(fx.Changes)
		if err := t.seal(fx, &digest); err != nil {
			return nil, err
		}
		fx.flow.tables[i] = int64(len(fx.Changes) - before)
	}
	fx.flow.emitted(fx, c.topics)
	c.position.Digest = int64(digest)
	c.position.Epoch++
	c.position.Claim, c.position.Writer = c.claim, writer
	fx.Position = c.position
	fx.Position.Inputs = append([]record.Input(nil), c.position.Inputs...)
	b, err := c.positionEnc.Append(nil, &fx.Position)
	if err != nil {
		return nil, fmt.Errorf("encode position record: %w", err)
	}
	fx.position = b
	fx.delta.Task, fx.delta.Records = c.name, fx.Records
	fx.delta.Bytes = fx.Bytes
	c.fx = c.newEffects()
	c.uncommitted = 0
	return fx, nil
}

// newEffects takes a committed epoch's memory when there is one.
func (c *core) newEffects() *Effects {
	if fx := c.spare; fx != nil {
		c.spare = nil
		return fx
	}
	return &Effects{Task: c.name, flow: newFlow(c.bind)}
}

// applied tells the tables that the store holds the sealed epoch fx, and trims their caches.
func (c *core) applied(fx *Effects, cacheLimit int64) {
	fx.reset()
	c.spare = fx
	c.forget()
	c.sizes = c.sizes[:0]
	for _, t := range c.tables {
		t.applied()
		c.sizes = append(c.sizes, t.bytes())
	}
	share := fairShare(c.sizes, cacheLimit)
	for _, t := range c.tables {
		t.evict(share)
	}
}

// fairShare is how much each of sizes may be at most for all to be limit together: what the small
// ones leave, the large ones get. It sorts sizes.
func fairShare(sizes []int64, limit int64) int64 {
	slices.Sort(sizes)
	for i, size := range sizes {
		if share := limit / int64(len(sizes)-i); size > share {
			return share
		}
		limit -= size
	}
	return math.MaxInt64
}

func (c *core) cacheBytes() int64 {
	var n int64
	for _, t := range c.tables {
		n += t.bytes()
	}
	return n
}

// dead sends rec to the dead-letter topic: key, value and headers untouched, then what is known. Of
// a global topic one task does so for all; to the others the record is one that leads to nothing.
func (c *core) dead(input int, rec *kgo.Record, why *RejectError) {
	if c.bind.inputs[input].global && rec.Partition%c.bind.partitions != c.partition {
		c.position.Inputs[input].Filtered++
		c.fx.delta.Filtered++
		return
	}
	r := c.copyTo(c.bind.dlq.name, rec)
	r.Partition = c.partition
	h := append(make([]kgo.RecordHeader, 0, len(rec.Headers)+10), rec.Headers...)
	add := func(key, value string) {
		h = append(h, kgo.RecordHeader{Key: key, Value: []byte(value)})
	}
	add("__streams.errors.exception", why.Exception)
	add("__streams.errors.message", fmt.Sprintf("%.4000s", why.Message))
	add("__streams.errors.topic", rec.Topic)
	add("__streams.errors.partition", strconv.Itoa(int(rec.Partition)))
	add("__streams.errors.offset", strconv.FormatInt(rec.Offset, 10))
	add("pawl.task", c.name)
	add("pawl.epoch", strconv.FormatInt(c.position.Epoch+1, 10))
	add(attemptKey, strconv.Itoa(attemptOf(rec, c.bind.dlq.name)))
	r.Headers = h
	shrink(r, len(rec.Headers), c.bind.dlq.maxBytes)
	c.position.Inputs[input].Dead++
	c.died(input, rec, why)
	c.fx.delta.Dead++
	c.fx.dead = append(c.fx.dead, DeadLetterInfo{Task: c.name, Topic: rec.Topic,
		Partition: rec.Partition, Offset: rec.Offset, Exception: why.Exception,
		Message: why.Message})
}

// late sends rec with event time at to a window's late topic.
func (c *core) late(rec *kgo.Record, window int, at int64) error {
	name := c.bind.pipeline.windows[window]
	err := c.aside("late", rec, c.bind.windows[window],
		kgo.RecordHeader{Key: "pawl.window", Value: []byte(name)},
		kgo.RecordHeader{Key: "pawl.watermark", Value: strconv.AppendInt(nil, c.before, 10)},
		kgo.RecordHeader{Key: "pawl.lateness", Value: strconv.AppendInt(nil, c.before-at, 10)})
	if err == nil {
		c.fx.delta.Late++
	}
	return err
}

// aside sends rec to a topic of its own kind: unchanged, but for headers that say why. One that the
// topic cannot take is rejected.
func (c *core) aside(kind string, rec *kgo.Record, to boundTopic, why ...kgo.RecordHeader) error {
	h := slices.Concat(rec.Headers, why)
	if size := len(rec.Key) + len(rec.Value) + headersSize(h); size > to.maxBytes {
		return RejectAs("RecordTooLarge", "it is %s and takes %d bytes; the %s topic %s takes %d",
			kind, size, kind, to.name, to.maxBytes)
	}
	r := c.copyTo(to.name, rec)
	r.Partition, r.Headers = rec.Partition, h
	return nil
}

// copyTo adds an output that has rec's key, value and time, and shares their memory.
func (c *core) copyTo(topic string, rec *kgo.Record) *kgo.Record {
	c.kept = true
	r := c.fx.output()
	r.Topic, r.Key, r.Value, r.Timestamp = topic, rec.Key, rec.Value, rec.Timestamp
	size := int64(len(rec.Key) + len(rec.Value))
	c.fx.Bytes += size
	c.uncommitted += int64(recordSize(rec)) + copyCost
	return r
}

// idle moves the watermark without a record, because the inputs are quiet, and runs the timers that
// it reaches. What they emit names the tick as its cause: the input after the last, the task's
// partition, and the number of the tick.
func (c *core) idle(watermark int64) (err error) {
	cause := &kgo.Record{Topic: c.bind.ticks, Partition: c.partition, Offset: c.position.Ticks}
	input := len(c.bind.pipeline.inputs)
	defer func() {
		if r := recover(); r != nil {
			err = recovered(r, input, cause)
		}
	}()
	c.watermark = max(c.watermark, watermark)
	c.before = c.watermark
	c.ctx.ordinal, c.counted = 0, c.counted[:0]
	if err := c.tick(record.Tick{Kind: record.TickIdle, After: c.marks(-1)}); err != nil {
		return err
	}
	if err := c.fire(cause, input); err != nil {
		return err
	}
	c.position.Watermark = c.watermark
	c.fx.count(c.bind.pipeline, c.counted)
	return c.failure
}

// marks says where the inputs stand, all but one; -1 leaves none out.
func (c *core) marks(but int) []record.Mark {
	var all []record.Mark
	for i := range c.position.Inputs {
		if in := &c.position.Inputs[i]; i != but {
			all = append(all, record.Mark{Topic: in.Topic, Partition: in.Partition,
				Offset: in.Offset})
		}
	}
	return all
}

// tick logs a fact about the order of processing that the inputs alone do not tell.
func (c *core) tick(t record.Tick) error {
	t.Task, t.Watermark = c.name, c.watermark
	b, err := c.tickEnc.Append(nil, &t)
	if err != nil {
		return fmt.Errorf("encode tick: %w", err)
	}
	r := c.fx.output()
	r.Topic, r.Partition, r.Key, r.Value = c.bind.ticks, c.partition, []byte(c.name), b
	c.position.Ticks++
	return nil
}
