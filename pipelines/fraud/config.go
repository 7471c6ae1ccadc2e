package fraud

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
	// Span is the width of the window (fraud.span). Default 5m.
	Span time.Duration
	// Grace is how far below the watermark a transaction is still judged (fraud.grace). Default
	// 10s; negative means 0.
	Grace time.Duration
	// MaxCount transactions in the window are not flagged, one more is (fraud.max.count).
	// Default 5.
	MaxCount int
	// MaxTotalCents in the window are not flagged, one more is (fraud.max.total.cents). Default
	// 1,000,000.
	MaxTotalCents int64
	// AmountMaxCents is the largest amount believed (fraud.amount.max.cents). Default
	// 100,000,000,000.
	AmountMaxCents int64
	// NoDecisions leaves out the decisions; alerts go on (fraud.decisions: false).
	NoDecisions bool
	// MaxOutOfOrderness and MaxFutureSkew repeat the engine's settings of that name for the oracle
	// and the generator. Defaults 2s and 1h; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is explained at MaxOutOfOrderness.
	MaxFutureSkew time.Duration
}

const (
	minSpan = time.Second
	maxSpan = 7 * 24 * time.Hour
	// sumRoom is how many transactions of the largest amount must fit into a window's sum. Beyond
	// that sums stay at the largest int64 rather than wrap.
	sumRoom = 10_000_000
)

// EnsureDefaults replaces zero values by their defaults. Doing it twice is doing it once: what is
// negative stays so.
func (c *Config) EnsureDefaults() {
	c.Span = cmp.Or(c.Span, 5*time.Minute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.MaxOutOfOrderness = cmp.Or(c.MaxOutOfOrderness, 2*time.Second)
	c.MaxFutureSkew = cmp.Or(c.MaxFutureSkew, time.Hour)
	c.MaxCount = cmp.Or(c.MaxCount, 5)
	c.MaxTotalCents = cmp.Or(c.MaxTotalCents, 1_000_000)
	c.AmountMaxCents = cmp.Or(c.AmountMaxCents, 100_000_000_000)
}

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, value any, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, value, fmt.Sprintf(format, args...)))
	}
	if c.Span < minSpan || c.Span > maxSpan {
		fault("fraud.span", c.Span, "out of range; give %v to %v", minSpan, maxSpan)
	} else if c.Span%time.Millisecond != 0 {
		fault("fraud.span", c.Span, "finer than a millisecond; round it to milliseconds")
	}
	if c.Grace > maxSpan {
		fault("fraud.grace", c.Grace, "too long; give at most %v", maxSpan)
	} else if c.grace()%time.Millisecond != 0 {
		fault("fraud.grace", c.Grace, "finer than a millisecond; round it to milliseconds")
	}
	if c.MaxCount < 1 || c.MaxCount > math.MaxInt32 {
		fault("fraud.max.count", c.MaxCount, "out of range; give 1 to %d", math.MaxInt32)
	}
	if c.MaxTotalCents < 1 {
		fault("fraud.max.total.cents", c.MaxTotalCents, "out of range; give 1 or more")
	}
	if limit := int64(math.MaxInt64 / sumRoom); c.AmountMaxCents < 1 || c.AmountMaxCents > limit {
		fault("fraud.amount.max.cents", c.AmountMaxCents, "out of range; give 1 to %d, so that "+
			"the sum of %d transactions fits 64 bits", limit, sumRoom)
	}
	return errors.Join(faults...)
}

// retention is how far below the watermark a transaction can still be needed, in ms.
func (c *Config) retention() int64 { return (c.grace() + c.Span).Milliseconds() }

// The durations with a negative one taken for none.
func (c *Config) grace() time.Duration    { return max(c.Grace, 0) }
func (c *Config) disorder() time.Duration { return max(c.MaxOutOfOrderness, 0) }
func (c *Config) skew() time.Duration     { return max(c.MaxFutureSkew, 0) }
