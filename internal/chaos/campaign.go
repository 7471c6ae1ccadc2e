package chaos

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Act does one fault and heals it before it returns; when ctx ends, at once. An error says that the
// campaign cannot go on.
type Act func(ctx context.Context, c *Case) error

// Campaign is a run of faults. Fill in its exported fields before Run.
type Campaign struct {
	Seed  uint64
	Acts  map[Kind]Act      // the kinds to draw from
	Event func(text string) // tells people
	Began time.Time         // what times are counted from
	// Patience is how long what a fault stopped may stand still after it.
	Patience time.Duration

	mu    sync.Mutex
	cases []*Case
}

// Case is one fault with what became of it. Its act tells it through the methods.
type Case struct {
	Fault
	campaign *Campaign
	life     context.Context
	wait     sync.WaitGroup

	mu       sync.Mutex
	began    time.Time
	ended    time.Time // zero while it is in force
	target   string
	effect   string
	err      error
	from     time.Time     // when the clock of the recovery was started; zero: there is none
	recovery time.Duration // 0: not seen
}

// Hit says whom the fault is done to, once that is chosen.
func (c *Case) Hit(format string, args ...any) {
	c.mu.Lock()
	c.target = fmt.Sprintf(format, args...)
	c.mu.Unlock()
	c.campaign.Event(fmt.Sprintf("%s: %s", c.Kind, fmt.Sprintf(format, args...)))
}

// Effect says what showed that the fault took effect. Without it the fault does not count.
func (c *Case) Effect(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.effect = fmt.Sprintf(format, args...)
}

// Recover starts the clock: until waits for what stood still to move on.
func (c *Case) Recover(until func(context.Context) error) {
	from := time.Now()
	c.mu.Lock()
	c.from = from
	c.mu.Unlock()
	c.wait.Go(func() {
		ctx, cancel := context.WithTimeout(c.life, c.campaign.Patience)
		defer cancel()
		err := until(ctx)
		took := time.Since(from)
		c.mu.Lock()
		defer c.mu.Unlock()
		if err != nil {
			c.err = errors.Join(c.err, err)
			return
		}
		c.recovery = took
		c.campaign.Event(fmt.Sprintf("%s: recovered after %v", c.Kind,
			took.Round(time.Millisecond)))
	})
}

// Run has faults done in all lanes until ctx ends, and waits for the recoveries, which go on under
// life. Acts heal under life too: it has to outlast ctx.
func (c *Campaign) Run(ctx, life context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var kinds []Kind
	for _, t := range Traits() { // in the order of the table: a map's order would not be the seed's
		if c.Acts[t.Kind] != nil {
			kinds = append(kinds, t.Kind)
		}
	}
	errs := make(chan error, 2)
	var lanes sync.WaitGroup
	for _, lane := range []Lane{Processes, Servers} {
		s := NewSchedule(c.Seed, lane, kinds)
		if s == nil {
			continue
		}
		lanes.Go(func() {
			if err := c.lane(ctx, life, s); err != nil {
				stop() // the other lane too: what it hit would never recover
				errs <- err
			}
		})
	}
	lanes.Wait()
	close(errs)
	var err error
	for e := range errs {
		err = errors.Join(err, e)
	}
	return err
}

// lane has one fault after the other.
func (c *Campaign) lane(ctx, life context.Context, s *Schedule) error {
	for {
		f, pause := s.Next()
		if !Wait(ctx, pause) {
			return nil
		}
		one := &Case{Fault: f, campaign: c, life: life, began: time.Now()}
		c.mu.Lock()
		c.cases = append(c.cases, one)
		c.mu.Unlock()
		err := c.Acts[f.Kind](ctx, one)
		one.mu.Lock()
		one.ended = time.Now()
		one.err = errors.Join(one.err, err)
		nothing := one.effect == "" && err == nil
		one.mu.Unlock()
		if nothing {
			c.Event(fmt.Sprintf("%s: took no effect", f.Kind))
		}
		one.wait.Wait()
		if err != nil {
			return fmt.Errorf("fault %s: %w", f.Kind, err)
		}
	}
}

// Wait waits and tells whether ctx still goes on.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// Done counts the faults that took effect, by kind; every kind of the campaign has an entry.
func (c *Campaign) Done() map[Kind]int {
	count := map[Kind]int{}
	for k := range c.Acts {
		count[k] = 0
	}
	for _, f := range c.Timeline() {
		if f.Effect != "" {
			count[f.Kind]++
		}
	}
	return count
}

// Recoveries are the times of all faults that had one, sorted.
func (c *Campaign) Recoveries() []time.Duration {
	var all []time.Duration
	for _, one := range c.snapshot() {
		one.mu.Lock()
		if one.recovery > 0 {
			all = append(all, one.recovery)
		}
		one.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

// Timeline is all faults so far, in the order of their beginning.
func (c *Campaign) Timeline() []Entry {
	var all []Entry
	for _, one := range c.snapshot() {
		all = append(all, one.entry())
	}
	return all
}

// Unrecovered are the faults after which something never moved again, and why.
func (c *Campaign) Unrecovered() []Violation {
	var all []Violation
	for _, one := range c.snapshot() {
		one.mu.Lock()
		if !one.from.IsZero() && one.recovery == 0 && !one.ended.IsZero() {
			all = append(all, Violation{Invariant: "progress",
				Where: fmt.Sprintf("%s at %.1fs", one.Kind, one.at(one.began)),
				Detail: fmt.Sprintf("%s did not recover within %v: %v", one.target, c.Patience,
					one.err)})
		}
		one.mu.Unlock()
	}
	return all
}

func (c *Campaign) snapshot() []*Case {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.cases)
}

// at is a moment in seconds since the campaign's beginning.
func (c *Case) at(t time.Time) float64 {
	return t.Sub(c.campaign.Began).Round(time.Millisecond).Seconds()
}
