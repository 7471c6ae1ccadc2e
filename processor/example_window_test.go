package processor_test

import (
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/aggregate"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// A buy is what the examples of operators take in; its key is the customer.
type buy struct {
	ID    string    `avro:"id"`
	Item  string    `avro:"item"`
	Cents int64     `avro:"cents"`
	At    time.Time `avro:"at"`
}

func (b buy) cents() int64 { return b.Cents }

func buyType() schemas.Type[buy] {
	return schemas.Avro[buy](`{"type":"record","name":"Buy","namespace":"shop","fields":[
		{"name":"id","type":"string"},{"name":"item","type":"string"},
		{"name":"cents","type":"long"},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}`)
}

// A line is what they give.
type line struct {
	Text string `avro:"text"`
}

func lineType() schemas.Type[line] {
	return schemas.Avro[line](`{"type":"record","name":"Line","namespace":"shop","fields":[
		{"name":"text","type":"string"}]}`)
}

// tb stands for the parameter of a test.
var tb = new(testing.T)

// show prints what was committed to the topic lines.
func show(d *processortest.Driver) {
	for _, r := range d.Outputs("lines") {
		fmt.Printf("%s at %v: %s\n", r.Key, r.Time.Sub(processortest.Epoch), r.Value.(line).Text)
	}
}

// Sums per minute. A window's result comes once, when the watermark has passed its end and the
// grace; what comes later still goes to its late topic.
func ExampleAggregate() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.Aggregate(p, "minutes", processor.Tumbling(time.Minute).Grace(10*time.Second),
			aggregate.IntStatsType(), aggregate.IntStatsOf(buy.cents),
			func(ctx *processor.Context, w processor.Span, s aggregate.IntStats) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%d buys, %d cents until %v",
					s.Count, s.Sum, w.End.Sub(processortest.Epoch))})
			}))

	d := processortest.New(tb, p)
	d.At(10*time.Second).Send("buys", "ann", buy{ID: "b1", Cents: 100})
	d.At(50*time.Second).Send("buys", "ann", buy{ID: "b2", Cents: 200})
	d.At(60*time.Second).Send("buys", "ann", buy{ID: "b3", Cents: 400}) // [start, end): the next
	d.Idle(2 * time.Minute)
	d.At(30*time.Second).Send("buys", "ann", buy{ID: "b4", Cents: 800})
	show(d)
	fmt.Println("late:", d.WantLate("minutes").Key)
	// Output:
	// ann at 59.999s: 2 buys, 300 cents until 1m0s
	// late: ann
}

// Tumbling windows follow each other; EmitEvery gives early results of those that changed.
func ExampleTumbling() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.Aggregate(p, "hours", processor.Tumbling(time.Hour).EmitEvery(10*time.Minute),
			aggregate.CountType(), aggregate.CountOf[buy](),
			func(ctx *processor.Context, w processor.Span, c aggregate.Count) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%d, final %v", c.Count, w.Final)})
			}))

	d := processortest.New(tb, p)
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.Idle(15 * time.Minute)
	d.At(16*time.Minute).Send("buys", "ann", buy{ID: "b2"})
	d.Idle(30 * time.Minute)
	d.Idle(time.Hour)
	show(d)
	// Output:
	// ann at 59m59.999s: 1, final false
	// ann at 59m59.999s: 2, final false
	// ann at 59m59.999s: 2, final true
}

// Hopping windows overlap: a record counts in each that it belongs to.
func ExampleHopping() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.Aggregate(p, "quarters", processor.Hopping(15*time.Minute, 5*time.Minute),
			aggregate.CountType(), aggregate.CountOf[buy](),
			func(ctx *processor.Context, w processor.Span, c aggregate.Count) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%d in %v to %v", c.Count,
					w.Start.Sub(processortest.Epoch), w.End.Sub(processortest.Epoch))})
			}))

	d := processortest.New(tb, p)
	d.At(16*time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.Idle(time.Hour)
	show(d)
	// Output:
	// ann at 19m59.999s: 1 in 5m0s to 20m0s
	// ann at 24m59.999s: 1 in 10m0s to 25m0s
	// ann at 29m59.999s: 1 in 15m0s to 30m0s
}

// What a customer bought in one visit; the third buy joins two visits into one.
func ExampleAggregateSessions() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.AggregateSessions(p, "visits", processor.SessionGap(10*time.Minute).
			Grace(5*time.Minute),
			aggregate.IntStatsType(), aggregate.IntStatsOf(buy.cents), aggregate.IntStats.Merge,
			func(ctx *processor.Context, s processor.Span, sum aggregate.IntStats) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%d cents in %v", sum.Sum,
					s.End.Sub(s.Start))})
			}))

	d := processortest.New(tb, p)
	d.At(0).Send("buys", "ann", buy{ID: "b1", Cents: 1})
	d.Commit()
	d.At(14*time.Minute).Send("buys", "ann", buy{ID: "b2", Cents: 2})
	d.Commit()
	d.At(7*time.Minute).Send("buys", "ann", buy{ID: "b3", Cents: 4})
	d.Idle(time.Hour)
	show(d)
	// Output: ann at 14m0s: 7 cents in 14m0s
}

