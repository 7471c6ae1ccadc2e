package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"pawl/processor"
	"pawl/statestore"
)

// action is something that befalls the system between two steps. It says whether it counts: what is
// only armed counts when it happens.
type action struct {
	kind   string
	weight int
	do     func(s *simulation) bool
}

// actions are all that can befall it. Whoever adds one sees to it that heal undoes it.
func actions() []action {
	return []action{
		{"kill", 14, (*simulation).killOne},
		{"kill-at", 20, (*simulation).killAtPoint},
		{"trouble-at", 6, (*simulation).troubleAtPoint},
		{"freeze", 5, (*simulation).freezeOne},
		{"freeze-client", 5, (*simulation).freezeClient},
		{"blackout", 2, (*simulation).blackout},
		{"stop", 6, (*simulation).stopOne},
		{"start", 10, (*simulation).startOne},
		{"twin", 2, (*simulation).twin},
		{"cut", 5, (*simulation).cutOne},
		{"cut-broker", 3, (*simulation).cutBroker},
		{"leader-move", 6, (*simulation).moveLeaders},
		{"coordinator-move", 5, (*simulation).moveCoordinators},
		{"node-remove", 3, (*simulation).removeNode},
		{"node-add", 4, (*simulation).addNode},
		{"refuse", 16, (*simulation).refuse},
		{"registry", 2, (*simulation).troubleRegistry},
		{"compact", 4, (*simulation).compactChangelog},
		{"disk-lost", 2, (*simulation).loseDisk},
		{"outage", 1, (*simulation).outage},
	}
}

// act has something befall the system.
func (s *simulation) act() {
	all := actions()
	if s.storage != nil {
		all = append(all, storageActions()...)
	}
	total := 0
	for _, a := range all {
		total += a.weight
	}
	for range []int{0, 1, 1, 1, 2, 2}[s.random.IntN(6)] {
		at := s.random.IntN(total)
		for _, a := range all {
			if at -= a.weight; at < 0 {
				if a.do(s) {
					s.trace.count(a.kind)
				}
				break
			}
		}
	}
}

// some returns one of the list, or false when there is none.
func some[T any](r *rand.Rand, list []T) (one T, ok bool) {
	if len(list) == 0 {
		return one, false
	}
	return list[r.IntN(len(list))], true
}

// process picks one that runs.
func (s *simulation) process() (*process, bool) {
	var alive []*process
	for _, h := range s.hosts {
		if p := h.alive(); p != nil {
			alive = append(alive, p)
		}
	}
	return some(s.random, alive)
}

func (s *simulation) killOne() bool {
	p, ok := s.process()
	if ok {
		p.kill("at random", s.random.IntN(3)*50)
	}
	return ok
}

// point picks one, the rare ones as often as the others.
func (s *simulation) point() (name string, n int) {
	points := processor.Points()
	if s.storage != nil && s.random.IntN(2) == 0 {
		points = processor.CheckpointPoints()
	}
	i := s.random.IntN(len(points))
	return points[i], []int{1, 1, 1, 2, 3}[s.random.IntN(5)]
}

// killAtPoint has a process die at a point it is to pass, or the next one on its host.
func (s *simulation) killAtPoint() bool {
	point, n := s.point()
	unsynced := s.random.IntN(3) * 50
	return s.plan(point, n, func(p *process) {
		s.trace.count("killed-at " + point)
		p.kill("at "+point, unsynced)
	})
}

// troubleAtPoint has something else happen there.
func (s *simulation) troubleAtPoint() bool {
	point, n := s.point()
	d := time.Duration(s.random.Int64N(int64(3 * (s.cfg.Session + s.cfg.Transaction) / 2)))
	acts := []func(*process){
		func(p *process) { p.freeze("", d) },
		func(p *process) { s.cut(func(l *link) bool { return l.proc == p }) },
		func(*process) { s.cluster.RehashCoordinators() },
	}
	act := acts[s.random.IntN(len(acts))]
	return s.plan(point, n, func(p *process) {
		s.trace.count("trouble-at " + point)
		s.trace.say(p.host.name, "TROUBLE at %s", point)
		act(p)
	})
}

