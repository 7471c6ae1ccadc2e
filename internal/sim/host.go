package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"pawl/processor"
	"pawl/statestore"
)

// host is a machine: what outlives the processes on it, and a supervisor that starts them again.
type host struct {
	sim    *simulation
	name   string // in the trace
	id     string // instance.id; a twin has that of another host
	dir    string // for the lock
	twin   bool
	random *rand.Rand

	mu       sync.Mutex
	disk     *statestore.MemoryDisk
	proc     *process // nil while there is none
	want     bool     // the supervisor keeps a process running
	plan     *plan
	lives    int
	replaced bool // the machine: what its processes left on the real disk is to go
	// committed is how far the changelog was when a process was killed; nil when none was since
	// the disk was last looked at.
	committed []*kfake.PartitionInfo
	running   chan struct{} // closed when the supervisor has ended
}

// plan is what befalls a process when it passes a point for the nth time.
type plan struct {
	point string
	n     int
	act   func(p *process)
}

func (s *simulation) newHost(name, id string) *host {
	h := &host{sim: s, name: name, id: id, dir: filepath.Join(s.cfg.Dir, name),
		disk: statestore.NewMemoryDisk(), random: s.chance("host " + name)}
	s.hosts = append(s.hosts, h)
	return h
}

// up has the supervisor start a process, and start it again when it ends.
func (h *host) up() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.want {
		return
	}
	h.want = true
	before := h.running
	h.running = make(chan struct{})
	go h.supervise(before, h.running)
}

// down ends the process gracefully; none is started any more.
func (h *host) down() {
	h.mu.Lock()
	h.want = false
	p := h.proc
	h.mu.Unlock()
	if p != nil {
		p.halt()
	}
}

// wait blocks until the supervisor has ended, after down.
func (h *host) wait() {
	h.mu.Lock()
	running := h.running
	h.mu.Unlock()
	if running != nil {
		<-running
	}
}

// alive is the process that runs and was not killed.
func (h *host) alive() *process {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.proc == nil || h.proc.gone() {
		return nil
	}
	return h.proc
}

// supervise starts processes for as long as one is wanted.
func (h *host) supervise(before, running chan struct{}) {
	defer close(running)
	if before != nil {
		<-before
	}
	for {
		h.mu.Lock()
		if !h.want {
			h.mu.Unlock()
			return
		}
		h.lives++
		p := &process{host: h, life: h.lives, disk: h.disk, killed: make(chan struct{}),
			halted: make(chan struct{}), plan: h.plan}
		h.plan = nil
		h.proc = p
		h.mu.Unlock()
		p.run()
		h.mu.Lock()
		h.proc = nil
		disk, committed, replaced := h.disk, h.committed, h.replaced
		h.committed, h.replaced = nil, false
		wait := time.Duration(h.random.Int64N(int64(2 * time.Second)))
		if p.displaced && !h.sim.healed.Load() {
			h.want = false // or the two would go on displacing each other
		}
		h.mu.Unlock()
		if replaced {
			h.empty()
		}
		if committed != nil && h.sim.chanceOf(h, 3) {
			h.sim.auditImage(h, disk, committed)
		}
		time.Sleep(wait)
	}
}

// empty removes what processes left on the real disk.
func (h *host) empty() {
	if err := os.RemoveAll(h.dir); err != nil {
		h.sim.violate("I12", h.name, "empty the machine: "+err.Error())
	}
}

// process is one life of an instance.
type process struct {
	host   *host
	life   int
	disk   *statestore.MemoryDisk
	killed chan struct{} // closed when it was
	halted chan struct{} // closed when it is to end gracefully

	displaced bool // run's

	mu       sync.Mutex
	plan     *plan
	dead     bool
	stopping bool
	frozen   time.Time // until when its network is, by role
	role     string    // "" for all of its clients
}

// label orders what is written at the same moment.
func (p *process) label() string {
	if p == nil {
		return "sim"
	}
	return p.host.name
}

// heldUntil is until when nothing passes on the connections of the role.
func (p *process) heldUntil(role string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.role != "" && p.role != role {
		return time.Time{}
	}
	return p.frozen
}

// unreachable says that a new connection finds nobody.
func (p *process) unreachable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.role == "" && p.frozen.After(time.Now())
}

// gone says that the process was killed: nothing it does matters any more.
func (p *process) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// freeze holds back all that its clients of a role (all of them with "") send and would get.
func (p *process) freeze(role string, d time.Duration) {
	p.mu.Lock()
	p.role, p.frozen = role, time.Now().Add(d)
	p.mu.Unlock()
	p.host.sim.sched.poke()
}

// halt asks for a graceful end.
func (p *process) halt() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.stopping {
		p.stopping = true
		close(p.halted)
	}
}

