package processor_test

import (
	"fmt"
	"time"

	"pawl/processor"
	"pawl/processor/aggregate"
	"pawl/processor/processortest"
)

// How many buys each customer makes in a minute: final results only, ten seconds for late ones.
func ExampleAggregate_perMinute() {
	p := processor.New("per-minute")
	counts := processor.Output(p, "per-minute", aggregate.CountType())
	processor.Input(p, "buys", buyType(),
		processor.Aggregate(p, "minutes", processor.Tumbling(time.Minute).Grace(10*time.Second),
			aggregate.CountType(), aggregate.CountOf[buy](),
			func(ctx *processor.Context, _ processor.Span, c aggregate.Count) {
				counts.Emit(ctx, ctx.Key(), c)
			})).
		EventTime(func(b buy) time.Time { return b.At })

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", At: processortest.Time(0)})
	d.Send("buys", "ann", buy{ID: "b2", At: processortest.Time(time.Second)})
	d.Idle(2 * time.Minute)
	d.Want("per-minute", "ann", aggregate.Count{Count: 2})
	fmt.Println(tb.Failed())
	// Output: false
}

// A counter for each key, in a table.
func ExampleKeyed_counter() {
	p := processor.New("counter")
	table := processor.Keyed(p, "counter", aggregate.CountType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		counter, _ := table.Get(ctx)
		counter.Count++
		table.Set(ctx, counter)
		return nil
	})

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1"})
	d.Send("buys", "ann", buy{ID: "b2"})
	fmt.Println(d.State("counter", "ann"))
	// Output: {2}
}
