package main

import (
	"fmt"
	"slices"
	"time"
)

// Point is what one measurement is of. It identifies it in the file, together with the round.
type Point struct {
	Rate       int     `json:"rate"`   // events per second; 0: preloaded, as fast as it goes
	Events     int64   `json:"events"` // preloaded, or sent at the rate
	Keys       int     `json:"keys"`
	Hot        float64 `json:"hot_share"`
	Partitions int     `json:"partitions"`
	Padding    int     `json:"padding_bytes"`
	IntervalMS int     `json:"commit_interval_ms"`
	LingerMS   int     `json:"commit_linger_ms"`
	MemoryMB   int     `json:"memory_max_mib"`
}

// String tells what differs between points.
func (p Point) String() string {
	rate := "flat out"
	if p.Rate > 0 {
		rate = fmt.Sprintf("%d/s", p.Rate)
	}
	return fmt.Sprintf("%s, %d events, %d keys, hot %.1f, %d partitions, +%d B, %d ms, "+
		"linger %d ms, %d MiB", rate, p.Events, p.Keys, p.Hot, p.Partitions, p.Padding,
		p.IntervalMS, p.LingerMS, p.MemoryMB)
}

// Names of the factors. A point is a member of the factor that it differs from the base in.
const (
	factorBase       = "base"
	factorRate       = "rate"
	factorKeys       = "keys"
	factorHot        = "hot"
	factorPartitions = "partitions"
	factorPadding    = "padding"
	factorInterval   = "interval"
	factorMemory     = "memory"
)

// factors are all names, in the order of measuring.
var factors = []string{factorBase, factorInterval, factorPartitions, factorHot, factorKeys,
	factorMemory, factorPadding, factorRate}

// known tells whether there is a factor of that name.
func known(name string) bool { return slices.Contains(factors, name) }

// grid says how large the points of a sweep are.
type grid struct {
	events  int64         // of a flat out point
	paced   time.Duration // of a paced one
	covered int           // events that a key has at least in the points with most keys
	factors []string      // those wanted; none means all
}

// step is a point and the factor that it is a step of.
type step struct {
	Factor string
	Point  Point
}

// baseMemoryMB is what memory.max is by default on a machine with 4 GiB and more.
const baseMemoryMB = 2048

// base is the point from which one thing at a time changes.
func (g grid) base() Point {
	return Point{Events: g.events, Keys: 100_000, Partitions: 4, IntervalMS: 100,
		MemoryMB: baseMemoryMB}
}

// largeKeys is how many users there are at most.
const largeKeys = 1_000_000

// large is the point with so many keys that a small budget holds a twentieth of their state.
func (g grid) large() Point {
	p := g.base()
	p.Keys = largeKeys
	p.Events = max(p.Events, int64(g.covered)*int64(p.Keys))
	return p
}

// steps are all points, the base first.
func (g grid) steps() []step {
	all := []step{{factorBase, g.base()}}
	add := func(factor string, change func(*Point)) {
		p := g.base()
		change(&p)
		if !slices.ContainsFunc(all, func(s step) bool { return s.Point == p }) {
			all = append(all, step{factor, p})
		}
	}
	for _, ms := range []int{20, 200} {
		add(factorInterval, func(p *Point) { p.IntervalMS = ms })
	}
	for _, n := range []int{1, 16, 64} {
		add(factorPartitions, func(p *Point) { p.Partitions = n })
	}
	add(factorHot, func(p *Point) { p.Hot = 0.5 })
	add(factorKeys, func(p *Point) { p.Keys = 10_000 })
	add(factorKeys, func(p *Point) { *p = g.large() })
	add(factorMemory, func(p *Point) { *p, p.MemoryMB = g.large(), smallMemoryMB })
	add(factorPadding, func(p *Point) { p.Padding = 1000 })
	for _, rate := range []int{1000, 5000, 20_000} {
		add(factorRate, func(p *Point) { g.pace(p, rate) })
	}
	for _, n := range []int{16, 64} {
		add(factorRate, func(p *Point) { g.pace(p, 5000); p.Partitions = n })
	}
	add(factorRate, func(p *Point) { g.pace(p, 5000); p.LingerMS = 100 })
	return slices.DeleteFunc(all, func(s step) bool {
		return len(g.factors) > 0 && !slices.Contains(g.factors, s.Factor)
	})
}

// smallMemoryMB is a budget whose quarter, which is the decoded cache, is about a twentieth of the
// state of a million users.
const smallMemoryMB = 64

// pace makes a point one at a rate.
func (g grid) pace(p *Point, rate int) {
	p.Rate, p.Events = rate, int64(float64(rate)*g.paced.Seconds())
}
