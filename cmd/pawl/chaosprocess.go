package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/internal/chaos"
	"pawl/processor"
)

const (
	// pointPatience is how long an instance may take to pass the point at which it is to die.
	pointPatience = 20 * time.Second
	// stormTurn is how long another instance stays or stays away; it stays until it has tasks, but
	// not longer than stormPatience.
	stormTurn     = 2 * time.Second
	stormPatience = 10 * time.Second
	// ordealStop bounds a tidy stop.
	ordealStop = 40 * time.Second
)

// kill kills an instance without warning.
func (d *ordeal) kill(ctx context.Context, c *chaos.Case) error {
	t, m, release := d.victim(ctx, c.Dice)
	defer release()
	if m == nil {
		return nil
	}
	places, proc := stands(m), m.process()
	c.Hit("%s (pid %d, %d input partitions)", m.name, proc.PID(), len(places))
	m.expectEnd()
	proc.Kill9()
	c.Effect("the process is gone")
	c.Recover(t.goesOn(places))
	return nil
}

// killAt has an instance kill itself at a named point.
func (d *ordeal) killAt(ctx context.Context, c *chaos.Case) error {
	t, m, release := d.victim(ctx, c.Dice)
	defer release()
	if m == nil {
		return nil
	}
	point, nth := pointOf(c.Dice)
	places, before := stands(m), m.process()
	c.Hit("%s at %s:%s", m.name, point, nth)
	m.expectEnd(killVariable + "=" + point + ":" + nth)
	before.Kill9()
	if !until(ctx, pointPatience, func() bool { return m.process() != before }) {
		return nil
	}
	proc, from := m.current()
	if point == "revoking" && until(ctx, pointPatience, func() bool { return len(stands(m)) > 0 }) {
		var stop sync.WaitGroup
		stop.Go(func() { _ = proc.Stop(ordealStop) }) // it dies on the way
		defer stop.Wait()
	}
	select {
	case <-proc.Done():
		if proc.ExitCode() < 0 && saidSince(proc.LogPath(), from, killVariable+"="+point) {
			c.Effect("it died at %s", point)
		}
	case <-time.After(pointPatience): // the point is not on its way
		m.expectEnd()
		proc.Kill9()
	case <-ctx.Done():
		m.expectEnd()
		proc.Kill9()
	}
	c.Recover(t.goesOn(places))
	return nil
}

// pointOf chooses a point, and the how manieth passing of it. A transaction passes its points again
// and again, the others come now and then.
func pointOf(dice uint64) (point, nth string) {
	points := processor.Points()
	point = points[(dice>>16)%uint64(len(points))]
	if slices.Index(points, point) <= slices.Index(points, "applied") {
		return point, string("1237"[(dice>>32)%4])
	}
	return point, "1"
}

// pause freezes an instance until the group and the transaction coordinator have given it up.
func (d *ordeal) pause(ctx context.Context, c *chaos.Case) error {
	t, m, release := d.victim(ctx, c.Dice)
	defer release()
	if m == nil {
		return nil
	}
	places, proc := stands(m), m.process()
	length := ordealTimeout + time.Second + c.Length
	c.Hit("%s for %v", m.name, length.Round(time.Millisecond))
	if err := proc.Pause(); err != nil {
		return nil // it ended by itself this very moment
	}
	began := time.Now()
	chaos.Wait(ctx, length)
	if err := proc.Resume(); err == nil && time.Since(began) > ordealTimeout {
		c.Effect("frozen for %v", time.Since(began).Round(time.Millisecond))
	}
	c.Recover(t.goesOn(places))
	return nil
}

// storm has another instance of a pipeline come and go.
func (d *ordeal) storm(ctx context.Context, c *chaos.Case) error {
	t := d.stage.acts[c.Dice%uint64(len(d.stage.acts))]
	extra, err := d.extra(t)
	if err != nil {
		return err
	}
	c.Hit("%s, for %v", extra.name, c.Length.Round(time.Millisecond))
	joined, turns := 0, 0
	for end := time.Now().Add(c.Length); time.Now().Before(end) && ctx.Err() == nil; turns++ {
		if err := extra.start(); err != nil {
			return err
		}
		in, came := false, time.Now()
		until(ctx, stormPatience, func() bool {
			report := extra.poll(ctx, t.fleet.client)
			in = in || report != nil && report.State == "RUNNING" && len(report.Tasks) > 0
			return in && time.Since(came) >= stormTurn || !extra.process().Running()
		})
		if in {
			joined++
		}
		if extra.process().Running() {
			d.stopTidily(extra)
		} else if err := d.ended(extra, extra.process()); err != nil {
			return err
		}
		chaos.Wait(ctx, stormTurn)
	}
	if joined > 0 {
		c.Effect("it had tasks in %d of %d turns", joined, turns)
	}
	c.Recover(func(ctx context.Context) error { return d.pipelineGoesOn(ctx, t) })
	return nil
}

