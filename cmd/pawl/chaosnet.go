package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"pawl/internal/chaos"
)

// The rules of the network's faults; each says itself in words.

func partitioned(uint64) (chaos.Rule, string) {
	return chaos.Rule{Requests: chaos.Hold, Answers: chaos.Hold}, "nothing passes"
}

func swallowed(uint64) (chaos.Rule, string) {
	return chaos.Rule{Requests: chaos.Drop, Answers: chaos.Drop}, "all is lost"
}

func oneWay(dice uint64) (chaos.Rule, string) {
	if dice>>24%3 == 0 {
		return chaos.Rule{Requests: chaos.Drop}, "requests are lost"
	}
	return chaos.Rule{Answers: chaos.Drop}, "answers are lost"
}

func delayed(dice uint64) (chaos.Rule, string) {
	by := time.Duration(50+dice>>24%950) * time.Millisecond
	return chaos.Rule{Delay: by}, fmt.Sprintf("late by %v", by)
}

// between chooses who is cut off from whom: an instance from all brokers or from one, or all
// instances from one broker. ours are the instances, nil for all.
func (d *ordeal) between(ctx context.Context, dice uint64) (links []*chaos.Link,
	ours []*instance, told string, release func()) {
	broker := d.brokers[dice>>8%uint64(len(d.brokers))]
	release = func() {}
	var from []string
	var to []string
	told = "all instances and broker " + broker
	way := dice >> 16 % 3
	if way < 2 {
		var m *instance
		_, m, release = d.victim(ctx, dice)
		if m == nil {
			return nil, nil, "", release
		}
		from, ours = []string{m.name}, []*instance{m}
		told = m.name + " and all brokers"
	}
	if way > 0 {
		to = []string{broker}
	}
	if way == 1 {
		told = ours[0].name + " and broker " + broker
	}
	return d.net.Links(from, to), ours, told, release
}

// cut puts a rule on links for a while.
func (d *ordeal) cut(rule func(dice uint64) (chaos.Rule, string)) chaos.Act {
	return func(ctx context.Context, c *chaos.Case) error {
		links, ours, told, release := d.between(ctx, c.Dice)
		defer release()
		if len(links) == 0 {
			return nil
		}
		defer d.outage()()
		r, what := rule(c.Dice)
		c.Hit("%s, between %s, for %v", what, told, c.Length.Round(time.Millisecond))
		resume := d.cutPlaces(ours)
		before := hits(links)
		set(links, r)
		chaos.Wait(ctx, c.Length)
		n := hits(links) - before
		set(links, chaos.Rule{})
		if n > 0 {
			c.Effect("%d pieces or connections met it", n)
		}
		c.Recover(resume)
		return nil
	}
}

// resets breaks connections again and again.
func (d *ordeal) resets(ctx context.Context, c *chaos.Case) error {
	links, ours, told, release := d.between(ctx, c.Dice)
	defer release()
	if len(links) == 0 {
		return nil
	}
	defer d.outage()()
	every := time.Duration(200+c.Dice>>32%800) * time.Millisecond
	c.Hit("every %v, between %s, for %v", every, told, c.Length.Round(time.Millisecond))
	resume := d.cutPlaces(ours)
	broken := 0
	for end := time.Now().Add(c.Length); time.Now().Before(end); {
		for _, l := range links {
			broken += l.Reset()
		}
		if !chaos.Wait(ctx, every) {
			break
		}
	}
	if broken > 0 {
		c.Effect("%d connections were reset", broken)
	}
	c.Recover(resume)
	return nil
}

// cutPlaces waits until what the instances stand on goes on; nil stands for all instances.
func (d *ordeal) cutPlaces(ours []*instance) func(context.Context) error {
	if ours == nil {
		return d.allGoOn
	}
	var waits []func(context.Context) error
	for _, t := range d.stage.acts {
		for _, m := range t.fleet.members {
			for _, one := range ours {
				if one == m {
					waits = append(waits, t.goesOn(stands(m)))
				}
			}
		}
	}
	return func(ctx context.Context) error {
		errs := make([]error, len(waits))
		var all sync.WaitGroup
		for i, wait := range waits {
			all.Go(func() { errs[i] = wait(ctx) })
		}
		all.Wait()
		return errors.Join(errs...)
	}
}

func set(links []*chaos.Link, r chaos.Rule) {
	for _, l := range links {
		l.Set(r)
	}
}

func hits(links []*chaos.Link) int64 {
	var sum int64
	for _, l := range links {
		sum += l.Hits()
	}
	return sum
}
