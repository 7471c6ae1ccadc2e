package processor_test

import (
	"fmt"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
)

// Each buy with every advertisement that its customer saw in the half hour before it, whichever of
// the two arrives first.
func ExampleJoin() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	ads, buys := processor.Join(p, "led-to", processor.Interval{After: 30 * time.Minute},
		lineType(), buyType(), func(ctx *processor.Context, ad line, b buy) {
			lines.Emit(ctx, ctx.Key(), line{ad.Text + " led to " + b.ID})
		})
	processor.Input(p, "ads", lineType(), ads)
	processor.Input(p, "buys", buyType(), buys)

	d := processortest.New(tb, p)
	d.At(0).Send("ads", "ann", line{"tea-ad"})
	d.At(20*time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.At(31*time.Minute).Send("buys", "ann", buy{ID: "b2"})
	show(d)
	// Output: ann at 20m0s: tea-ad led to b1
}

// The same, and the advertisements that led to nothing, each once, when nothing can come any more.
func ExampleLeftJoin() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	ads, buys := processor.LeftJoin(p, "led-to", processor.Interval{After: 30 * time.Minute},
		lineType(), buyType(), func(ctx *processor.Context, ad line, b buy, matched bool) {
			if !matched {
				lines.Emit(ctx, ctx.Key(), line{ad.Text + " led to nothing"})
				return
			}
			lines.Emit(ctx, ctx.Key(), line{ad.Text + " led to " + b.ID})
		})
	processor.Input(p, "ads", lineType(), ads)
	processor.Input(p, "buys", buyType(), buys)

	d := processortest.New(tb, p)
	d.At(0).Send("ads", "ann", line{"tea-ad"})
	d.At(0).Send("ads", "bob", line{"rice-ad"})
	d.At(20*time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.Idle(time.Hour)
	show(d)
	// Output:
	// ann at 20m0s: tea-ad led to b1
	// bob at 0s: rice-ad led to nothing
}

// Each buy at the price that held when it was made, although the price arrives after the buy.
func ExampleAsOf() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	buys, prices := processor.AsOf(p, "priced", time.Hour, time.Minute, buyType(), lineType(),
		func(ctx *processor.Context, b buy, price line, matched bool) {
			lines.Emit(ctx, ctx.Key(), line{fmt.Sprintln(b.ID, price.Text, matched)})
		})
	processor.Input(p, "buys", buyType(), buys)
	processor.Input(p, "prices", lineType(), prices)

	d := processortest.New(tb, p)
	d.At(0).Send("prices", "tea", line{"2.50"})
	d.At(10*time.Minute).Send("buys", "tea", buy{ID: "b1"})
	d.Commit()
	d.At(9*time.Minute+59*time.Second).Send("prices", "tea", line{"2.80"})
	d.Idle(time.Hour)
	show(d)
	// Output: tea at 10m0s: b1 2.80 true
}

// A compacted topic, partitioned as the stream is, as a table: each record sees the table as it was
// at the record's time.
func ExampleTableInput() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	_, names := processor.TableInput(p, "names", lineType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		name, ok := names.Get(ctx)
		lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%s by %q, known %v", b.ID, name.Text, ok)})
		return nil
	})

	d := processortest.New(tb, p)
	d.At(0).Send("names", "ann", line{"Ann Other"})
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.At(2*time.Minute).Send("names", "ann", nil) // deletes the key
	d.At(3*time.Minute).Send("buys", "ann", buy{ID: "b2"})
	show(d)
	// Output:
	// ann at 1m0s: b1 by "Ann Other", known true
	// ann at 3m0s: b2 by "", known false
}

// A small table that every task holds whole, to be looked up by any key.
func ExampleGlobalTableInput() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	_, units := processor.GlobalTableInput(p, "units", lineType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		unit, _ := units.Get(ctx, b.Item) // not the record's key, which is the customer
		lines.Emit(ctx, ctx.Key(), line{fmt.Sprint("one ", unit.Text, " of ", b.Item)})
		return nil
	})

	d := processortest.New(tb, p)
	d.At(0).Send("units", "tea", line{"packet"})
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b1", Item: "tea"})
	show(d)
	// Output: ann at 1m0s: one packet of tea
}
