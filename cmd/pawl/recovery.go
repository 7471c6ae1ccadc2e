package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// crasher kills instances without warning and measures how long their tasks stand still.
type crasher struct {
	fleet  *fleet
	adm    *kadm.Client
	group  string
	topics []string
	every  time.Duration
	turn   int // whose turn it was
	event  func(text string)
	held   func() bool        // when set, says that nobody is to be crashed now
	orders chan chan<- victim // crashes that somebody asks for
	ended  chan struct{}      // no order is taken any more

	wait sync.WaitGroup

	mu         sync.Mutex
	crashes    int
	standing   int // recoveries under way
	recoveries []time.Duration
}

// victim is a process that was killed; its name is empty when none was up.
type victim struct {
	name string
	pid  int
}

// errLoadEnded refuses what is possible beside the load only.
var errLoadEnded = errors.New("the load has ended, and the final verdict follows")

// order has an instance crashed at once.
func (c *crasher) order() (victim, error) {
	answer := make(chan victim, 1)
	select {
	case c.orders <- answer:
		return <-answer, nil
	case <-c.ended:
		return victim{}, errLoadEnded
	}
}

// run kills one instance per interval, and those that it is asked for, until ctx ends; then it waits
// for the recoveries under way, which go on under the context outer.
func (c *crasher) run(ctx, outer context.Context) {
	defer c.wait.Wait()
	defer close(c.ended)
	var due <-chan time.Time
	if c.every > 0 {
		ticker := time.NewTicker(c.every)
		defer ticker.Stop()
		due = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
			if c.held == nil || !c.held() {
				c.crash(outer)
			}
		case answer := <-c.orders:
			answer <- c.crash(outer)
		}
	}
}

// crash kills one instance after the other, from a seeded one on.
func (c *crasher) crash(ctx context.Context) victim {
	var up []*instance
	for _, m := range c.fleet.members {
		if last, _ := m.known(); last != nil && m.process().Running() {
			up = append(up, m)
		}
	}
	if len(up) == 0 {
		c.event("no instance is up; none crashed this time")
		return victim{}
	}
	c.turn++
	chosen := up[c.turn%len(up)]
	last, _ := chosen.known()
	proc := chosen.process()
	if last == nil {
		return victim{} // it ended by itself this very moment
	}
	places := last.places()
	proc.Kill9()
	killed := time.Now()
	c.mu.Lock()
	c.crashes++
	c.standing += min(len(places), 1)
	c.mu.Unlock()
	c.event(fmt.Sprintf("kill -9 %s (pid %d, %d input partitions)", chosen.name, proc.PID(),
		len(places)))
	if len(places) > 0 { // or nothing stood still
		c.wait.Go(func() { c.watch(ctx, chosen.name, places, killed) })
	}
	return victim{chosen.name, proc.PID()}
}

// watch notes when the victim's places go on.
func (c *crasher) watch(ctx context.Context, name string, places []place, killed time.Time) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	err := goOn(ctx, c.fleet, c.adm, c.group, c.topics, places)
	took := time.Since(killed)
	c.mu.Lock()
	c.standing--
	if err == nil {
		c.recoveries = append(c.recoveries, took)
	}
	c.mu.Unlock()
	if err != nil {
		c.event(fmt.Sprintf("%s: recovery not seen within %v", name,
			took.Round(time.Millisecond)))
		return
	}
	c.event(fmt.Sprintf("%s recovered after %v", name, took.Round(time.Millisecond)))
}

// goOn waits until each place's committed offset has moved beyond where it is now, or stands at the
// end while a live instance runs its task.
func goOn(ctx context.Context, f *fleet, adm *kadm.Client, group string, topics []string,
	places []place) error {
	places = slices.Clone(places)
	var at map[place]progress
	for {
		now, err := soonProgress(ctx, adm, group, topics)
		switch {
		case err != nil:
		case at == nil:
			at = now
		default:
			places = slices.DeleteFunc(places, func(p place) bool {
				moved := now[p].committed > at[p].committed
				return f.runs(p) && (moved || now[p].committed >= now[p].end)
			})
		}
		if len(places) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%s of group %s stands still", places[0], group), err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// soonProgress is groupProgress that gives up soon, to be asked again: a broker may be down.
func soonProgress(ctx context.Context, adm *kadm.Client, group string, topics []string) (
	map[place]progress, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return groupProgress(ctx, adm, group, topics)
}

// result is the number of crashes and the sorted recovery times.
func (c *crasher) result() (int, []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sorted := slices.Clone(c.recoveries)
	slices.Sort(sorted)
	return c.crashes, sorted
}

// latest is the number of crashes and how long the newest recovery took; 0 when there is none, or
// one is under way.
func (c *crasher) latest() (crashes int, took time.Duration, recovering bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.recoveries); n > 0 && c.standing == 0 {
		took = c.recoveries[n-1]
	}
	return c.crashes, took, c.standing > 0
}

// quantile of sorted values: the smallest with at least the share q at or below it.
func quantile[T any](sorted []T, q float64) T {
	var zero T
	if len(sorted) == 0 {
		return zero
	}
	rank := int(q*float64(len(sorted))+0.999999) - 1
	return sorted[min(max(rank, 0), len(sorted)-1)]
}