// A session ends when the watermark has passed its last event, the gap and the grace.
func ExampleSessionGap() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.AggregateSessions(p, "visits", processor.SessionGap(time.Minute),
			aggregate.CountType(), aggregate.CountOf[buy](), aggregate.Count.Merge,
			func(ctx *processor.Context, _ processor.Span, c aggregate.Count) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprint(c.Count, " in this visit")})
			}))

	d := processortest.New(tb, p)
	for _, second := range []time.Duration{0, 60, 121} { // an event right at the gap still joins
		d.At(second*time.Second).Send("buys", "ann", buy{ID: "b"})
	}
	d.Idle(time.Hour)
	show(d)
	// Output:
	// ann at 1m0s: 2 in this visit
	// ann at 2m1s: 1 in this visit
}

// How much lately? Each record is answered by what is in the window that ends with it.
func ExampleSliding() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.Sliding(p, "lately", processor.SlidingWindow{Span: 5 * time.Minute}, buyType(),
			func(ctx *processor.Context, _ processor.Span, l iter.Seq2[time.Time, buy]) error {
				sum := int64(0)
				for _, b := range l {
					sum += b.Cents
				}
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprint(sum, " cents in five minutes")})
				return nil
			}))

	d := processortest.New(tb, p)
	d.At(0).Send("buys", "ann", buy{ID: "b1", Cents: 100})
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b2", Cents: 200})
	d.At(5*time.Minute).Send("buys", "ann", buy{ID: "b3", Cents: 400}) // (t - span, t]
	show(d)
	// Output:
	// ann at 0s: 100 cents in five minutes
	// ann at 1m0s: 300 cents in five minutes
	// ann at 5m0s: 600 cents in five minutes
}

// A window of two records rather than of time.
func ExampleAggregateCount() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.AggregateCount(p, "pairs", 2,
			aggregate.IntStatsType(), aggregate.IntStatsOf(buy.cents),
			func(ctx *processor.Context, batch int64, s aggregate.IntStats) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("batch %d: %d", batch, s.Sum)})
			}))

	d := processortest.New(tb, p)
	for i := range 5 {
		d.At(time.Duration(i)*time.Second).Send("buys", "ann", buy{ID: "b", Cents: int64(i)})
	}
	show(d)
	// Output:
	// ann at 1s: batch 1: 1
	// ann at 3s: batch 2: 5
}

// The last two records of a key at each of them.
func ExampleLastN() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.LastN(p, "last", 2, buyType(), func(ctx *processor.Context, last []buy) error {
			var ids []string
			for _, b := range last {
				ids = append(ids, b.ID)
			}
			lines.Emit(ctx, ctx.Key(), line{strings.Join(ids, " ")})
			return nil
		}))

	d := processortest.New(tb, p)
	for i, id := range []string{"b1", "b2", "b3"} {
		d.At(time.Duration(i)*time.Second).Send("buys", "ann", buy{ID: id})
	}
	show(d)
	// Output:
	// ann at 0s: b1
	// ann at 1s: b1 b2
	// ann at 2s: b2 b3
}

// Look, basket, buy: a funnel, complete or broken off, when the visit ends.
func ExamplePattern() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	is := func(item string) func(buy) bool { return func(b buy) bool { return b.Item == item } }
	processor.Input(p, "buys", buyType(),
		processor.Pattern(p, "funnel", processor.SessionGap(30*time.Minute), buyType(),
			[]processor.Step[buy]{{Name: "look", Match: is("look")},
				{Name: "basket", Match: is("basket")}, {Name: "buy", Match: is("buy")}},
			func(ctx *processor.Context, m processor.Match[buy]) {
				lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%d of 3 steps, complete %v",
					len(m.Events), m.Complete)})
			}))

	d := processortest.New(tb, p)
	for i, step := range []string{"look", "basket", "look", "buy"} {
		d.At(time.Duration(i)*time.Minute).Send("buys", "ann", buy{Item: step})
	}
	d.At(0).Send("buys", "bob", buy{Item: "look"})
	d.Idle(2 * time.Hour)
	show(d)
	// Output:
	// bob at 0s: 1 of 3 steps, complete false
	// ann at 3m0s: 3 of 3 steps, complete true
}
