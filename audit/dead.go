package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/twmb/franz-go/pkg/kgo"
)

// letter is a dead letter and the input record that it names.
type letter struct {
	rec    *kgo.Record
	input  int
	offset int64
}

// letterOf reads the headers of a dead letter.
func (a *auditor) letterOf(rec *kgo.Record) (letter, string) {
	topic := string(header(rec, "__streams.errors.topic"))
	input := a.layout.input(topic)
	partition, err1 := strconv.ParseInt(string(header(rec, "__streams.errors.partition")), 10, 32)
	offset, err2 := strconv.ParseInt(string(header(rec, "__streams.errors.offset")), 10, 64)
	switch err := errors.Join(err1, err2); {
	case input < 0 || err != nil:
		return letter{}, "its __streams.errors headers name no input record"
	case int32(partition) != rec.Partition:
		return letter{}, fmt.Sprintf("it is from partition %d of %s", partition, topic)
	}
	return letter{rec, input, offset}, ""
}

// letters are a task's dead letters of one input, in order, those that broke a rule left out.
type letters struct {
	a     *auditor
	t     *task
	input int
	log   *log
	count int64 // so many are accounted for by epochs
	last  int64 // offset of the last one; -1 for none
	seen  *roaring64.Bitmap
	head  *letter
	ended bool
}

func (a *auditor) openLetters(ctx context.Context, t *task, input int) (*letters, error) {
	name := a.layout.dlq.name
	l, err := a.open(ctx, name, t.partition, a.bounds[name][t.partition])
	return &letters{a: a, t: t, input: input, log: l, last: -1, seen: roaring64.New()}, err
}

func (l *letters) close() { l.log.close() }

// peek makes head the next letter; nil at the end.
func (l *letters) peek(ctx context.Context) error {
	for l.head == nil && !l.ended {
		rec, err := l.log.next(ctx)
		if err != nil {
			return err
		}
		if rec == nil {
			l.ended = true
			return nil
		}
		d, bad := l.a.letterOf(rec)
		switch {
		case bad != "" && l.input == 0: // each input reads the topic; once is enough
			l.violated(rec, "%s", bad)
		case bad == "" && d.input == l.input && l.good(&d):
			l.head = &d
		}
	}
	return nil
}

func (l *letters) violated(rec *kgo.Record, format string, args ...any) {
	l.a.report.violated(DeadLetter, at(rec), format, args...)
}

// good judges a letter by the epochs and the letter before it.
func (l *letters) good(d *letter) bool {
	if l.t.before(d.rec) {
		return false
	}
	name := l.a.layout.inputs[l.input].name
	begins, ends := l.t.extent(l.input)
	if d.offset >= ends || d.offset < begins {
		if !l.a.report.Live || d.offset < begins {
			l.violated(d.rec, "it is from offset %d of %s, but the epochs of task %s cover "+
				"offsets from %d to %d", d.offset, name, l.t.name, begins, ends)
		}
		return false
	}
	if !l.seen.CheckedAdd(uint64(d.offset)) {
		l.violated(d.rec, "it is a second one from offset %d of %s", d.offset, name)
		return false
	}
	l.count++
	if d.offset < l.last {
		l.violated(d.rec, "it is from offset %d of %s, but stands after one from offset %d",
			d.offset, name, l.last)
		return false
	}
	l.last = d.offset
	n, known := l.t.epochs.of(l.input, d.offset)
	if !known {
		return true
	}
	row := l.t.epochs.rows[n]
	if said := string(header(d.rec, "pawl.epoch")); said != strconv.FormatInt(row.epoch, 10) {
		l.violated(d.rec, "it says epoch %s, but offset %d of %s belongs to epoch %d", said,
			d.offset, name, row.epoch)
	} else if row.by != writerOf(d.rec) {
		l.violated(d.rec, "it is from offset %d of %s, but not with the transaction of epoch %d, "+
			"which covers that", d.offset, name, row.epoch)
	}
	return true
}

// before says that a letter was written before the task was taken back.
func (t *task) before(rec *kgo.Record) bool {
	epoch, err := strconv.ParseInt(string(header(rec, "pawl.epoch")), 10, 64)
	return t.turned != nil && err == nil && epoch <= t.turned.Epoch
}

// pass takes the letters up to an input record, one of which may be its own.
func (l *letters) pass(ctx context.Context, rec *kgo.Record) error {
	for {
		if err := l.peek(ctx); err != nil || l.head == nil || l.head.offset > rec.Offset {
			return err
		}
		d := l.head
		l.head = nil
		if d.offset < rec.Offset {
			l.unfounded(d)
			continue
		}
		if !sameOrOmitted(d.rec, "value", d.rec.Value, rec.Value) ||
			!sameOrOmitted(d.rec, "key", d.rec.Key, rec.Key) ||
			!d.rec.Timestamp.Equal(rec.Timestamp) {
			l.violated(d.rec, "its key, value or timestamp is not that of %s", at(rec))
		}
		if s := l.t.seen[l.input].offsets(); s != nil && s.Contains(uint64(d.offset)) {
			l.violated(d.rec, "%s led to an output, and is dead", at(rec))
		}
		return nil
	}
}

// unfounded reports a letter whose input record is not there, if it could be.
func (l *letters) unfounded(d *letter) {
	in := l.a.layout.inputs[l.input]
	if in.compacted || d.offset < l.a.bounds[in.name][l.t.partition].From {
		return
	}
	l.violated(d.rec, "it is from offset %d of %s, which holds no record", d.offset, in.name)
}

// sameOrOmitted says whether a part of a dead letter is that of its record, or says that it was
// left out.
func sameOrOmitted(rec *kgo.Record, what string, have, want []byte) bool {
	if bytes.Equal(have, want) && (have == nil) == (want == nil) {
		return true
	}
	return have == nil &&
		string(header(rec, "pawl."+what+".omitted")) == strconv.Itoa(len(want))
}

// end takes the letters that are left, and compares their number with the ledger.
func (l *letters) end(ctx context.Context) error {
	for {
		if err := l.peek(ctx); err != nil {
			return err
		}
		if l.head == nil {
			break
		}
		l.unfounded(l.head)
		l.head = nil
	}
	if l.t.last == nil || l.t.turned != nil { // letters of before are not told apart by the ledger
		return nil
	}
	name := l.a.layout.dlq.name
	in := l.t.last.Inputs[l.input]
	if l.a.bounds[name][l.t.partition].From > 0 {
		l.a.report.note("%s: its beginning is gone", name)
		if l.count <= in.Dead {
			return nil
		}
	}
	if l.count != in.Dead {
		l.a.report.violated(DeadLetter, part(name, l.t.partition), "%s: the ledger counts %d dead "+
			"records, but there are %d dead letters", part(in.Topic, in.Partition), in.Dead,
			l.count)
	}
	return nil
}
