package activity

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"time"
)

// Config holds the settings of the pipeline. The zero value of a field means its default, which
// EnsureDefaults fills in; Validate reports every fault at once.
type Config struct {
	// Grace is how far the watermark has to be beyond a window's end to close it
	// (activity.grace). Default 10s; negative means 0.
	Grace time.Duration
	// DedupeHorizon is how long an event's id is remembered, in event time
	// (activity.dedupe.horizon). Default 10m.
	DedupeHorizon time.Duration
	// BatchSize is how many events of a user make a batch (activity.batch.size). Default 100.
	BatchSize int
	// MaxOutOfOrderness and MaxFutureSkew repeat the engine's settings of that name for the oracle
	// and the generator. Defaults 2s and 1h; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is explained at MaxOutOfOrderness.
	MaxFutureSkew time.Duration
}

const (
	minHorizon = time.Second
	longest    = 7 * 24 * time.Hour
)

// EnsureDefaults replaces zero values by their defaults. Doing it twice is doing it once: what is
// negative stays so.
func (c *Config) EnsureDefaults() {
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.DedupeHorizon = cmp.Or(c.DedupeHorizon, 10*time.Minute)
	c.MaxOutOfOrderness = cmp.Or(c.MaxOutOfOrderness, 2*time.Second)
	c.MaxFutureSkew = cmp.Or(c.MaxFutureSkew, time.Hour)
	c.BatchSize = cmp.Or(c.BatchSize, 100)
}

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if c.Grace > longest {
		fault("activity.grace", c.Grace, "too long; give at most %v", longest)
	} else if c.grace()%time.Millisecond != 0 {
		fault("activity.grace", c.Grace, "finer than a millisecond; round it to milliseconds")
	}
	if c.DedupeHorizon < minHorizon || c.DedupeHorizon > longest {
		fault("activity.dedupe.horizon", c.DedupeHorizon, "out of range; give %v to %v",
			minHorizon, longest)
	} else if c.DedupeHorizon%time.Millisecond != 0 {
		fault("activity.dedupe.horizon", c.DedupeHorizon,
			"finer than a millisecond; round it to milliseconds")
	}
	if c.BatchSize < 1 || c.BatchSize > math.MaxInt32 {
		fault("activity.batch.size", c.BatchSize, "out of range; give 1 to %d", math.MaxInt32)
	}
	return errors.Join(faults...)
}

// The durations with a negative one taken for none.
func (c *Config) grace() time.Duration    { return max(c.Grace, 0) }
func (c *Config) disorder() time.Duration { return max(c.MaxOutOfOrderness, 0) }
func (c *Config) skew() time.Duration     { return max(c.MaxFutureSkew, 0) }
