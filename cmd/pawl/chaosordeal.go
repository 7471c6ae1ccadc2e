package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"pawl/integration/harness/process"
	"pawl/internal/chaos"
)

const (
	// Session and transaction timeout of the instances under trial: as short as brokers allow by
	// default, so that a zombie need not sleep for long.
	ordealTimeout = 6 * time.Second
	// ordealUsers are so few that each comes often: what state forgets shows in the output.
	ordealUsers = 300
	// graceAfter is how long after the end of a fault an instance may still end because of it.
	graceAfter = 20 * time.Second
	// standstillLimit is how long partitions may stand still after a fault: others go on meanwhile.
	standstillLimit = 2 * time.Minute
	// victimPatience is how long a fault waits for an instance with tasks.
	victimPatience = 20 * time.Second
	// startsInVain is how many starts in a row may fail while servers are away.
	startsInVain = 20
)

// ordeal is a campaign of faults on a stage.
type ordeal struct {
	stage    *stage
	options  chaosOptions
	campaign *chaos.Campaign
	net      chaos.Network
	brokers  []string    // addresses of the brokers, as clients know them
	registry *chaos.Link // nil when the registry cannot be cut off
	jumps    map[string]chan time.Duration

	mu         sync.Mutex
	busy       map[*instance]bool
	excused    map[*instance]time.Time // until when it may end by itself
	spoiled    map[*instance]bool      // its store was damaged
	inVain     map[*instance]int
	extras     map[*act]*instance
	peaks      map[string]int64
	samples    []chaos.Sample
	violations []chaos.Violation
	away       time.Time // until when servers may be out of reach
	drain      time.Duration
}

// newOrdeal puts proxies between the instances to come and the servers, which have to answer
// within limit.
func newOrdeal(ctx context.Context, a *app, o chaosOptions, c *cluster, dir string,
	limit time.Duration) (*ordeal, error) {
	d := &ordeal{options: o, busy: map[*instance]bool{}, excused: map[*instance]time.Time{},
		spoiled: map[*instance]bool{}, inVain: map[*instance]int{}, extras: map[*act]*instance{},
		peaks: map[string]int64{}, jumps: map[string]chan time.Duration{}}
	d.stage = &stage{app: a, cluster: c, dir: dir, view: newView(a.stdout), title: "chaos",
		options: demoOptions{rate: o.rate, instances: o.instances, partitions: o.partitions,
			duration: o.duration, seed: o.seed, dir: o.dir, pipelines: o.pipelines,
			users: ordealUsers},
		override: map[string]string{
			"session.timeout":     ordealTimeout.String(),
			"transaction.timeout": ordealTimeout.String(),
			"memory.max":          "256MiB",
			// A burst of poison is a fault that every instance has to live with.
			"deadletter.breaker.ratio": "1",
			// Fewer transactions than there are records: three brokers share the machine.
			"commit.linger": "50ms",
		},
		shape: d.shape}
	d.stage.view.title, d.stage.view.mishaps, d.stage.view.skewed = "chaos", "faults", true
	var err error
	if d.brokers, err = c.brokerAddresses(ctx, limit); err != nil {
		return nil, err
	}
	if at := hostPort(c.registry.URL); at != "" {
		if d.registry, err = chaos.NewLink(ctx, "instances", at); err != nil {
			return nil, err
		}
	}
	d.campaign = &chaos.Campaign{Seed: o.seed, Acts: d.acts(), Event: d.stage.view.event,
		Patience: standstillLimit}
	d.stage.trouble = d.campaign.Run
	d.stage.mishaps = func() (int, []time.Duration) {
		count := 0
		for _, n := range d.campaign.Done() {
			count += n
		}
		return count, d.campaign.Recoveries()
	}
	return d, nil
}

// acts are the acts of the kinds that were asked for and can be done.
func (d *ordeal) acts() map[chaos.Kind]chaos.Act {
	all := map[chaos.Kind]chaos.Act{
		chaos.Kill:            d.kill,
		chaos.KillAt:          d.killAt,
		chaos.Pause:           d.pause,
		chaos.RebalanceStorm:  d.storm,
		chaos.DiskFull:        d.breakDisk(diskFull, "no space left on device"),
		chaos.IOError:         d.breakDisk(diskError, "input/output error"),
		chaos.CorruptSST:      d.corrupt,
		chaos.Poison:          d.poison,
		chaos.ClockJump:       d.clockJump,
		chaos.Partition:       d.cut(partitioned),
		chaos.OneWay:          d.cut(oneWay),
		chaos.Delay:           d.cut(delayed),
		chaos.BlackHole:       d.cut(swallowed),
		chaos.Reset:           d.resets,
		chaos.RegistryDown:    d.registryDown,
		chaos.BrokerKill:      d.brokerKill,
		chaos.BrokerRestart:   d.brokerRestart,
		chaos.CoordinatorKill: d.coordinatorKill,
	}
	maps.DeleteFunc(all, func(k chaos.Kind, _ chaos.Act) bool {
		return !slices.Contains(d.options.kinds, k) || k == chaos.RegistryDown && d.registry == nil
	})
	return all
}

// shape gives a fleet its proxies and has its instances' ends judged.
func (d *ordeal) shape(s *fleetSpec) {
	s.override = maps.Clone(s.override)
	if d.registry != nil {
		if url, err := behind(d.stage.cluster.registry.URL, d.registry.Addr()); err == nil {
			s.override["schema.registry.url"] = url
		}
	}
	s.environ = func(name string) ([]string, error) {
		at, err := d.net.Connect(context.Background(), name, d.brokers)
		if err != nil {
			return nil, err
		}
		return []string{detourText(at), diskFaultVariable + "=" + d.diskFile(name)}, nil
	}
	s.ended = d.ended
}

