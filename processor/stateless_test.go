package processor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pawl/statestore"
)

// TestDedupe hands on the first record of an id within the horizon.
func TestDedupe(t *testing.T) {
	const horizon = 60
	compareLogs(t, 8, 40, 12, map[string]int{"d": 1, "timers-d": 1},
		func(p *Pipeline, say func(string, ...any)) Handler[sample] {
			id := func(v sample) string { return fmt.Sprint(v.At % 10) }
			return Dedupe(p, "d", millis(horizon), id, func(ctx *Context, v sample) error {
				say("%s %d", v.Key, v.At)
				return nil
			})
		},
		func(m *model, records []sample) []string {
			until := map[string]int64{}
			return m.run(records, func(key string, at, kind int64) {
				id := fmt.Sprint(key, kind)
				if end, known := until[id]; known && m.before < end {
					return
				}
				until[id] = at + horizon
				m.say("%s %d", key, at*10+kind)
			})
		})
}

// TestCounts folds batches, and looks at the last records, in the order of arrival.
func TestCounts(t *testing.T) {
	for _, n := range []int{1, 2, 5} {
		compareLogs(t, 1, 40, 12, map[string]int{"b": 4, "b-count": 4, "l": 4 * n, "l-count": 4},
			func(p *Pipeline, say func(string, ...any)) Handler[sample] {
				add := func(a, v sample) sample {
					return sample{Key: a.Key + fmt.Sprint(v.At/10, " ")}
				}
				return Branch(
					AggregateCount(p, "b", n, sampleType(), add,
						func(ctx *Context, batch int64, a sample) {
							say("%s %d: %sat %d", ctx.Key(), batch, a.Key, ctx.Time().UnixMilli())
						}),
					LastN(p, "l", n, sampleType(), func(ctx *Context, last []sample) error {
						text := ""
						for _, v := range last {
							text += fmt.Sprint(v.At/10, " ")
						}
						say("%s last %s", ctx.Key(), text)
						return nil
					}))
			},
			func(m *model, records []sample) []string {
				all := map[string][]string{}
				return m.run(records, func(key string, at, _ int64) {
					all[key] = append(all[key], fmt.Sprint(at))
					k := len(all[key])
					last := strings.Join(all[key][max(k-n, 0):], " ") + " "
					if k%n == 0 {
						m.say("%s %d: %sat %d", key, k/n, last, at)
					}
					m.say("%s last %s", key, last)
				})
			})
	}
}

// TestEarlyResults gives a window's result whenever it changed, each interval of the watermark.
func TestEarlyResults(t *testing.T) {
	var log []string
	p := New("p")
	w := Tumbling(millis(100)).Grace(millis(10)).EmitEvery(millis(20))
	h := Aggregate(p, "w", w, sampleType(),
		func(a, _ sample) sample { return sample{At: a.At + 1} },
		func(ctx *Context, s Span, a sample) {
			log = append(log, fmt.Sprintf("%s [%d,%d) %d %v at %d", ctx.Key(), s.Start.UnixMilli(),
				s.End.UnixMilli(), a.At, s.Final, ctx.Time().UnixMilli()))
		})
	Input(p, "in", sampleType(), h).
		EventTime(func(v sample) time.Time { return time.UnixMilli(v.At) })
	r := newRig(t, p, statestore.NewMem())
	for _, at := range []int64{5, 10, 19, 20, 21, 45, 80, 99, 105, 109, 110, 300} {
		if err := r.step(sample{"k", at}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"k [0,100) 4 false at 99", // 20: with the record that moved the watermark there
		"k [0,100) 6 false at 99", // 45: changed by 21 since
		"k [0,100) 7 false at 99", // 80
		"k [0,100) 8 false at 99", // 105: 99 was the last change
		"k [100,200) 1 false at 199",
		"k [0,100) 8 true at 99", // 110
		"k [100,200) 3 true at 199",
		"k [300,400) 1 false at 399",
	}
	if got := strings.Join(log, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestFates counts each record once, for what became of it.
func TestFates(t *testing.T) {
	p := New("p")
	seen := Keyed(p, "table", sampleType())
	keep := func(ctx *Context, v sample) error { seen.Set(ctx, v); return nil }
	nothing := func(*Context, sample) error { return nil }
	is := func(kind int64) func(sample) bool {
		return func(v sample) bool { return v.At%10 == kind }
	}
	id := func(v sample) string { return v.Key }
	Input(p, "in", sampleType(), Branch(
		Filter(is(1), keep), // 1 is processed, whatever the others say
		Filter(is(2), nothing),
		Filter(is(3), Dedupe(p, "d", time.Minute, id, nothing))))
	r := newRig(t, p, statestore.NewMem())
	for _, v := range []sample{{"a", 1}, {"a", 2}, {"a", 3}, {"a", 13}, {"b", 3}, {"a", 4}} {
		if err := r.step(v); err != nil {
			t.Fatal(err)
		}
	}
	in := r.core.position.Inputs[0]
	if in.Processed != 3 || in.Filtered != 2 || in.Deduplicated != 1 || in.Offset != 6 {
		t.Errorf("ledger: %+v", in)
	}
	delta := r.core.fx.delta
	if delta.Filtered != 2 || delta.Deduplicated != 1 {
		t.Errorf("counted for the metrics: %+v", delta)
	}
}

// TestOperatorFaults lists all faults of all operators at once.
func TestOperatorFaults(t *testing.T) {
	p := New("p")
	typ := sampleType()
	var nothing Handler[sample]
	first := func(a, _ sample) sample { return a }
	Aggregate(p, "a", Tumbling(0).Grace(-time.Second), typ, first, nil)
	Aggregate[sample](p, "b", Hopping(time.Second, 2*time.Second), typ, nil, nil)
	AggregateSessions[sample](p, "c", SessionGap(time.Microsecond), typ, nil, nil, nil)
	AggregateCount[sample](p, "d", 0, typ, nil, nil)
	LastN(p, "e", -1, typ, nil)
	Sliding(p, "f", SlidingWindow{Grace: -1}, typ, nil)
	Join(p, "g", Interval{Before: -time.Second}, typ, typ, nil)
	AsOf(p, "h", -time.Second, 0, typ, typ, nil)
	Pattern(p, "i", SessionGap(time.Minute), typ, []Step[sample]{{Name: "one"}}, nil)
	Dedupe(p, "j", 0, nil, nothing)
	Repartition(p, "k", typ, nil)
	NewTimeline(p, "bad name", time.Second, typ)
	err := p.Validate()
	if err == nil {
		t.Fatal("all of it is accepted")
	}
	for _, want := range []string{`window "a": size=0s`, `window "a": grace=-1s`,
		`"b": advance=2s is more than size=1s`, `session "c": gap=1µs`, `count window "d": n=0`,
		`last "e": n=-1`, `sliding window "f": span=0s`, `join "g": before=-1s`,
		`join "h": within=-1s`, `pattern "i" has 1 steps`, `step 1 "one" has no condition`,
		`dedupe "j": horizon=0s`, `"k" has no key function`, `table "bad name"`,
		`window "a" needs`, `no input`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not among the faults:\n%v", want, err)
		}
	}
}
