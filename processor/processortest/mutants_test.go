package processortest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

// counted is a pipeline with one input, a table and an output; h makes its handler.
func counted(h func(tallies, alerts) handling) func() *processor.Pipeline {
	return func() *processor.Pipeline {
		p := processor.New("counted")
		tallies := processor.Keyed(p, "tallies", schemas.Avro[tally](tallySchema))
		alerts := processor.Output(p, "alerts", alertType())
		processor.Input(p, "payments", paymentType(), h(tallies, alerts))
		return p
	}
}

type tally struct {
	Counts map[string]int64 `avro:"counts"`
}

const tallySchema = `{"type":"record","name":"Tally","namespace":"shop","fields":[
	{"name":"counts","type":{"type":"map","values":"long"}}]}`

type (
	tallies  = *processor.Table[tally]
	alerts   = *processor.Out[alert]
	handling = processor.Handler[payment]
)

// everPaid outlives every process but the test's.
var everPaid int64

// mutants break the law, each in its own way.
var mutants = []struct {
	name string
	make func(tallies, alerts) handling
	want string // in the failure
}{
	{"state in a variable of the process", func(_ tallies, out alerts) handling {
		var n int64
		return func(ctx *processor.Context, pay payment) error {
			n++
			out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: n})
			return nil
		}
	}, "count: got "},
	{"state in a variable of the package", func(_ tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			everPaid++
			out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: everPaid})
			return nil
		}
	}, "count: got "},
	{"what was seen in this process", func(_ tallies, out alerts) handling {
		seen := make(map[string]bool)
		return func(ctx *processor.Context, pay payment) error {
			if !seen[ctx.Key()] {
				seen[ctx.Key()] = true
				out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: 1})
			}
			return nil
		}
	}, "alerts-"},
	{"the order of a map", func(all tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			v, _ := all.Get(ctx)
			v.Counts = maps.Clone(v.Counts)
			if v.Counts == nil {
				v.Counts = make(map[string]int64)
			}
			v.Counts[pay.ID[len(pay.ID)-1:]]++
			all.Set(ctx, v)
			for digit, n := range v.Counts {
				out.Emit(ctx, digit, alert{Payment: digit, Count: n})
			}
			return nil
		}
	}, "alerts-"},
	{"the clock", func(_ tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: time.Now().UnixNano()})
			return nil
		}
	}, "count: got "},
	{"a value changed, but not set", func(all tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			v, ok := all.Get(ctx)
			if !ok {
				all.Set(ctx, tally{Counts: map[string]int64{"n": 1}})
				return nil
			}
			v.Counts["n"]++ // lost when the epoch ends
			out.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: v.Counts["n"]})
			return nil
		}
	}, "alerts-"},
	{"a handler that fails the second time", func(tallies, alerts) handling {
		calls := make(map[int64]bool)
		return func(ctx *processor.Context, _ payment) error {
			if calls[ctx.Offset()<<8|int64(ctx.Partition())] {
				panic("again")
			}
			calls[ctx.Offset()<<8|int64(ctx.Partition())] = true
			return nil
		}
	}, "handler panicked: again"},
}

// TestExactlyCatches breaks the law on purpose.
func TestExactlyCatches(t *testing.T) {
	t.Parallel()
	records := slices.DeleteFunc(load(120), func(r processortest.Record) bool {
		return r.Topic != "payments"
	})
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			p := counted(m.make)
			got := failing(t, func(t testing.TB) { processortest.Exactly(t, p, records) })
			if !strings.HasPrefix(got, "seed ") || !strings.Contains(got, m.want) ||
				!strings.Contains(got, "-pawl.seed=") {
				t.Fatalf("failure: %q", got)
			}
			t.Log(got)
		})
	}
}

// TestExactlyAccepts the same pipeline with the tally kept as it should be.
func TestExactlyAccepts(t *testing.T) {
	t.Parallel()
	records := slices.DeleteFunc(load(120), func(r processortest.Record) bool {
		return r.Topic != "payments"
	})
	processortest.Exactly(t, counted(func(all tallies, out alerts) handling {
		return func(ctx *processor.Context, pay payment) error {
			v, _ := all.Get(ctx)
			if v.Counts == nil {
				v.Counts = make(map[string]int64)
			}
			v.Counts[pay.ID[len(pay.ID)-1:]]++
			all.Set(ctx, v)
			for _, digit := range slices.Sorted(maps.Keys(v.Counts)) {
				out.Emit(ctx, digit, alert{Payment: digit, Count: v.Counts[digit]})
			}
			if v.Counts["7"] > 2 {
				return processor.Reject("after a change of state")
			}
			return nil
		}
	}), records, processortest.Partitions(3), processortest.Schedules(16))
}
