package pageviews

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Config holds the settings of the pipeline. The zero value of a field means its default, which
// EnsureDefaults fills in; Validate reports every fault at once.
type Config struct {
	// Span is the width of the window (pageviews.span). Default 5m.
	Span time.Duration
	// Grace is how far below the watermark a view still counts (pageviews.grace). Default 0s;
	// negative means 0.
	Grace time.Duration
	// MaxOutOfOrderness and MaxFutureSkew repeat the engine's settings of that name for the oracle
	// and the generator. Defaults 2s and 1h; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is explained at MaxOutOfOrderness.
	MaxFutureSkew time.Duration
}

const (
	minSpan = time.Second
	// maxSpan keeps cheap what a change costs: a look at each second of the window.
	maxSpan  = time.Hour
	maxGrace = time.Hour
)

// EnsureDefaults replaces zero values by their defaults. Doing it twice is doing it once: what is
// negative stays so.
func (c *Config) EnsureDefaults() {
	c.Span = cmp.Or(c.Span, 5*time.Minute)
	c.MaxOutOfOrderness = cmp.Or(c.MaxOutOfOrderness, 2*time.Second)
	c.MaxFutureSkew = cmp.Or(c.MaxFutureSkew, time.Hour)
}

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if c.Span < minSpan || c.Span > maxSpan {
		fault("pageviews.span", c.Span, "out of range; give %v to %v", minSpan, maxSpan)
	} else if c.Span%time.Second != 0 {
		fault("pageviews.span", c.Span, "finer than a second; round it to whole seconds")
	}
	if c.Grace > maxGrace {
		fault("pageviews.grace", c.Grace, "too long; give at most %v", maxGrace)
	} else if c.grace()%time.Millisecond != 0 {
		fault("pageviews.grace", c.Grace, "finer than a millisecond; round it to milliseconds")
	}
	return errors.Join(faults...)
}

// The durations with a negative one taken for none.
func (c *Config) grace() time.Duration    { return max(c.Grace, 0) }
func (c *Config) disorder() time.Duration { return max(c.MaxOutOfOrderness, 0) }
func (c *Config) skew() time.Duration     { return max(c.MaxFutureSkew, 0) }

// span is the width of the window in seconds.
func (c *Config) span() int64 { return int64(c.Span / time.Second) }
