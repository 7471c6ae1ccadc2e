package pipelinetest

import (
	"maps"
	"testing"
	"time"

	"pawl/internal/loadgen"
	"pawl/processor"
	"pawl/processor/processortest"
)

// Counters runs records of a generator through a pipeline and compares its counters with what it
// emitted: of says what an output stands for, by topic.
func Counters(t testing.TB, g loadgen.Generator, records int, p *processor.Pipeline,
	of map[string]func(value any) processor.Counted, opts ...processortest.Option,
) {
	t.Helper()
	registry, _ := bind(t, g)
	d := processortest.New(t, p, append(opts, processortest.Registry(registry))...)
	for i := range records {
		r := g.Next()
		var value any
		if r.Value != nil {
			value = r.Value
		}
		since := time.UnixMilli(r.Timestamp).Sub(processortest.Epoch)
		d.At(since).Send(r.Topic, string(r.Key), value)
		if i%(records/5) == 0 {
			d.Crash() // what is processed twice must count once
		}
	}
	want := make(map[processor.Counted]int64)
	for topic, counted := range of {
		for _, out := range d.Outputs(topic) {
			want[counted(out.Value)]++
		}
	}
	got := make(map[processor.Counted]int64)
	for _, c := range p.Counters() {
		for _, value := range c.Values() {
			if n := d.Counted(c.Name(), value); n > 0 {
				got[processor.Counted{Counter: c.Name(), Value: value}] = n
			}
		}
	}
	if !maps.Equal(got, want) || len(got) == 0 {
		t.Errorf("counted %v, emitted %v", got, want)
	}
}
