package audit

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
)

// readTicks compares the ticks with the position records, which count them.
func (a *auditor) readTicks(ctx context.Context) error {
	name := a.layout.ticks.name
	dec := schemas.NewDecoder(record.TickType(), a.resolver)
	for _, t := range a.tasks {
		b := a.bounds[name][t.partition]
		if b.From > 0 {
			a.report.note("%s: its beginning is gone, so that its records have no numbers", name)
			continue
		}
		t.idle = roaring64.New()
		r := &ticks{a: a, t: t}
		err := a.each(ctx, name, t.partition, b, func(rec *kgo.Record) error {
			return r.take(ctx, dec, rec)
		})
		if err != nil {
			return err
		}
		r.end(part(name, t.partition))
	}
	return a.spare(ctx, name, Ticks)
}

// spare reports records on partitions that no task has.
func (a *auditor) spare(ctx context.Context, name, invariant string) error {
	for p := len(a.tasks); p < len(a.bounds[name]); p++ {
		err := a.each(ctx, name, int32(p), a.bounds[name][p], func(rec *kgo.Record) error {
			a.report.violated(invariant, at(rec), "there is no task of partition %d", p)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ticks are those of one task.
type ticks struct {
	a     *auditor
	t     *task
	n     int64 // so many were read
	prev  *record.Tick
	boots int
}

func (r *ticks) want() int64 {
	if r.t.last == nil {
		return 0
	}
	return r.t.last.Ticks
}

func (r *ticks) take(ctx context.Context, dec *schemas.Decoder[record.Tick],
	rec *kgo.Record) error {
	n := r.n
	r.n++
	if n >= r.want() {
		if !r.a.report.Live {
			r.violated(rec, "it is the tick with number %d, counted from 0, but the last position "+
				"record counts %d: no epoch accounts for it", n, r.want())
		}
		return nil
	}
	if r.t.turned != nil && n < r.t.turned.Ticks {
		return nil // before the task was taken back
	}
	var tick record.Tick
	bad, err := decode(ctx, dec, rec.Value, &tick)
	if err != nil {
		return fmt.Errorf("tick at %s: %w", at(rec), err)
	}
	if bad != "" {
		r.violated(rec, "the tick cannot be read: %s", bad)
		return nil
	}
	if tick.Kind == record.TickIdle {
		r.t.idle.Add(uint64(n)) // whatever else is wrong with it
	}
	if why := r.judge(n, rec, &tick); why != "" {
		r.violated(rec, "tick %d, %s: %s", n, tick.Kind, why)
	}
	r.prev = &tick
	return nil
}

func (r *ticks) violated(rec *kgo.Record, format string, args ...any) {
	r.a.report.violated(Ticks, at(rec), format, args...)
}

// judge says what is wrong with the n-th tick, or nothing.
func (r *ticks) judge(n int64, rec *kgo.Record, tick *record.Tick) string {
	e := &r.t.epochs
	k, known := e.of(e.inputs, n)
	switch {
	case tick.Task != r.t.name:
		return fmt.Sprintf("it is of task %s, want %s", tick.Task, r.t.name)
	case r.prev != nil && tick.Watermark < r.prev.Watermark:
		return fmt.Sprintf("the watermark fell from %d to %d", r.prev.Watermark, tick.Watermark)
	case tick.Watermark > r.t.last.Watermark:
		return fmt.Sprintf("its watermark is %d, beyond the %d of %s", tick.Watermark,
			r.t.last.Watermark, r.t.lastAt)
	case known && e.rows[k].by != writerOf(rec):
		return fmt.Sprintf("it is of another transaction than epoch %d", e.rows[k].epoch)
	}
	marks := tick.After
	switch tick.Kind {
	case record.TickBootstrap:
		r.boots++
		marks = append(marks, record.Mark{Topic: tick.Topic, Offset: tick.Offset})
	case record.TickDeviation:
		marks = append(marks, record.Mark{Topic: tick.Topic, Offset: tick.Offset + 1})
	}
	for _, m := range marks {
		i := r.a.layout.input(m.Topic)
		if i < 0 {
			return fmt.Sprintf("it names topic %s, which is no input", m.Topic)
		}
		if to := e.offset(k, i); m.Offset > to {
			return fmt.Sprintf("it happened at offset %d of %s, but its epoch %d ends at %d",
				m.Offset, m.Topic, e.rows[k].epoch, to)
		}
		if known && m.Offset < e.offset(k-1, i) {
			return fmt.Sprintf("it happened at offset %d of %s, but its epoch %d begins at %d",
				m.Offset, m.Topic, e.rows[k].epoch, e.offset(k-1, i))
		}
	}
	return ""
}

// end judges the number of ticks.
func (r *ticks) end(where string) {
	if r.n < r.want() {
		r.a.report.violated(Ticks, where, "the last position record counts %d ticks, but %d are "+
			"there", r.want(), r.n)
		return
	}
	want := 0
	if r.t.turned != nil && r.t.turned.Bootstrapped {
		return
	}
	if r.t.last != nil && r.t.last.Bootstrapped {
		want = r.a.layout.tables
	}
	if r.boots != want {
		r.a.report.violated(Ticks, where, "%d bootstrap ticks; want %d, one for each table that "+
			"was read before the first record", r.boots, want)
	}
}
