package main

import (
	"fmt"
	"io"
	"slices"
)

// goal is a ratio of two points that has a limit.
type goal struct {
	text  string
	over  func(p, base Point) bool // the point that is compared
	under func(p, base Point) bool // the point that it is compared with
	value func(*Result) float64
	limit float64
	least bool // the ratio is to be at least the limit; else at most
}

// goals writes how the points compare that are to be alike.
func goals(w io.Writer, list []group) {
	if len(list) == 0 {
		return
	}
	is := func(change func(*Point)) func(p, base Point) bool {
		return func(p, base Point) bool { change(&base); return p == base }
	}
	cpu, speed := perMillion((*Result).PawlCPU), (*Result).perSecond
	unchanged := is(func(*Point) {})
	large := func(p, base Point) bool {
		base.Keys, base.Events = largeKeys, p.Events
		return p == base
	}
	head(w, "Goals", "goal", "measured", "ratio", "met")
	for _, g := range []goal{
		{"64 partitions cost under 1.3× of 4, CPU per event",
			is(func(p *Point) { p.Partitions = 64 }), unchanged, cpu, 1.3, false},
		{"a user with half of all events costs no more CPU per event than uniform load",
			is(func(p *Point) { p.Hot = 0.5 }), unchanged, cpu, 1, false},
		{"state 20× larger than the cache: at least half the events/s of cached state",
			func(p, base Point) bool {
				less := p.MemoryMB < base.MemoryMB
				p.MemoryMB = base.MemoryMB
				return less && large(p, base)
			},
			large, speed, 0.5, true},
		{"`commit.interval` 20 ms costs under 15 % of the events/s at 200 ms",
			is(func(p *Point) { p.IntervalMS = 20 }), is(func(p *Point) { p.IntervalMS = 200 }),
			speed, 0.85, true},
	} {
		g.row(w, list)
	}
}

// row writes what is to be said about a goal. The base is the first flat out point.
func (g *goal) row(w io.Writer, list []group) {
	i := slices.IndexFunc(list, func(x group) bool { return x.factor == factorBase })
	if i < 0 {
		return
	}
	find := func(is func(p, base Point) bool) *group {
		at := slices.IndexFunc(list, func(x group) bool { return is(x.point, list[i].point) })
		if at < 0 {
			return nil
		}
		return &list[at]
	}
	over, under := find(g.over), find(g.under)
	if over == nil || under == nil {
		row(w, g.text, "not measured", "", "")
		return
	}
	a, b := over.median(g.value), under.median(g.value)
	met := a/b <= g.limit
	if g.least {
		met = a/b >= g.limit
	}
	row(w, g.text, short(a)+" against "+short(b), fmt.Sprintf("%.2f", a/b),
		map[bool]string{true: "yes", false: "no"}[met])
}

func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func largest(values []float64) float64 { return slices.Max(values) }
