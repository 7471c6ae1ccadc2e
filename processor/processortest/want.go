package processortest

import (
	"bytes"
	"fmt"
	"strings"

	"pawl/processor"
)

// Want commits, and demands that the next output on the key's partition of a topic has this key and
// this value. With one partition, that is the next output on the topic.
func (d *Driver) Want(topic, key string, value any) {
	d.t.Helper()
	d.Commit()
	d.known(topic)
	want, err := encode(d.c.app, Record{Topic: topic, Key: key, Value: value})
	d.must(err)
	partition := d.c.app.Partition(topic, want.Key)
	o := d.next(func(o *output) bool {
		return o.rec.Topic == topic && o.rec.Partition == partition
	})
	switch {
	case o == nil:
		d.t.Errorf("%s: no output is left, want %s of key %q%s", topic,
			valueText(d.c.app, want.Value), key, d.also(topic))
	case string(o.rec.Key) != key:
		d.t.Errorf("%s: the next output has key %q and value %s, want key %q and value %s", topic,
			o.rec.Key, valueText(d.c.app, o.rec.Value), key, valueText(d.c.app, want.Value))
	case !bytes.Equal(o.rec.Value, want.Value):
		d.t.Errorf("%s, key %q at %s: %s", topic, key, offsetText(o.rec.Timestamp),
			difference(d.c.app, o.rec.Value, want.Value))
	}
}

// WantNone commits, and demands that nothing stands on a topic that was not asked for.
func (d *Driver) WantNone(topic string) {
	d.t.Helper()
	d.Commit()
	d.known(topic)
	if o := d.next(func(o *output) bool { return o.rec.Topic == topic }); o != nil {
		d.t.Errorf("%s: there is an output of key %q at %s, want none: %s", topic, o.rec.Key,
			offsetText(o.rec.Timestamp), valueText(d.c.app, o.rec.Value))
	}
}

// WantDead commits, and demands that the next dead letter has this exception, such as NullValue or
// what a check gave processor.RejectAs. It returns the record that was refused.
func (d *Driver) WantDead(exception string) Record {
	d.t.Helper()
	d.Commit()
	o := d.next(func(o *output) bool { return o.kind == processor.TopicDLQ })
	if o == nil {
		d.t.Errorf("no dead letter is left, want one of %s", exception)
		return Record{}
	}
	if got := o.header("__streams.errors.exception"); got != exception {
		d.t.Errorf("dead letter of key %q: got %s (%s), want %s", o.rec.Key, got,
			o.header("__streams.errors.message"), exception)
	}
	return d.source(o, o.header("__streams.errors.topic"))
}

// WantLate commits, and demands that another record came too late for a window. It returns the
// record; its topic is the late topic.
func (d *Driver) WantLate(window string) Record {
	d.t.Helper()
	d.Commit()
	topic := lateTopic(d.c, window)
	d.known(topic)
	o := d.next(func(o *output) bool { return o.rec.Topic == topic })
	if o == nil {
		d.t.Errorf("%s: no late record is left, want one", topic)
		return Record{}
	}
	return d.source(o, topic)
}

func lateTopic(c *cluster, window string) string {
	return c.set.engine.ApplicationID + "-" + window + "-late"
}

// source is an input record as it was copied to another topic.
func (d *Driver) source(o *output, topic string) Record {
	r := Record{Topic: topic, Key: string(o.rec.Key), Time: o.rec.Timestamp.UTC()}
	if o.rec.Value != nil {
		r.Value = o.rec.Value
	}
	return r
}

// next takes the first output of a kind that was not taken yet.
func (d *Driver) next(is func(*output) bool) *output {
	for i := range d.c.outputs {
		if o := &d.c.outputs[i]; !d.taken[i] && is(o) {
			d.taken[i] = true
			return o
		}
	}
	return nil
}

// also says where records went instead: to the dead-letter topic, or too late.
func (d *Driver) also(topic string) string {
	var where []string
	for i := range d.c.outputs {
		o := &d.c.outputs[i]
		switch {
		case d.taken[i] || o.rec.Topic == topic:
		case o.kind == processor.TopicDLQ:
			where = append(where, fmt.Sprintf("%s is dead: %s: %s", o.rec.Key,
				o.header("__streams.errors.exception"), o.header("__streams.errors.message")))
		case o.kind == processor.TopicLate:
			where = append(where, fmt.Sprintf("%s went to %s", o.rec.Key, o.rec.Topic))
		}
	}
	if len(where) == 0 {
		return ""
	}
	return "; " + strings.Join(where, "; ")
}
