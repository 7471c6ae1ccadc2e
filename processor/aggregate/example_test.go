package aggregate_test

import (
	"fmt"
	"time"

	"pawl/processor"
	"pawl/processor/aggregate"
	"pawl/schemas"
)

type view struct {
	Page string  `avro:"page"`
	User string  `avro:"user"`
	Paid float64 `avro:"paid"`
}

const viewSchema = `{"type":"record","name":"View","fields":[{"name":"page","type":"string"},
	{"name":"user","type":"string"},{"name":"paid","type":"double"}]}`

var views = []view{{"/home", "ann", 0}, {"/shop", "bob", 12.5}, {"/shop", "ann", 7.5},
	{"/help", "ann", 0}}

func page(v view) string  { return v.Page }
func one(view) int64      { return 1 }
func paid(v view) float64 { return v.Paid }

// What each user paid per visit, in a pipeline.
func Example() {
	p := processor.New("visits")
	visits := processor.Output(p, "visits", aggregate.StatsType())
	processor.Input(p, "views", schemas.Avro[view](viewSchema),
		processor.AggregateSessions(p, "visit", processor.SessionGap(30*time.Minute),
			aggregate.StatsType(), aggregate.StatsOf(paid), aggregate.Stats.Merge,
			func(ctx *processor.Context, _ processor.Span, s aggregate.Stats) {
				visits.Emit(ctx, ctx.Key(), s)
			}))
}

func ExampleStatsOf() {
	add := aggregate.StatsOf(paid)
	var s aggregate.Stats
	for _, v := range views {
		s = add(s, v)
	}
	fmt.Println(s.Count, s.Sum, s.Min, s.Max, s.Avg())
	// Output: 4 20 0 12.5 5
}

func ExampleLastOf() {
	add := aggregate.LastOf(2, page)
	var l aggregate.Last[string]
	for _, v := range views {
		l = add(l, v)
	}
	fmt.Println(l.Values)
	// Output: [/shop /help]
}

func ExampleDistinctOf() {
	add := aggregate.DistinctOf(func(v view) string { return v.User })
	var d aggregate.Distinct
	for _, v := range views {
		d = add(d, v)
	}
	fmt.Println(d.Estimate())
	// Output: 2
}

// The pages seen most often: all pages are counted, for any may be seen more often yet.
func ExampleTopOf() {
	add := aggregate.TopOf(page, one)
	var t aggregate.Top[int64]
	for _, v := range views {
		t = add(t, v)
	}
	fmt.Println(t.Largest(2))
	// Output: [{/shop 2} {/help 1}]
}

// The largest payments: no more than two have to be kept.
func ExampleTopValuesOf() {
	add := aggregate.TopValuesOf(2, page, paid)
	var t aggregate.TopValues[float64]
	for _, v := range views {
		t = add(t, v)
	}
	fmt.Println(t.Values)
	// Output: [{/shop 12.5} {/shop 7.5}]
}

func ExampleCountOf() {
	add := aggregate.CountOf[view]()
	var c aggregate.Count
	for _, v := range views {
		c = add(c, v)
	}
	fmt.Println(c.Count)
	// Output: 4
}

func ExampleIntStatsOf() {
	add := aggregate.IntStatsOf(func(v view) int64 { return int64(len(v.Page)) })
	var s aggregate.IntStats
	for _, v := range views {
		s = add(s, v)
	}
	fmt.Println(s.Count, s.Sum, s.Min, s.Max)
	// Output: 4 20 5 5
}

func ExampleFirstOf() {
	add := aggregate.FirstOf(2, page)
	var f aggregate.First[string]
	for _, v := range views {
		f = add(f, v)
	}
	fmt.Println(f.Values)
	// Output: [/home /shop]
}