// extra is one more instance of a pipeline, outside its fleet: it is not started again.
func (d *ordeal) extra(t *act) (*instance, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if m := d.extras[t]; m != nil {
		return m, nil
	}
	m, err := t.fleet.spec.member(len(t.fleet.members) + 1)
	if err == nil {
		d.extras[t] = m
	}
	return m, err
}

// stopTidily stops an instance that no fault keeps from stopping.
func (d *ordeal) stopTidily(m *instance) {
	m.expectEnd()
	proc := m.process()
	err := proc.Stop(ordealStop)
	if err == nil && proc.ExitCode() == exitOK {
		return
	}
	d.violate("stop", m.name, "it ended with exit code %d (%v); its log, %s, ends\n%s",
		proc.ExitCode(), err, proc.LogPath(), proc.Tail(20))
}

// poison sends a burst in which half of the records are broken or late.
func (d *ordeal) poison(ctx context.Context, c *chaos.Case) error {
	t := d.stage.acts[c.Dice%uint64(len(d.stage.acts))]
	count := max(int64(c.Length.Seconds()*burstRate), 1)
	c.Hit("%d records to %s", count, t.pipeline.name)
	dead := t.group + "-dlq"
	before := endOf(ctx, t.adm, dead)
	var sent int64
	f := d.stage.feed(t)
	f.rate, f.count, f.seed, f.spoiled = burstRate, count, c.Dice, 0.5
	f.told = func(n int64) { sent = n }
	if err := d.stage.cluster.feed(ctx, t.pipeline, t.settings, f); err != nil && ctx.Err() == nil {
		return err
	}
	least := before + sent/10 // the load's own poison would not come to that
	if sent > 0 && until(ctx, graceAfter, func() bool {
		return endOf(ctx, t.adm, dead) > least
	}) {
		c.Effect("%d records sent, dead letters by the dozen", sent)
	}
	return nil
}

// burstRate is how many records per second a burst has.
const burstRate = 200

// endOf is the sum of a topic's end offsets, 0 while nobody tells.
func endOf(ctx context.Context, adm *kadm.Client, topic string) int64 {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ends, err := adm.ListEndOffsets(ctx, topic)
	if err != nil {
		return 0
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += max(o.Offset, 0) })
	return sum
}

// clockJump has the producers' clock jump: ahead for good, or back for a while.
func (d *ordeal) clockJump(ctx context.Context, c *chaos.Case) error {
	t := d.stage.acts[c.Dice%uint64(len(d.stage.acts))]
	far := 10*time.Minute + time.Duration(c.Dice>>8%3000)*time.Second
	jumps := d.jumps[t.group]
	jump := func(by time.Duration) bool {
		select {
		case jumps <- by:
			return true
		case <-ctx.Done():
			return false
		}
	}
	if (c.Dice>>4)%2 == 0 {
		c.Hit("the producers of %s, %v ahead", t.pipeline.name, far)
		goal := t.eventTime().Add(far / 2)
		if jump(far) && until(ctx, graceAfter, func() bool { return t.eventTime().After(goal) }) {
			c.Effect("event time followed")
		}
		return nil
	}
	c.Hit("the producers of %s, %v back for %v", t.pipeline.name, far,
		c.Length.Round(time.Millisecond))
	before := t.late()
	if !jump(-far) {
		return nil
	}
	chaos.Wait(ctx, c.Length)
	jump(far)
	if until(ctx, graceAfter, func() bool { return t.late() > before+10 }) {
		c.Effect("records came late")
	}
	return nil
}

// jumpy is a load whose clock jumps when told to.
func (d *ordeal) jumpy(t *act, jumps <-chan time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		var ahead time.Duration
		var before int64
		for round := uint64(0); ctx.Err() == nil; round++ {
			part, end := context.WithCancel(ctx)
			var watch sync.WaitGroup
			watch.Go(func() {
				select {
				case by := <-jumps:
					ahead += by
					end()
				case <-part.Done():
				}
			})
			f := d.stage.feed(t)
			f.seed += round << 32 // no record comes twice
			f.ahead = ahead
			var sent int64
			f.told = func(n int64) {
				sent = n
				t.sent.Store(before + n)
			}
			err := d.stage.cluster.feed(part, t.pipeline, t.settings, f)
			end()
			watch.Wait()
			before += sent
			if err != nil && ctx.Err() == nil {
				return err
			}
		}
		return nil
	}
}

// eventTime is how far event time has come in the pipeline.
func (t *act) eventTime() time.Time {
	var latest time.Time
	for _, m := range t.fleet.members {
		last, _ := m.known()
		if last == nil {
			continue
		}
		for _, task := range last.Tasks {
			if task.Watermark != nil && task.Watermark.After(latest) {
				latest = *task.Watermark
			}
		}
	}
	return latest
}

// late is how many late records the pipeline has met.
func (t *act) late() int64 {
	var sum int64
	for _, m := range t.fleet.members {
		_, totals := m.known()
		sum += int64(totals.Late)
	}
	return sum
}