// diskFile is the file that says what is wrong with an instance's disk.
func (d *ordeal) diskFile(name string) string { return filepath.Join(d.stage.dir, name+".disk") }

// ended judges the end of a process: what no fault explains is a violation.
func (d *ordeal) ended(m *instance, proc *process.Process) error {
	code := proc.ExitCode()
	if m.expected() {
		return nil
	}
	last, _ := m.known()
	_, from := m.current()
	damaged := saidSince(proc.LogPath(), from, "is damaged")
	d.mu.Lock()
	ran := last != nil && last.State != "CREATED"
	if ran {
		d.inVain[m] = 0
	}
	d.inVain[m]++
	tail := proc.Tail(40)
	excused := time.Now().Before(d.excused[m]) && code > 0 ||
		d.spoiled[m] && code > 0 && damaged ||
		!ran && code == exitFailed && time.Now().Before(d.away)
	vain := d.inVain[m]
	d.mu.Unlock()
	if excused && vain < startsInVain {
		d.stage.view.event(fmt.Sprintf("%s ended with exit code %d and is started again", m.name,
			code))
		return nil
	}
	d.violate("exit", m.name, "ended by itself with exit code %d (-1: by a signal); its log, %s, "+
		"ends\n%s", code, proc.LogPath(), tail)
	if code == exitRefused && !strings.Contains(tail, "goroutine ") || vain >= startsInVain {
		return fmt.Errorf("%s cannot run; it said:\n%s", m.name, proc.Tail(10))
	}
	return nil
}

// violate notes what must not be.
func (d *ordeal) violate(invariant, where, format string, args ...any) {
	v := chaos.Violation{Invariant: invariant, Where: where, Detail: fmt.Sprintf(format, args...)}
	d.mu.Lock()
	d.violations = append(d.violations, v)
	d.mu.Unlock()
	d.stage.view.event(fmt.Sprintf("VIOLATION %s %s: %s", v.Invariant, v.Where, v.Detail))
}

// excuse lets an instance end by itself until a while after the returned function is called.
func (d *ordeal) excuse(m *instance) (end func()) {
	set := func(until time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.excused[m] = until
	}
	set(time.Now().Add(time.Hour))
	return func() { set(time.Now().Add(graceAfter)) }
}

// outage says that servers may be out of reach until a while after the returned function is called,
// so that an instance that starts may give up.
func (d *ordeal) outage() (end func()) {
	set := func(until time.Time) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.away = until
	}
	set(time.Now().Add(time.Hour))
	return func() { set(time.Now().Add(graceAfter)) }
}

// victim is an instance at work that no other fault has, until release. While there is none it
// waits, for a while: then it is nil.
func (d *ordeal) victim(ctx context.Context, dice uint64) (t *act, m *instance, release func()) {
	until(ctx, victimPatience, func() bool {
		t, m, release = d.free(dice)
		return m != nil
	})
	return t, m, release
}

// free is a victim if there is one now.
func (d *ordeal) free(dice uint64) (t *act, m *instance, release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	type candidate struct {
		act *act
		m   *instance
	}
	var free []candidate
	for _, t := range d.stage.acts {
		for _, m := range t.fleet.members {
			last, _ := m.known()
			if last != nil && len(last.Tasks) > 0 && m.process().Running() && !d.busy[m] {
				free = append(free, candidate{t, m})
			}
		}
	}
	if len(free) == 0 {
		return nil, nil, func() {}
	}
	one := free[dice%uint64(len(free))]
	d.busy[one.m] = true
	return one.act, one.m, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.busy, one.m)
	}
}

// stands are the places that an instance works on.
func stands(m *instance) []place {
	last, _ := m.known()
	if last == nil {
		return nil
	}
	return last.places()
}

// goesOn waits until the places of one pipeline do.
func (t *act) goesOn(places []place) func(context.Context) error {
	return func(ctx context.Context) error {
		if len(places) == 0 {
			return nil
		}
		return goOn(ctx, t.fleet, t.adm, t.group, t.inputs, places)
	}
}

// pipelineGoesOn waits until every input partition of a pipeline goes on.
func (d *ordeal) pipelineGoesOn(ctx context.Context, t *act) error {
	var places []place
	for _, topic := range t.inputs[:len(t.pipeline.inputs)] {
		for n := range d.options.partitions {
			places = append(places, place{topic, int32(n)})
		}
	}
	return t.goesOn(places)(ctx)
}

// allGoOn waits until every input partition of all pipelines goes on.
func (d *ordeal) allGoOn(ctx context.Context) error {
	errs := make([]error, len(d.stage.acts))
	var all sync.WaitGroup
	for i, t := range d.stage.acts {
		all.Go(func() { errs[i] = d.pipelineGoesOn(ctx, t) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// until asks again and again whether something is so, and tells whether it came to be in time.
func until(ctx context.Context, limit time.Duration, so func() bool) bool {
	end := time.Now().Add(limit)
	for !so() {
		if time.Now().After(end) || !chaos.Wait(ctx, 50*time.Millisecond) {
			return false
		}
	}
	return true
}

// close ends what is still there.
func (d *ordeal) close() {
	for _, m := range d.extras {
		if m.process() != nil {
			m.process().Kill9()
		}
	}
	d.stage.close()
	d.net.Close()
	if d.registry != nil {
		d.registry.Close()
	}
}