// plan arms a host; it counts when it happens.
func (s *simulation) plan(point string, n int, act func(*process)) bool {
	h, _ := some(s.random, s.hosts)
	s.trace.say(h.name, "is to meet something at %s, time %d", point, n)
	x := &plan{point: point, n: n, act: act}
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.proc; p != nil && s.random.IntN(4) > 0 {
		p.mu.Lock()
		p.plan = x
		p.mu.Unlock()
	} else {
		h.plan = x
	}
	return false
}

// span is how long something lasts: up to beyond all timeouts.
func (s *simulation) span() time.Duration {
	most := []time.Duration{time.Second, s.cfg.Session, 2 * (s.cfg.Session + s.cfg.Transaction)}
	return time.Duration(s.random.Int64N(int64(most[s.random.IntN(len(most))])))
}

func (s *simulation) freezeOne() bool {
	p, ok := s.process()
	d := s.span()
	if ok {
		s.trace.say(p.host.name, "FROZEN for %v", d)
		p.freeze("", d)
	}
	return ok
}

// freezeClient makes a zombie: one client of a process hears nothing, the others go on.
func (s *simulation) freezeClient() bool {
	p, ok := s.process()
	role := []string{"group", "group", "produce", "fetch", "admin"}[s.random.IntN(5)]
	d := s.span()
	if ok {
		s.trace.say(p.host.name, "FROZEN client %s for %v", role, d)
		p.freeze(role, d)
	}
	return ok
}

// blackout takes the whole cluster off the network.
func (s *simulation) blackout() bool {
	d := s.span()
	s.trace.say("sim", "BLACKOUT for %v", d)
	for _, h := range s.hosts {
		if p := h.alive(); p != nil {
			p.freeze("", d)
		}
	}
	return true
}

func (s *simulation) stopOne() bool {
	p, ok := s.process()
	if ok {
		s.trace.say(p.host.name, "STOP")
		p.host.down()
	}
	return ok
}

func (s *simulation) startOne() bool {
	var idle []*host
	for _, h := range s.hosts {
		h.mu.Lock()
		if !h.want {
			idle = append(idle, h)
		}
		h.mu.Unlock()
	}
	h, ok := some(s.random, idle)
	if ok {
		s.trace.say(h.name, "START")
		h.up()
	}
	return ok
}

// twin starts a second process under an instance id that is taken, as an orchestrator does that
// believes the first one dead.
func (s *simulation) twin() bool {
	p, ok := s.process()
	if !ok || slices.ContainsFunc(s.hosts, func(h *host) bool { return h.twin }) {
		return false
	}
	h := s.newHost(p.host.name+"'", p.host.id)
	h.twin = true
	s.trace.say(h.name, "START as a twin")
	h.up()
	return true
}

// cut resets connections.
func (s *simulation) cut(match func(*link) bool) {
	links := s.net.open(func(l *link) bool { return l.proc != nil && match(l) })
	slices.SortFunc(links, func(a, b *link) int { return strings.Compare(a.name, b.name) })
	for _, l := range links {
		l.reset()
	}
}

func (s *simulation) cutOne() bool {
	p, ok := s.process()
	if ok {
		s.trace.say(p.host.name, "CUT")
		s.cut(func(l *link) bool { return l.proc == p })
	}
	return ok
}

func (s *simulation) cutBroker() bool {
	port := firstPort + s.random.IntN(s.cfg.Brokers)
	s.trace.say("sim", "CUT broker %d", port)
	s.cut(func(l *link) bool { return l.port == port })
	return true
}

func (s *simulation) moveLeaders() bool {
	if s.cfg.Brokers == 1 {
		return false
	}
	s.trace.say("sim", "LEADERS move")
	s.electLeaders()
	return true
}

