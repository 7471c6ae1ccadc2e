package processor

import (
	"regexp"
	"slices"
	"strings"
)

// A Counter counts what records mean to those who run a pipeline, such as alerts by their reason.
// It is a metric, not state: a handler adds to it and cannot read it. What a record adds belongs to
// the record as its outputs do: it counts once the record's epoch has committed, and not at all
// when the record is rejected or the epoch aborted.
type Counter struct {
	name, help, label string
	values            []string
	first             int // place of its first value among all counts of the pipeline
}

// OtherValue is the label value under which a Counter counts values that were not declared, so that
// no input can make metrics without number.
const OtherValue = "other"

// Count declares a counter, which becomes the Prometheus metric of that name: it ends in _total.
// label and values say what it is split by; "" and no values for nothing.
func Count(p *Pipeline, name, help, label string, values ...string) *Counter {
	c := &Counter{name: name, help: help, label: label, values: slices.Clone(values)}
	if label != "" && !slices.Contains(values, OtherValue) {
		c.values = append(c.values, OtherValue)
	}
	if label == "" {
		c.values = []string{""}
	}
	p.checkCounter(c, len(values))
	for _, other := range p.counters {
		c.first += len(other.values)
	}
	p.counters = append(p.counters, c)
	return c
}

// Names that a counter and its label can have.
var (
	counterName  = regexp.MustCompile(`^[a-z][a-z0-9_]*_total$`)
	counterLabel = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
)

func (p *Pipeline) checkCounter(c *Counter, declared int) {
	if !counterName.MatchString(c.name) {
		p.fault("counter %q: give lower-case letters, digits and '_', and _total at the end",
			c.name)
	}
	for _, own := range []string{"pawl_", "messages_", "message_", "go_", "process_"} {
		if strings.HasPrefix(c.name, own) {
			p.fault("counter %q: names that begin with %s are taken; begin with the pipeline's",
				c.name, own)
		}
	}
	if slices.ContainsFunc(p.counters, func(o *Counter) bool { return o.name == c.name }) {
		p.fault("counter %q is declared twice; give each its own name", c.name)
	}
	if c.help == "" {
		p.fault("counter %q has no help; say in a sentence what it counts", c.name)
	}
	switch {
	case c.label == "" && declared > 0:
		p.fault("counter %q has values and no label; name what they are", c.name)
	case c.label != "" && declared == 0:
		p.fault("counter %q: label %q has no values; list them", c.name, c.label)
	case c.label == "pipeline" || c.label != "" && !counterLabel.MatchString(c.label):
		p.fault("counter %q: label %q cannot be; give lower-case letters, digits and '_', and not "+
			"pipeline", c.name, c.label)
	}
}

// Counters are the counters of p, in the order of their declaration.
func (p *Pipeline) Counters() []*Counter { return slices.Clone(p.counters) }

// Name is the name of the metric.
func (c *Counter) Name() string { return c.name }

// Help says what is counted.
func (c *Counter) Help() string { return c.help }

// Label is what the counter is split by; "" for nothing.
func (c *Counter) Label() string { return c.label }

// Values are all values of the label, OtherValue among them; one of "" where there is no label.
func (c *Counter) Values() []string { return slices.Clone(c.values) }

// Inc counts one for a value of the label.
func (c *Counter) Inc(ctx *Context, value string) { c.Add(ctx, value, 1) }

// Add counts n, which is not negative, for a value of the label.
func (c *Counter) Add(ctx *Context, value string, n int64) {
	at := slices.Index(c.values, value)
	if at < 0 {
		at = len(c.values) - 1
		if c.label != "" {
			at = slices.Index(c.values, OtherValue)
		}
	}
	ctx.core.counted = append(ctx.core.counted, tally{c.first + at, max(n, 0)})
}

// tally is what the record being stepped adds to one count of the pipeline.
type tally struct {
	at int
	n  int64
}

// Counted is what an epoch added to a Counter under one value of its label.
type Counted struct {
	Counter string
	Value   string
	N       int64
}

// count makes the record's tallies part of the epoch.
func (fx *Effects) count(p *Pipeline, tallies []tally) {
	if fx.counts == nil {
		n := 0
		for _, c := range p.counters {
			n += len(c.values)
		}
		fx.counts = make([]int64, n)
	}
	for _, t := range tallies {
		fx.counts[t.at] += t.n
	}
}

// counted lists what is not 0.
func (fx *Effects) counted(p *Pipeline) []Counted {
	var all []Counted
	for _, c := range p.counters {
		for i, value := range c.values {
			if at := c.first + i; at < len(fx.counts) && fx.counts[at] > 0 {
				all = append(all, Counted{c.name, value, fx.counts[at]})
			}
		}
	}
	return all
}
