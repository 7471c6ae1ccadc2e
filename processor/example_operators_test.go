package processor_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pawl/processor"
	"pawl/processor/aggregate"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// The record of a key that comes twice within an hour counts once.
func ExampleDedupe() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(),
		processor.Dedupe(p, "seen", time.Hour, func(b buy) string { return b.ID },
			func(ctx *processor.Context, b buy) error {
				lines.Emit(ctx, ctx.Key(), line{b.ID + " is new"})
				return nil
			}))

	d := processortest.New(tb, p)
	d.At(0).Send("buys", "ann", buy{ID: "b1"})
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b1"})
	d.At(2*time.Hour).Send("buys", "ann", buy{ID: "b2"})
	d.At(2*time.Hour).Send("buys", "ann", buy{ID: "b1"}) // forgotten by now
	show(d)
	// Output:
	// ann at 0s: b1 is new
	// ann at 2h0m0s: b2 is new
	// ann at 2h0m0s: b1 is new
}

// What Filter leaves out is counted as filtered in the input's ledger.
func ExampleFilter() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	large := func(b buy) bool { return b.Cents >= 1000 }
	processor.Input(p, "buys", buyType(), processor.Filter(large,
		func(ctx *processor.Context, b buy) error {
			lines.Emit(ctx, ctx.Key(), line{b.ID + " is large"})
			return nil
		}))

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Cents: 999})
	d.Send("buys", "ann", buy{ID: "b2", Cents: 1000})
	show(d)
	// Output: ann at 0s: b2 is large
}

// Operators are handlers that take handlers, so Map hands a record of another type to the next.
func ExampleMap() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	label := func(b buy) line { return line{strings.ToUpper(b.Item)} }
	processor.Input(p, "buys", buyType(), processor.Map(label,
		func(ctx *processor.Context, l line) error {
			lines.Emit(ctx, ctx.Key(), l)
			return nil
		}))

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Item: "tea"})
	show(d)
	// Output: ann at 0s: TEA
}

// Each record goes to all branches, in the order in which they are written.
func ExampleBranch() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	say := func(what string) processor.Handler[buy] {
		return func(ctx *processor.Context, b buy) error {
			lines.Emit(ctx, ctx.Key(), line{b.ID + " " + what})
			return nil
		}
	}
	large := func(b buy) bool { return b.Cents >= 1000 }
	processor.Input(p, "buys", buyType(),
		processor.Branch(say("is booked"), processor.Filter(large, say("is checked"))))

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Cents: 5})
	d.Send("buys", "ann", buy{ID: "b2", Cents: 5000})
	show(d)
	// Output:
	// ann at 0s: b1 is booked
	// ann at 0s: b2 is booked
	// ann at 0s: b2 is checked
}

// Orders of customers go on under the item's key; another pipeline reads the topic.
func ExampleRepartition() {
	p := processor.New("shop")
	processor.Input(p, "buys", buyType(),
		processor.Repartition(p, "by-item", buyType(), func(b buy) string { return b.Item }))

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Item: "tea"})
	d.Send("buys", "bob", buy{ID: "b2", Item: "tea"})
	for _, r := range d.Outputs("by-item") {
		fmt.Println(r.Key, r.Value.(buy).ID)
	}
	// Output:
	// tea b1
	// tea b2
}

// A table is state under the record's key; a process that dies before the epoch is committed
// changes nothing.
func ExampleKeyed() {
	p := processor.New("shop")
	spent := processor.Keyed(p, "spent", aggregate.IntStatsType())
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		s, _ := spent.Get(ctx)
		s = aggregate.IntStatsOf(buy.cents)(s, b)
		spent.Set(ctx, s)
		lines.Emit(ctx, ctx.Key(), line{fmt.Sprint("spent ", s.Sum)})
		return nil
	})

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Cents: 300})
	d.Crash()
	d.Send("buys", "ann", buy{ID: "b2", Cents: 400})
	show(d)
	// Output:
	// ann at 0s: spent 300
	// ann at 0s: spent 700
}

// A timer fires when the watermark reaches its time: no order is paid for within a quarter of an
// hour, so it is given up.
func ExampleNewTimers() {
	p := processor.New("shop")
	open := processor.Keyed(p, "open", buyType())
	lines := processor.Output(p, "lines", lineType())
	giveUp := processor.NewTimers(p, "give-up", func(ctx *processor.Context) error {
		if b, ok := open.Get(ctx); ok {
			lines.Emit(ctx, ctx.Key(), line{b.ID + " was not paid"})
			open.Delete(ctx)
		}
		return nil
	})
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		open.Set(ctx, b)
		giveUp.Set(ctx, ctx.Time().Add(15*time.Minute))
		return nil
	})

	d := processortest.New(tb, p)
	d.At(0).Send("buys", "ann", buy{ID: "b1"})
	d.Crash()
	d.Idle(time.Hour)
	show(d)
	// Output: ann at 15m0s: b1 was not paid
}

