package processortest_test

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// visit is a value of either input, and what the operators fold.
type visit struct {
	User  string   `avro:"user"`
	Value float64  `avro:"value"`
	Seen  []string `avro:"seen"`
}

func visitType() schemas.Type[visit] {
	return schemas.Avro[visit](`{"type":"record","name":"Visit","namespace":"shop","fields":[
		{"name":"user","type":"string"},{"name":"value","type":"double"},
		{"name":"seen","type":{"type":"array","items":"string"}}]}`)
}

// add folds; the order of its sums and its list is that of the records.
func add(sum, v visit) visit {
	return visit{User: v.User, Value: sum.Value + v.Value,
		Seen: append(append([]string(nil), sum.Seen...), v.Seen...)}
}

// say emits a value with where it comes from.
type say func(ctx *processor.Context, format string, args ...any)

type handler = processor.Handler[visit]

// operators builds, for each operator, the handlers of two inputs.
var operators = map[string]func(p *processor.Pipeline, out say) (left, right handler){
	"tumbling": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.Aggregate(p, "w", processor.Tumbling(30*time.Second).Grace(5*time.Second),
			visitType(), add, spans(out))
		return h, h
	},
	"hopping": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.Aggregate(p, "w", processor.Hopping(time.Minute, 20*time.Second).
			EmitEvery(10*time.Second), visitType(), add, spans(out))
		return h, h
	},
	"sessions": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.AggregateSessions(p, "s", processor.SessionGap(15*time.Second).
			Grace(5*time.Second), visitType(), add, add, spans(out))
		return h, h
	},
	"count": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.AggregateCount(p, "c", 3, visitType(), add,
			func(ctx *processor.Context, batch int64, v visit) { out(ctx, "%d %v", batch, v) })
		last := processor.LastN(p, "l", 4, visitType(),
			func(ctx *processor.Context, last []visit) error {
				out(ctx, "%v", last)
				return nil
			})
		return h, last
	},
	"sliding": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.Sliding(p, "v", processor.SlidingWindow{Span: 30 * time.Second,
			Grace: 10 * time.Second, EmitEvery: 5 * time.Second}, visitType(),
			func(ctx *processor.Context, s processor.Span,
				values iter.Seq2[time.Time, visit]) error {
				for at, v := range values {
					out(ctx, "%v %v %v", s, at, v)
				}
				return nil
			})
		return h, h
	},
	"join": func(p *processor.Pipeline, out say) (left, right handler) {
		return processor.Join(p, "j", processor.Interval{Before: 20 * time.Second,
			After: 10 * time.Second, Grace: 5 * time.Second}, visitType(), visitType(),
			func(ctx *processor.Context, l, r visit) { out(ctx, "%v %v", l, r) })
	},
	"left join": func(p *processor.Pipeline, out say) (left, right handler) {
		return processor.LeftJoin(p, "j", processor.Interval{Before: 5 * time.Second,
			After: 10 * time.Second, Grace: 5 * time.Second}, visitType(), visitType(),
			func(ctx *processor.Context, l, r visit, ok bool) { out(ctx, "%v %v %v", l, r, ok) })
	},
	"as of": func(p *processor.Pipeline, out say) (left, right handler) {
		return processor.AsOf(p, "j", 20*time.Second, 5*time.Second, visitType(), visitType(),
			func(ctx *processor.Context, l, r visit, ok bool) { out(ctx, "%v %v %v", l, r, ok) })
	},
	"pattern": func(p *processor.Pipeline, out say) (left, right handler) {
		h := processor.Pattern(p, "p", processor.SessionGap(20*time.Second), visitType(),
			[]processor.Step[visit]{
				{Name: "small", Match: func(v visit) bool { return v.Value < 0.3 }},
				{Name: "great", Match: func(v visit) bool { return v.Value > 0.6 }}},
			func(ctx *processor.Context, m processor.Match[visit]) { out(ctx, "%v", m) })
		return h, h
	},
	"map": func(p *processor.Pipeline, out say) (left, right handler) {
		seen := processor.Keyed(p, "seen", visitType())
		count := func(ctx *processor.Context, v visit) error {
			sum, _ := seen.Get(ctx)
			sum = add(sum, v)
			seen.Set(ctx, sum)
			out(ctx, "%v", sum)
			return nil
		}
		half := func(v visit) visit { v.Value /= 2; return v }
		name := func(v visit) string { return v.User }
		tell := func(ctx *processor.Context, name string) error { out(ctx, "%s", name); return nil }
		return processor.Map(half, count), processor.Branch(count, processor.Map(name, tell))
	},
	"stateless": func(p *processor.Pipeline, out say) (left, right handler) {
		tell := func(ctx *processor.Context, v visit) error {
			out(ctx, "%v", v)
			return nil
		}
		left = processor.Dedupe(p, "d", 30*time.Second,
			func(v visit) string { return fmt.Sprint(int(v.Value * 4)) }, tell)
		right = processor.Branch(
			processor.Filter(func(v visit) bool { return v.Value > 0.5 }, tell),
			processor.Repartition(p, "by-user", visitType(),
				func(v visit) string { return v.User }))
		return left, right
	},
}

func spans(out say) func(*processor.Context, processor.Span, visit) {
	return func(ctx *processor.Context, s processor.Span, v visit) { out(ctx, "%v %v", s, v) }
}

// TestExactlyHoldsForOperators runs each operator over two inputs in disorder, some of it late.
func TestExactlyHoldsForOperators(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 3))
	var records []processortest.Record
	for i := range 250 {
		at := time.Duration(i) * 1500 * time.Millisecond
		if r.IntN(3) == 0 {
			at -= time.Duration(r.IntN(40_000)) * time.Millisecond
		}
		records = append(records, processortest.Record{Topic: []string{"left", "right"}[r.IntN(2)],
			Key: fmt.Sprint("k", r.IntN(6)), Time: processortest.Time(max(at, 0)),
			Value: visit{User: fmt.Sprint("u", r.IntN(4)), Value: r.Float64(),
				Seen: []string{fmt.Sprint(i)}}})
	}
	for name, build := range operators {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipeline := func() *processor.Pipeline {
				p := processor.New("operators")
				said := processor.Output(p, "said", visitType())
				left, right := build(p, func(ctx *processor.Context, format string, args ...any) {
					said.Emit(ctx, ctx.Key(), visit{User: fmt.Sprintf(format, args...)})
				})
				processor.Input(p, "left", visitType(), left)
				processor.Input(p, "right", visitType(), right)
				return p
			}
			processortest.Exactly(t, pipeline, records, processortest.IdleFor(5*time.Minute),
				processortest.Schedules(16))
			d := processortest.New(t, pipeline())
			for _, r := range records {
				d.At(r.Time.Sub(processortest.Epoch)).Send(r.Topic, r.Key, r.Value)
			}
			if n := len(d.Outputs("said")); n < 15 {
				t.Errorf("only %d outputs: the records do not try the operator", n)
			}
		})
	}
}
