package law_test

import (
	"context"
	"io"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/statestore"
)

// edit is what happens to a log.
type edit = func([]*kgo.Record) []*kgo.Record

// damaged is a cluster in which something went wrong with one partition of a topic.
type damaged struct {
	verify.Source
	topic     string
	partition int32
	do        edit
}

// Open reads the log whole, so that it can be changed.
func (d *damaged) Open(ctx context.Context, topic string, partition int32, b verify.Bounds) (
	verify.Log, error) {
	log, err := d.Source.Open(ctx, topic, partition, b)
	if err != nil || topic != d.topic || partition != d.partition {
		return log, err
	}
	defer log.Close()
	var all []*kgo.Record
	for {
		rec, err := log.Next(ctx)
		if err == io.EOF {
			return &list{d.do(all)}, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
}

// list is a Log in memory.
type list struct{ rest []*kgo.Record }

func (l *list) Close() {}

func (l *list) Next(context.Context) (*kgo.Record, error) {
	if len(l.rest) == 0 {
		return nil, io.EOF
	}
	rec := l.rest[0]
	l.rest = l.rest[1:]
	return rec, nil
}

// without leaves the nth record out, again repeats it at the end, and with replaces it.
func without(n int) edit {
	return func(all []*kgo.Record) []*kgo.Record {
		return append(append([]*kgo.Record(nil), all[:n]...), all[n+1:]...)
	}
}

func again(n int) edit {
	return func(all []*kgo.Record) []*kgo.Record { return append(all, all[n]) }
}

func with(n int, change func(*kgo.Record)) edit {
	return func(all []*kgo.Record) []*kgo.Record {
		other := *all[n]
		change(&other)
		all[n] = &other
		return all
	}
}

// lastState is the newest record of a key that is still there.
func lastState(all []*kgo.Record) int {
	newest := make(map[string]int)
	for i, rec := range all {
		newest[string(rec.Key)] = i
	}
	for i, rec := range all {
		if !statestore.Internal(rec.Key) && rec.Value != nil && newest[string(rec.Key)] == i {
			return i
		}
	}
	return -1
}

// damages has the law find what is wrong with a run that was right, each by the count that tells.
func damages(t *testing.T, r *rig) {
	flip := func(rec *kgo.Record) {
		rec.Value = append([]byte(nil), rec.Value...)
		rec.Value[len(rec.Value)-1] ^= 1
	}
	changelog := app + "-" + fraud.Name + "-changelog"
	state := func(change func(int) edit) edit {
		return func(all []*kgo.Record) []*kgo.Record { return change(lastState(all))(all) }
	}
	for _, d := range []struct {
		name  string
		topic string
		do    edit
		count func(*verify.Report) int64
	}{
		{"a lost output", fraud.Decisions, without(7),
			func(r *verify.Report) int64 { return r.Missing }},
		{"a doubled output", fraud.Decisions, again(7),
			func(r *verify.Report) int64 { return r.Extra }},
		{"a changed output", fraud.Decisions, with(7, flip),
			func(r *verify.Report) int64 { return r.Different }},
		{"a lost dead letter", app + "-dlq", without(0),
			func(r *verify.Report) int64 { return r.Missing }},
		{"a doubled late record", app + "-fraud-late", again(0),
			func(r *verify.Report) int64 { return r.Extra }},
		{"a changed entry of state", changelog,
			state(func(n int) edit { return with(n, flip) }),
			func(r *verify.Report) int64 { return r.StateDifferent }},
		{"a lost entry of state", changelog, state(without),
			func(r *verify.Report) int64 { return r.StateDifferent }},
		{"a lost idle tick", app + "-ticks", func(all []*kgo.Record) []*kgo.Record {
			return all[:1] // the first says how far the table was read
		}, func(r *verify.Report) int64 { return r.StateDifferent }},
	} {
		source := &damaged{Source: r.source, topic: d.topic, partition: 0, do: d.do}
		report := r.check(r.spec(), source)
		if report.Oracle != "mismatch" || d.count(report) == 0 {
			t.Errorf("%s was not found: %+v", d.name, *report)
			continue
		}
		t.Logf("%s: %v", d.name, report.Examples[0])
	}
}
