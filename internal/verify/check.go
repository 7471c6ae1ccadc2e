package verify

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Options say what to check.
type Options struct {
	Spec          Spec
	ApplicationID string
	Source        Source
	Registry      schemas.Registry
	// Partial allows input that is not committed yet; it is left out. Otherwise it is a mismatch: a
	// pipeline that did nothing is not right.
	Partial bool
	// Progress, when set, is called now and then, and at the end, with the input records checked
	// so far and the number there are about.
	Progress func(done, total int64)
}

// check is one run of Check.
type check struct {
	spec     Spec
	app      string
	source   Source
	resolver *schemas.Resolver
	report   *Report
	progress func(done, total int64)
	done     int64
	total    int64
	tasks    int // partitions of the inputs that are not global

	inputs    [][]Bounds // by input and partition: from the log's start to the committed offset
	outputs   [][]Bounds // by output and partition, the dead-letter topic last
	late      map[string][]Bounds
	changelog []Bounds
	ticks     []Bounds
	turns     []turns // by task
}

// Check compares everything up to the committed offsets, and returns an error only when it could
// not. The application should stand still meanwhile, or what it writes counts as extra.
func Check(ctx context.Context, o Options) (*Report, error) {
	c := &check{spec: o.Spec, app: o.ApplicationID, source: o.Source, report: new(Report),
		resolver: schemas.NewResolver(o.Registry), progress: o.Progress,
		late: make(map[string][]Bounds)}
	if err := c.bounds(ctx); err != nil {
		return nil, err
	}
	if err := c.findTurns(ctx); err != nil {
		return nil, err
	}
	m := &matcher{c: c, missing: make(map[id]want), extra: make(map[id]got)}
	for _, out := range c.spec.Outputs {
		m.compare = append(m.compare, out.bind(c.resolver))
	}
	for p := range c.tasks {
		if err := c.task(ctx, m, int32(p)); err != nil {
			return nil, fmt.Errorf("check task %s-%d: %w", c.spec.Pipeline, p, err)
		}
	}
	if err := c.beyond(ctx, m); err != nil {
		return nil, err
	}
	m.finish()
	c.step(0)
	c.report.Oracle = "match"
	if !c.report.Match() || c.report.Unprocessed > 0 && !o.Partial {
		c.report.Oracle = "mismatch"
	}
	return c.report, nil
}

// bounds finds how far every log goes.
func (c *check) bounds(ctx context.Context) error {
	for _, in := range c.spec.Inputs {
		bounds, err := c.inputBounds(ctx, in)
		if err != nil {
			return err
		}
		if !in.Global && c.tasks > 0 && len(bounds) != c.tasks {
			return fmt.Errorf("input %s has %d partitions, an input before it has %d", in.Name,
				len(bounds), c.tasks)
		}
		if !in.Global {
			c.tasks = len(bounds)
		}
		c.inputs = append(c.inputs, bounds)
	}
	var err error
	get := func(topic string) (b []Bounds) {
		if err == nil {
			b, err = c.source.Bounds(ctx, topic)
		}
		return b
	}
	for _, out := range c.spec.Outputs {
		c.outputs = append(c.outputs, get(out.Name))
	}
	c.outputs = append(c.outputs, get(c.app+"-dlq"))
	for _, window := range c.spec.Windows {
		c.late[window] = get(c.app + "-" + window + "-late")
	}
	c.changelog = get(c.app + "-" + c.spec.Pipeline + "-changelog")
	c.ticks = get(c.app + "-ticks")
	return err
}

