package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/settings"
	"pawl/schemas"
)

// feed is seeded load for a pipeline.
type feed struct {
	rate     int   // records per second, 0 for as fast as possible
	count    int64 // 0 for until the context ends
	seed     uint64
	users    int           // 0 for the generator's default
	skew     float64       // 0 for all users alike
	disorder float64       // share that is out of order; 0 for the default, negative for none
	poison   bool          // broken and late records too
	spoiled  float64       // their shares; 0 for the generator's defaults
	ahead    time.Duration // of the clock, by event time and record timestamps
	topic    string        // instead of the pipeline's first input, prefix included
	options  []kgo.Opt
	told     func(sent int64)
}

// Records that are sent as fast as possible carry times as if they had come at these rates.
const (
	calmPace  = 5_000     // with a known count: they end now
	hastyPace = 1_000_000 // without: event time stays behind the clock
)

// pace is the rate at which event time passes.
func (f feed) pace() float64 {
	switch {
	case f.rate > 0:
		return float64(f.rate)
	case f.count > 0:
		return calmPace
	}
	return hastyPace
}

// start is the first record's event time: now, or so long ago that the last one's is now.
func (f feed) start() time.Time {
	if f.rate > 0 || f.count == 0 {
		return time.Now().Add(f.ahead)
	}
	return time.Now().Add(f.ahead - time.Duration(float64(f.count)/f.pace()*float64(time.Second)))
}

// feed sends until count is reached or ctx ends, and waits for what is under way.
func (c *cluster) feed(ctx context.Context, p pipeline, s *settings.Settings, f feed) error {
	generator := p.load(s, f)
	rename := map[string]string{}
	for _, to := range generator.Schemas() {
		rename[to.Topic] = s.Text("topic.prefix") + to.Topic
	}
	if f.topic != "" {
		rename[p.inputs[0]] = f.topic
	}
	result, err := loadgen.Run(ctx, loadgen.Config{
		Generator:        generator,
		Options:          append(c.options(), f.options...),
		Registry:         c.schemas(),
		ReadOnlyRegistry: !s.Bool("auto.register.schemas"),
		SubjectStrategy:  schemas.SubjectStrategy(s.Text("subject.name.strategy")),
		Rename:           rename,
		Count:            f.count,
		Rate:             float64(f.rate),
		Progress:         func(r loadgen.Result) { f.told(r.Records) },
	})
	if err != nil {
		return fmt.Errorf("generate load for %s, %d records sent: %w", p.name, result.Records, err)
	}
	return nil
}