// kill ends the process as kill -9 does, at this moment: of what it had written to its connections
// some arrives; nothing else it does has any effect. With power the machine loses what was not
// synced.
func (p *process) kill(why string, unsyncedPercent int) {
	h := p.host
	committed := h.sim.cluster.PartitionInfos(h.sim.changelog())
	h.mu.Lock()
	p.mu.Lock()
	if p.dead || h.proc != p {
		p.mu.Unlock()
		h.mu.Unlock()
		return
	}
	p.dead = true
	p.frozen = time.Time{}
	p.mu.Unlock()
	h.disk = p.disk.Image(h.random, unsyncedPercent)
	h.committed = committed
	h.mu.Unlock()
	h.sim.trace.say(h.name, "KILLED %s, %d%% of what was not synced is kept", why, unsyncedPercent)
	h.sim.crashed()
	h.sim.net.kill(p)
	close(p.killed)
}

// point is the instance's Config.Point.
func (p *process) point(name string) {
	p.host.sim.passed(name)
	p.mu.Lock()
	plan := p.plan
	hit := plan != nil && plan.point == name
	if hit {
		plan.n--
		if hit = plan.n == 0; hit {
			p.plan = nil
		}
	}
	p.mu.Unlock()
	if hit {
		plan.act(p)
	}
}

// run is the process from start to end.
func (p *process) run() {
	h := p.host
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-p.killed:
			cancel()
		case <-ctx.Done():
		}
	}()
	h.sim.trace.say(h.name, "starts, life %d", p.life)
	in, err := processor.Start(ctx, p.config(), h.sim.cfg.App.New())
	if err != nil {
		p.startFailed(err)
		return
	}
	select {
	case <-in.Done():
	case <-p.killed:
		in.Crash()
	case <-p.halted:
		in.Stop()
		select {
		case <-in.Done():
		case <-p.killed:
			in.Crash()
		}
	}
	p.ended(in.Wait())
}

func (p *process) startFailed(err error) {
	h := p.host
	if p.gone() {
		return
	}
	h.sim.trace.say(h.name, "could not start: %v", err)
	var final *processor.StartError
	if errors.As(err, &final) {
		h.sim.violate("I12", h.name, "refused to start: "+err.Error())
	}
}

// ended judges why an instance ended.
func (p *process) ended(err error) {
	h := p.host
	switch {
	case p.gone():
	case err == nil:
		h.sim.trace.say(h.name, "stopped")
	case strings.Contains(err.Error(), "was taken over by another process"):
		h.sim.trace.say(h.name, "displaced by its twin")
		p.displaced = true
	default:
		h.sim.trace.say(h.name, "ended: %v", err)
		h.sim.violate("I12", h.name, "ended by itself: "+err.Error())
	}
}

// config are the settings of the instance.
func (p *process) config() processor.Config {
	h, s := p.host, p.host.sim
	cfg := processor.Config{
		ApplicationID: application, InstanceID: h.id, Brokers: s.cluster.ListenAddrs(),
		Registry: s.registry, StateDir: h.dir, MemoryMax: memory,
		SessionTimeout: s.cfg.Session, TransactionTimeout: s.cfg.Transaction,
		IdleTimeout: s.cfg.Idle, CommitInterval: s.cfg.Commit, StartupTimeout: startup,
		Dialer: s.net.dialer(p), Point: p.point, Stores: p.disk.Env,
		KafkaOptions: s.clientOptions(),
		Listeners:    []processor.Listener{p.listener()}, Checkpoints: p.checkpoints(),
	}
	if s.cfg.App.Settings != nil {
		s.cfg.App.Settings(&cfg)
	}
	return cfg
}

func (p *process) listener() processor.Listener {
	h, s := p.host, p.host.sim
	return processor.Listener{
		Notice: func(text string) { s.trace.say(h.name, "%s", text) },
		EpochCommitted: func(i processor.EpochInfo) {
			s.committed(p)
			s.trace.say(h.name, "epoch %d committed: %d records of %d tasks", i.Epoch, i.Records,
				i.Tasks)
		},
		EpochAborted: func(i processor.AbortInfo) {
			s.aborted(p, i)
			s.trace.say(h.name, "epoch aborted: %s, unconfirmed %v: %v", i.Reason, i.Unconfirmed,
				i.Err)
		},
		TaskState: func(i processor.TaskStateInfo) {
			s.trace.say(h.name, "%s %s %s", i.Task, i.State, i.Reason)
			if (i.State == processor.TaskRefused || i.State == processor.TaskFailed) && !p.gone() {
				s.violate("I12", h.name, string(i.State)+" "+i.Task+": "+i.Reason)
			}
		},
		Checkpoint: p.checkpointTold,
		Restore:    p.restoreTold,
		Waiting: func(i processor.WaitInfo) {
			s.trace.say(h.name, "%s waits for %s", i.Task, i.What)
		},
	}
}
