//go:build unix

package processortest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/processor"
)

const (
	killed   = "kill -9"
	pointed  = "kill at a point"
	paused   = "pause"
	eventGap = 600 * time.Millisecond // between two things that go wrong, on average
	patience = 3                      // how often an instance may end by itself in a row
)

// play is the instances, and what is done to them.
type play struct {
	t        testing.TB
	stage    *stage
	records  []Record
	seed     uint64
	chance   *rand.Rand
	began    time.Time
	children []*child
	thaw     map[*child]time.Time // of the frozen ones
	counts   map[string]int       // of faults that took effect
	events   []string
}

// event is something to go wrong.
type event struct {
	at    time.Duration // since the first record
	kind  string
	point string
}

func newPlay(s *stage, records []Record) *play {
	p := &play{t: s.t, stage: s, records: records, seed: max(*seedFlag, 1),
		thaw: make(map[*child]time.Time), counts: make(map[string]int)}
	p.chance = rand.New(rand.NewPCG(p.seed, 0xC4A05))
	dir := s.t.TempDir()
	for i := range s.set.instances {
		name := fmt.Sprintf("n%d", i+1)
		p.children = append(p.children, &child{log: filepath.Join(dir, name+".log"),
			role: role{Test: s.t.Name(), Instance: name, Brokers: s.cluster.Addr(),
				Registry: s.cluster.RegistryURL(), Dir: dir}})
	}
	return p
}

// plan draws what goes wrong: two of five kills, two deaths at a point, one pause, in any order.
func (p *play) plan() []event {
	n := max(int(p.stage.set.duration/eventGap), 3)
	points := processor.Points()
	at := p.chance.Perm(len(points))
	var list []event
	for i := range n {
		e := event{kind: []string{killed, pointed, paused, killed, pointed}[i%5]}
		if e.kind == pointed {
			e.point, at = points[at[0]], append(at[1:], at[0])
		}
		list = append(list, e)
	}
	p.chance.Shuffle(n, func(i, j int) { list[i], list[j] = list[j], list[i] })
	for i := range list {
		share := (float64(i) + p.chance.Float64()) / float64(n)
		list[i].at = time.Duration(share * float64(p.stage.set.duration))
	}
	return list
}

// run sends the records while everything on the plan goes wrong. In the end all instances run.
func (p *play) run() {
	p.t.Helper()
	ctx, cancel := context.WithCancel(p.t.Context())
	head := p.stage.head(p.records)
	p.must(p.stage.send(ctx, p.records[:head], 0))
	for _, c := range p.children {
		p.must(c.start("", 0))
	}
	p.began = time.Now()
	sent := make(chan error, 1)
	go func() { sent <- p.stage.send(ctx, p.records[head:], p.stage.set.duration) }()
	defer func() {
		cancel()
		if sent != nil { // a test that failed still waits for what it started
			<-sent
		}
	}()
	plan := p.plan()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(plan) > 0 || len(p.thaw) > 0 || sent != nil {
		select {
		case err := <-sent:
			sent = nil
			p.must(err)
		case <-tick.C:
		}
		p.keep()
		if len(plan) > 0 && time.Since(p.began) >= plan[0].at && p.strike(plan[0]) {
			plan = plan[1:]
		}
	}
	for _, c := range p.children {
		if c.role.Point != "" { // it never came there
			c.proc.Kill9()
			p.must(c.start("", 0))
		}
	}
}

func (p *play) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// strike does one thing to one instance that is not frozen; false when there is none. One that is
// on its way to a point is spared when there are others.
func (p *play) strike(e event) bool {
	p.t.Helper()
	var free, going []*child
	for _, c := range p.children {
		if _, frozen := p.thaw[c]; frozen {
			continue
		}
		if c.role.Point == "" {
			free = append(free, c)
		} else {
			going = append(going, c)
		}
	}
	if len(free) == 0 {
		free = going
	}
	if len(free) == 0 {
		return false
	}
	c := free[p.chance.IntN(len(free))]
	c.failed = 0
	switch e.kind {
	case killed:
		p.note(c, killed)
		p.counts[killed]++
		c.proc.Kill9()
		p.must(c.start("", 0))
	case pointed:
		nth := int64(1)
		points := processor.Points()
		if slices.Index(points, e.point) <= slices.Index(points, "applied") {
			nth += p.chance.Int64N(6) // the others are passed now and then only
		}
		p.note(c, "started anew, to die at %s, the %d. time", e.point, nth)
		c.proc.Kill9()
		p.must(c.start(e.point, nth))
	case paused:
		d := time.Duration((0.5 + 1.5*p.chance.Float64()) * float64(chaosSession))
		if err := c.proc.Pause(); err != nil {
			return true // it has just died at a point
		}
		p.note(c, "frozen for %v", d.Round(time.Millisecond))
		p.counts[paused]++
		p.thaw[c] = time.Now().Add(d)
	}
	return true
}

// keep thaws whose time has come, and starts again what has ended.
func (p *play) keep() {
	p.t.Helper()
	for _, c := range p.children {
		if at, frozen := p.thaw[c]; frozen && time.Now().After(at) {
			delete(p.thaw, c)
			p.must(c.proc.Resume())
		}
		if c.proc.Running() {
			continue
		}
		switch code := c.proc.ExitCode(); {
		case code < 0 && c.role.Point != "":
			p.note(c, "died at %s", c.role.Point)
			p.counts[pointed]++
			c.failed = 0
		case code < 0:
			p.t.Fatalf("%s was killed, but not by this test; it said:\n%s", c.role.Instance,
				c.proc.Tail(30))
		default:
			if c.failed++; c.failed == patience {
				p.t.Fatalf("%s does not run, it ended with exit code %d; it said:\n%s",
					c.role.Instance, code, c.proc.Tail(30))
			}
			p.note(c, "ended by itself with exit code %d", code)
		}
		p.must(c.start("", 0))
	}
}

// stop ends all instances in order.
func (p *play) stop() {
	p.t.Helper()
	for _, c := range p.children {
		err := c.proc.Stop(stopLimit)
		// A negative code is that of a process that had not come to listen to signals yet.
		if code := c.proc.ExitCode(); err != nil || code > 0 {
			p.t.Fatalf("%s did not stop in order, exit code %d: %v; it said:\n%s",
				c.role.Instance, code, err, c.proc.Tail(30))
		}
	}
}

// kill ends what still runs.
func (p *play) kill() {
	for _, c := range p.children {
		if c.proc != nil {
			c.proc.Kill9()
		}
	}
}

func (p *play) note(c *child, format string, args ...any) {
	p.events = append(p.events, fmt.Sprintf("%6.2fs %s %s", time.Since(p.began).Seconds(),
		c.role.Instance, fmt.Sprintf(format, args...)))
}

// counted is what took effect.
func (p *play) counted() string {
	var parts []string
	for _, kind := range []string{killed, pointed, paused} {
		parts = append(parts, fmt.Sprintf("%d× %s", p.counts[kind], kind))
	}
	return strings.Join(parts, ", ")
}

// story is what went wrong, and the last words of the instances.
func (p *play) story() string {
	lines := slices.Clone(p.events)
	for _, c := range p.children {
		lines = append(lines, "the last words of "+c.role.Instance+":", c.proc.Tail(15))
	}
	return strings.Join(append(lines, fmt.Sprintf("(the same plan again: -pawl.seed=%d)", p.seed)),
		"\n")
}