// A timeline keeps a key's values in the order of event time, whatever order they came in.
func ExampleNewTimeline() {
	p := processor.New("shop")
	past := processor.NewTimeline(p, "past", time.Hour, buyType())
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		past.Add(ctx, b)
		var ids []string
		for _, one := range past.Range(ctx, ctx.Time().Add(-10*time.Minute), ctx.Time()) {
			ids = append(ids, one.ID)
		}
		lines.Emit(ctx, ctx.Key(), line{strings.Join(ids, " ")})
		return nil
	})

	d := processortest.New(tb, p)
	d.At(2*time.Minute).Send("buys", "ann", buy{ID: "b2"})
	d.Commit()
	d.At(time.Minute).Send("buys", "ann", buy{ID: "b1"}) // out of order
	d.Commit()
	d.At(3*time.Minute).Send("buys", "ann", buy{ID: "b3"})
	show(d)
	// Output:
	// ann at 2m0s: b2
	// ann at 1m0s: b1
	// ann at 3m0s: b1 b2 b3
}

// A counter is a metric of what was committed: the record that was processed twice counts once.
func ExampleCount() {
	p := processor.New("shop")
	sold := processor.Count(p, "shop_sold_total", "Things sold, by kind.", "item", "tea", "rice")
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		sold.Inc(ctx, b.Item)
		return nil
	})

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Item: "tea"})
	d.Crash()
	d.Send("buys", "ann", buy{ID: "b2", Item: "salt"})
	fmt.Println(d.Counted("shop_sold_total", "tea"),
		d.Counted("shop_sold_total", processor.OtherValue))
	// Output: 1 1
}

// A service is asked about each record ahead of its turn; its handler has the answer.
func ExampleEnrich() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	var stock *processor.Enriched[int]
	in := processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		n, _ := stock.Get(ctx)
		lines.Emit(ctx, ctx.Key(), line{fmt.Sprintf("%s: %d in stock", b.Item, n)})
		return nil
	})
	stock = processor.Enrich(in, processor.Enrichment[buy, int]{Name: "stock",
		Call: func(_ context.Context, b buy) (int, error) {
			return map[string]int{"tea": 7}[b.Item], nil // a request to the service
		}})

	d := processortest.New(tb, p)
	d.Send("buys", "ann", buy{ID: "b1", Item: "tea"})
	show(d)
	// Output: ann at 0s: tea: 7 in stock
}

// Small orders may be left out when a task is ten thousand records or a minute behind; they go to
// the topic <application.id>-shed. Without a cluster nothing ever is.
func ExampleSource_Shed() {
	p := processor.New("shop")
	processor.Input(p, "buys", buyType(), func(*processor.Context, buy) error { return nil }).
		Shed(processor.Shedding[buy]{
			Priority:   func(b buy) int { return int(b.Cents) },
			Below:      1000,
			MaxLag:     10_000,
			MaxLatency: time.Minute,
		})
	fmt.Println(p.Validate())
	// Output: <nil>
}

// Rules that an input's records must keep. What breaks one moves no watermark and touches no
// state.
func ExampleInput() {
	p := processor.New("shop")
	lines := processor.Output(p, "lines", lineType())
	processor.Input(p, "buys", buyType(), func(ctx *processor.Context, b buy) error {
		lines.Emit(ctx, ctx.Key(), line{b.ID})
		return nil
	}).
		EventTime(func(b buy) time.Time { return b.At }).
		Check(func(b buy) error {
			if b.Cents < 0 {
				return processor.RejectAs("NegativePrice", "%s costs %d cents", b.ID, b.Cents)
			}
			return nil
		}).
		Late("booking", time.Minute)

	d := processortest.New(tb, p)
	at := processortest.Time
	d.Send("buys", "ann", buy{ID: "b1", At: at(10 * time.Minute)})
	d.Send("buys", "ann", buy{ID: "b2", At: at(10 * time.Minute), Cents: -1})
	d.Send("buys", "ann", buy{ID: "b3", At: at(time.Minute)})
	show(d)
	fmt.Println("dead:", d.WantDead("NegativePrice").Key, "late:", d.WantLate("booking").Topic)
	// Output:
	// ann at 10m0s: b1
	// dead: ann late: test-booking-late
}

// All faults of a pipeline are reported together.
func ExamplePipeline_Validate() {
	p := processor.New("shop")
	processor.Input(p, "buys", schemas.Avro[buy](`{"type": "record"}`),
		processor.Aggregate(p, "sums", processor.Hopping(time.Minute, time.Hour),
			aggregate.CountType(), aggregate.CountOf[buy](), nil))
	fmt.Println(strings.Count(p.Validate().Error(), "\n")+1, "faults")
	// Output: 3 faults
}