// electLeaders gives every partition a leader. kfake would do so by chance of its own.
func (s *simulation) electLeaders() {
	var nodes []int32
	for node := range int32(s.cfg.Brokers) {
		if s.ports[node] == 0 {
			nodes = append(nodes, node)
		}
	}
	for _, topic := range s.topics() {
		for p := range int32(s.cfg.Partitions) {
			// A topic that is not there yet has none.
			_ = s.cluster.MoveTopicPartition(topic, p, nodes[s.random.IntN(len(nodes))])
		}
	}
}

func (s *simulation) moveCoordinators() bool {
	s.trace.say("sim", "COORDINATORS move")
	s.cluster.RehashCoordinators()
	return true
}

// removeNode takes a broker away; the last one is the controller and stays.
func (s *simulation) removeNode() bool {
	if s.cfg.Brokers-len(s.ports) < 2 {
		return false
	}
	node := int32(s.random.IntN(s.cfg.Brokers - 1))
	if s.ports[node] != 0 || s.cluster.RemoveNode(node) != nil {
		return false
	}
	port := firstPort + int(node)
	s.trace.say("sim", "BROKER %d removed", port)
	s.ports[node] = port
	s.electLeaders()
	for _, l := range s.net.open(func(l *link) bool { return l.port == port }) {
		l.reset()
	}
	return true
}

func (s *simulation) addNode() bool {
	for node := range int32(s.cfg.Brokers) {
		if port := s.ports[node]; port != 0 {
			if _, _, err := s.cluster.AddNode(node, port); err != nil {
				s.violate("I12", "simulation", fmt.Sprintf("add broker %d: %v", port, err))
			}
			s.trace.say("sim", "BROKER %d added", port)
			delete(s.ports, node)
			s.electLeaders()
			return true
		}
	}
	return false
}

func (s *simulation) troubleRegistry() bool {
	slow, d := s.random.IntN(2) == 0, s.span()
	s.trace.say("sim", "REGISTRY slow %v or down for %v", slow, d)
	s.registry.trouble(slow, d)
	return true
}

// compactChangelog compacts the only topic that is, unless a transaction is open on it.
func (s *simulation) compactChangelog() bool {
	if !s.kafka.compact() {
		return false
	}
	s.trace.say("sim", "COMPACTION")
	return true
}

// loseDisk has a process's machine replaced.
func (s *simulation) loseDisk() bool {
	p, ok := s.process()
	if ok {
		p.kill("with its machine", 0)
		p.host.mu.Lock()
		p.host.disk = statestore.NewMemoryDisk()
		p.host.replaced = true
		p.host.mu.Unlock()
	}
	return ok
}

// outage ends everything for so long that compaction may forget deletions.
func (s *simulation) outage() bool {
	if s.out {
		return false
	}
	s.out = true
	d := time.Duration(1+s.random.IntN(30)) * time.Hour
	s.trace.say("sim", "OUTAGE of %v", d)
	var wanted []*host
	for _, h := range s.hosts {
		h.mu.Lock()
		if h.want {
			wanted = append(wanted, h)
		}
		h.want = false
		p := h.proc
		h.mu.Unlock()
		if p != nil {
			p.kill("for long", 100)
		}
	}
	for _, h := range s.hosts {
		h.wait()
	}
	time.Sleep(d)
	if s.random.IntN(2) == 0 {
		s.compactChangelog()
	}
	for _, h := range wanted {
		h.up()
	}
	return true
}

// heal ends all faults and has every host run again.
func (s *simulation) heal() {
	s.trace.say("sim", "HEAL")
	s.healed.Store(true)
	s.sched.setWeather(weather{})
	for s.addNode() {
	}
	s.healRefusals()
	s.registry.trouble(false, 0)
	if s.storage != nil {
		s.storage.heal()
	}
	for _, h := range s.hosts {
		h.mu.Lock()
		h.plan = nil
		p := h.proc
		h.mu.Unlock()
		if p != nil {
			p.mu.Lock()
			p.plan, p.frozen = nil, time.Time{}
			p.mu.Unlock()
		}
		if h.twin {
			h.down()
			if p != nil {
				p.kill("as a twin", 0)
			}
		}
	}
	s.sched.poke()
	for _, h := range s.hosts {
		if !h.twin {
			h.up()
		}
	}
}