// inputBounds ends an input where the group has committed it. Of a global one see parts.
func (c *check) inputBounds(ctx context.Context, in Topic) ([]Bounds, error) {
	bounds, err := c.source.Bounds(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	if in.Global {
		return bounds, nil
	}
	committed, err := c.source.Committed(ctx, in.Name)
	if err != nil {
		return nil, err
	}
	for p := range bounds {
		b := &bounds[p]
		if b.From > 0 && !in.Table {
			return nil, fmt.Errorf("%s-%d begins at offset %d: what stood before it is gone, and "+
				"with it the means to check", in.Name, p, b.From)
		}
		at := max(committed[p], 0)
		c.report.Unprocessed += b.To - at
		b.From = min(b.From, at)
		b.To = at
		c.total += b.To - b.From
	}
	return bounds, nil
}

// task checks one partition of everything.
func (c *check) task(ctx context.Context, m *matcher, partition int32) error {
	if err := c.openLanes(ctx, m, partition); err != nil {
		return err
	}
	defer c.closeLanes(m)
	f, err := c.fold(ctx, partition)
	if err != nil {
		return err
	}
	parts := c.parts(partition, f.position)
	ticks, err := c.readTicks(ctx, partition, parts)
	if err != nil {
		return err
	}
	order, err := c.openMerge(ctx, parts, ticks)
	if err != nil {
		return err
	}
	defer order.close()
	model := c.spec.NewModel(c.resolver)
	ledger := make([]counts, len(parts))
	late := make(map[string]*bag)
	for _, window := range c.spec.Windows {
		late[window] = newBag()
	}
	quiet := func(t idle) error {
		from := id{input: len(c.spec.Inputs), partition: partition, offset: t.number}
		return c.expectAll(ctx, m, from, model.Idle(t.watermark))
	}
	for {
		i, rec, err := order.next(ctx, quiet)
		if err != nil {
			return err
		}
		if rec == nil {
			break
		}
		if err := c.feed(ctx, m, model, parts[i], rec, &ledger[i], late); err != nil {
			return fmt.Errorf("%s offset %d: %w", rec.Topic, rec.Offset, err)
		}
	}
	if err := m.drain(ctx); err != nil {
		return err
	}
	for _, window := range c.spec.Windows {
		if err := c.compareLate(ctx, window, partition, late[window]); err != nil {
			return err
		}
	}
	c.compareLedger(partition, f, parts, ledger)
	return c.compareState(ctx, partition, f, model)
}

// feed gives one record to the model and looks for what it should have led to.
func (c *check) feed(ctx context.Context, m *matcher, model Model, at part, rec *kgo.Record,
	ledger *counts, late map[string]*bag,
) error {
	stamp := rec.Timestamp.UnixMilli()
	out, err := model.Feed(ctx, Input{Topic: rec.Topic, Partition: rec.Partition,
		Offset: rec.Offset, Key: rec.Key, Value: rec.Value, Timestamp: stamp, Headers: rec.Headers})
	if err != nil {
		return err
	}
	c.step(1)
	c.report.RecordsIn++
	if out.Fate == Dead && c.spec.Inputs[at.input].Global &&
		int(rec.Partition)%c.tasks != int(at.task) {
		out.Fate = Filtered // one task reports it for all
	}
	ledger[out.Fate]++
	from := id{input: at.input, partition: rec.Partition, offset: rec.Offset}
	windows := out.LateFor
	if out.Fate == Late {
		windows = append(windows, out.Window)
	}
	for _, window := range windows {
		c.report.Late++
		b := late[window]
		if b == nil {
			return fmt.Errorf("the model says late for window %q, which the spec lacks", window)
		}
		b.add(rec.Key, rec.Value, stamp, rec.Headers, 1)
	}
	if out.Fate == Dead {
		c.report.DeadLettered++
		from.output = len(c.spec.Outputs)
		return m.expect(ctx, from, want{partition: at.task, key: rec.Key, timestamp: stamp,
			dead: &dead{value: rec.Value, headers: rec.Headers, exception: out.Exception}})
	}
	return c.expectAll(ctx, m, from, out.Outputs)
}

// expectAll looks for the outputs of one cause, in the order of their ordinals.
func (c *check) expectAll(ctx context.Context, m *matcher, from id, outputs []Output) error {
	for n, o := range outputs {
		from.ordinal = n
		if from.output = c.output(o.Topic); from.output < 0 {
			return fmt.Errorf("the model gave output topic %s, which the spec lacks", o.Topic)
		}
		key := []byte(o.Key)
		if err := m.expect(ctx, from, want{key: key, timestamp: o.Timestamp, value: o.Value,
			partition: partitionOf(key, len(c.outputs[from.output]))}); err != nil {
			return err
		}
	}
	return nil
}

// beyond reads the partitions that output topics have more of than the inputs.
func (c *check) beyond(ctx context.Context, m *matcher) error {
	most := len(c.ticks)
	for _, b := range c.outputs {
		most = max(most, len(b))
	}
	for p := c.tasks; p < most; p++ {
		if err := c.openLanes(ctx, m, int32(p)); err != nil {
			return err
		}
		err := m.drain(ctx)
		c.closeLanes(m)
		if err != nil {
			return err
		}
	}
	for _, window := range c.spec.Windows {
		for p := c.tasks; p < len(c.late[window]); p++ {
			if err := c.compareLate(ctx, window, int32(p), newBag()); err != nil {
				return err
			}
		}
	}
	return nil
}

// openLanes opens the outputs' logs of one partition.
func (c *check) openLanes(ctx context.Context, m *matcher, partition int32) error {
	m.lanes = make([]*lane, len(c.outputs))
	for i, bounds := range c.outputs {
		if int(partition) >= len(bounds) {
			continue
		}
		topic := m.topic(i)
		log, err := c.source.Open(ctx, topic, partition, bounds[partition])
		if err != nil {
			c.closeLanes(m)
			return fmt.Errorf("open %s-%d: %w", topic, partition, err)
		}
		m.lanes[i] = &lane{output: i, log: log, last: make(map[int]id)}
	}
	return nil
}

func (c *check) closeLanes(m *matcher) {
	for _, l := range m.lanes {
		if l != nil {
			l.log.Close()
		}
	}
	m.lanes = nil
}

// input returns the index of an input topic, or -1.
func (c *check) input(topic string) int {
	for i, in := range c.spec.Inputs {
		if in.Name == topic {
			return i
		}
	}
	return -1
}

// output returns the index of an output topic, or -1.
func (c *check) output(topic string) int {
	for i, out := range c.spec.Outputs {
		if out.Name == topic {
			return i
		}
	}
	return -1
}

// step counts n records and reports progress, not too often.
func (c *check) step(n int64) {
	const often = 10_000
	c.done += n
	if c.progress != nil && (n == 0 || c.done%often == 0) {
		c.progress(c.done, c.total)
	}
}
