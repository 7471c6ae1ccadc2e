package processortest

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

// Driver runs one pipeline for one test. Records that are sent lie in their topics until the next
// Commit, or a method that commits by itself: then they are merged by their times and processed.
// Any fault of the pipeline's own, such as a handler's error that is no rejection, fails the test.
type Driver struct {
	t      testing.TB
	c      *cluster
	now    time.Time
	chance *rand.Rand
	taken  map[int]bool // outputs that were asked for
}

// New starts p on empty topics.
func New(t testing.TB, p *processor.Pipeline, opts ...Option) *Driver {
	t.Helper()
	d := &Driver{t: t, now: Epoch, chance: rand.New(rand.NewPCG(1, 1)), taken: make(map[int]bool)}
	var err error
	d.c, err = newCluster(newSettings(opts, 1, 1), func() *processor.Pipeline { return p },
		func() disk { return newMemory() })
	d.must(err)
	d.must(d.c.start())
	d.Commit()
	return d
}

func (d *Driver) must(err error) {
	d.t.Helper()
	if err != nil {
		d.t.Fatal(err)
	}
}

// At sets the Kafka timestamp of what is sent next, as the time since Epoch.
func (d *Driver) At(since time.Duration) *Driver {
	d.now = Epoch.Add(since)
	return d
}

// Send appends a record to an input topic. The value has the type that the pipeline declares for
// it, or is one of the others that Record.Value allows.
func (d *Driver) Send(topic, key string, value any) {
	d.t.Helper()
	d.must(d.c.send(Record{Topic: topic, Key: key, Value: value, Time: d.now}))
}

// process takes all that was sent through the pipeline.
func (d *Driver) process() {
	d.t.Helper()
	for _, m := range d.c.members {
		for more := true; more; {
			d.c.feedAll(m)
			var err error
			more, err = d.c.step(m)
			d.must(err)
		}
	}
}

// Commit processes what was sent and ends the epoch.
func (d *Driver) Commit() {
	d.t.Helper()
	d.process()
	for _, m := range d.c.members {
		d.must(d.c.seal(m))
	}
	d.c.commit()
	d.must(d.c.apply(func() int64 { return 0 }))
	for _, m := range d.c.members {
		if d.chance.IntN(2) == 0 {
			d.must(m.task.Store().Spill())
		}
	}
}

// Crash processes what was sent and kills the process before it commits; another one then starts
// from the disk and the changelog. What was not committed is processed again.
func (d *Driver) Crash() {
	d.t.Helper()
	d.process()
	d.must(d.c.crash(d.chance))
}

// Idle commits, and has the inputs be quiet until the watermark stands so long after Epoch. Timers
// that it reaches fire, and what they did is committed.
func (d *Driver) Idle(since time.Duration) {
	d.t.Helper()
	d.Commit()
	for _, m := range d.c.members {
		_, err := m.task.Idle(Epoch.Add(since).UnixMilli())
		d.must(err)
	}
	d.Commit()
}

// State commits, and returns the value of a table under a key, which is made of strings and
// integers; nil when there is none. A table's Get and Set use the record's key.
func (d *Driver) State(table string, key ...any) any {
	d.t.Helper()
	d.Commit()
	if !slices.Contains(d.c.app.Tables(), table) {
		d.t.Fatalf("the pipeline has no table %s; its tables are %v", table, d.c.app.Tables())
	}
	full := statestore.Key(nil).String(table)
	for _, part := range key {
		switch part := part.(type) {
		case string:
			full = full.String(part)
		case int:
			full = full.Int(int64(part))
		case int64:
			full = full.Int(part)
		case time.Time:
			full = full.Int(part.UnixMilli())
		default:
			d.t.Fatalf("state keys are made of strings, integers and times, not %T", part)
		}
	}
	for _, m := range d.c.members {
		raw, ok, err := m.task.Store().Get(full)
		d.must(err)
		if ok {
			v, err := d.c.app.DecodeState(table, raw)
			d.must(err)
			return v
		}
	}
	return nil
}

// Counted commits, and returns what a processor.Counter has counted under a value of its label so
// far; "" where it has no label.
func (d *Driver) Counted(counter, value string) int64 {
	d.t.Helper()
	d.Commit()
	return d.c.counted[processor.Counted{Counter: counter, Value: value}]
}

// Outputs commits, and returns what stands on a topic and was not asked for yet, in the order of
// each partition. Values of output topics have their type, those of others are wire bytes.
func (d *Driver) Outputs(topic string) []Record {
	d.t.Helper()
	d.Commit()
	d.known(topic)
	var list []Record
	for i, o := range d.c.outputs {
		if o.rec.Topic != topic || d.taken[i] {
			continue
		}
		d.taken[i] = true
		r := Record{Topic: topic, Key: string(o.rec.Key), Time: o.rec.Timestamp.UTC(),
			Value: o.rec.Value}
		if o.kind == processor.TopicOutput {
			v, err := d.c.app.Decode(topic, o.rec.Value)
			d.must(err)
			r.Value = v
		}
		list = append(list, r)
	}
	return list
}

// known fails the test when the pipeline does not write to a topic.
func (d *Driver) known(topic string) {
	d.t.Helper()
	if _, ok := d.c.kinds[topic]; !ok || slices.Contains(d.c.inputs, topic) {
		d.t.Fatalf("the pipeline does not write to topic %s", topic)
	}
}
