package funnel

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Config holds the settings of the pipeline. The zero value of a field means its default, which
// EnsureDefaults fills in; Validate reports every fault at once.
type Config struct {
	// Gap is the longest pause within a session (funnel.gap). Default 5m.
	Gap time.Duration
	// Grace is how far below the watermark an event, a purchase or a click still counts
	// (funnel.grace). Default 10s; negative means 0.
	Grace time.Duration
	// Within is how long before a purchase a click may lead to it (funnel.within). Default 30m.
	Within time.Duration
	// MaxOutOfOrderness and MaxFutureSkew repeat the engine's settings of that name for the oracle
	// and the generator. Defaults 2s and 1h; negative means 0.
	MaxOutOfOrderness time.Duration
	// MaxFutureSkew is explained at MaxOutOfOrderness.
	MaxFutureSkew time.Duration
}

const (
	minSpan = time.Second
	maxSpan = 7 * 24 * time.Hour
)

// The actions that are steps.
const (
	ActionView     = "view"
	ActionAddCart  = "add_cart"
	ActionPurchase = "purchase"
)

// Actions returns the actions that are known; the pattern ignores those that are no step.
func Actions() []string { return slices.Clone(actions) }

var actions = []string{ActionView, ActionAddCart, ActionPurchase, "remove_cart", "search", "click",
	"login", "logout"}

// EnsureDefaults replaces zero values by their defaults. What is negative stays so: done twice, it
// must not turn none into the default.
func (c *Config) EnsureDefaults() {
	c.Gap = cmp.Or(c.Gap, 5*time.Minute)
	c.Within = cmp.Or(c.Within, 30*time.Minute)
	c.Grace = cmp.Or(c.Grace, 10*time.Second)
	c.MaxOutOfOrderness = cmp.Or(c.MaxOutOfOrderness, 2*time.Second)
	c.MaxFutureSkew = cmp.Or(c.MaxFutureSkew, time.Hour)
}

// Validate reports all faults of c together, each as "key=value: what is wrong; mend".
func (c *Config) Validate() error {
	var faults []error
	fault := func(key string, d time.Duration, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s=%v: %s", key, d, fmt.Sprintf(format, args...)))
	}
	span := func(key string, d, least time.Duration) {
		if d < least || d > maxSpan {
			fault(key, d, "out of range; give %v to %v", least, maxSpan)
		} else if d%time.Millisecond != 0 {
			fault(key, d, "finer than a millisecond; round it to milliseconds")
		}
	}
	span("funnel.gap", c.Gap, minSpan)
	span("funnel.grace", c.grace(), 0)
	span("funnel.within", c.Within, minSpan)
	return errors.Join(faults...)
}

func (c *Config) grace() time.Duration    { return max(c.Grace, 0) }
func (c *Config) disorder() time.Duration { return max(c.MaxOutOfOrderness, 0) }
func (c *Config) skew() time.Duration     { return max(c.MaxFutureSkew, 0) }
