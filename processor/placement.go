package processor

import (
	"cmp"
	"math/bits"
	"slices"
)

// Where tasks and their copies go. The decision is a function of what the members say, so that any
// leader decides the same: as even as can be; a task stays with its owner, or goes to a member
// whose copy is near the end; a member whose copy is far behind gets a warm-up first, and the task
// stays where it is until that has caught up.

// candidate is a member of the group as the leader sees it.
type candidate struct {
	plain  bool // of a release that knows nothing of copies: it is given tasks as they come
	owned  []int32
	copies []replica
}

// rules are the settings of a placement.
type rules struct {
	standbys   int   // copies of each task, beside its owner's
	warmups    int   // at most so many at a time
	acceptable int64 // lag at which a copy counts as caught up
}

// placement is the leader's decision, by member.
type placement struct {
	active  [][]int32
	standby [][]following
}

// following tells a member to keep a copy of a task that runs elsewhere.
type following struct {
	partition int32
	warm      bool // the member is to say when the copy has caught up: the task then moves there
}

// placer makes a placement.
type placer struct {
	rules
	members []candidate
	tasks   int32
	owner   []int     // by task: who has it now; -1 for nobody
	active  []int     // by task: who is to have it
	load    []int     // by member: its active tasks
	lag     [][]int64 // by member and task
	hot     [][]bool  // by member and task: it follows the task's changelog already
	warm    []int     // by task: who is to be warmed up for it; -1 for nobody
}

// placeTasks decides. A task that two members claim to own belongs to the first of them.
func placeTasks(members []candidate, tasks int32, r rules) placement {
	p := &placer{rules: r, members: members, tasks: tasks, owner: fill(tasks, -1),
		active: fill(tasks, -1), warm: fill(tasks, -1), load: make([]int, len(members))}
	p.measure()
	for m, c := range members {
		for _, t := range c.owned {
			if t < tasks && p.owner[t] < 0 {
				p.owner[t], p.active[t] = m, m
				p.load[m]++
			}
		}
	}
	for _, t := range p.free() {
		m := p.best(t)
		p.active[t] = m
		p.load[m]++
	}
	p.balance()
	return p.result(p.copies())
}

func fill(n int32, v int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = v
	}
	return s
}

// measure works out how far each member's copy of each task is behind. The end of a changelog is
// the furthest that anyone knows of; who follows it live has just seen it and says so itself.
func (p *placer) measure() {
	ends := make([]int64, p.tasks)
	for _, c := range p.members {
		for _, r := range c.copies {
			if r.partition < p.tasks {
				ends[r.partition] = max(ends[r.partition], r.offset+max(r.lag, 0))
			}
		}
	}
	for _, c := range p.members {
		lag, hot := slices.Clone(ends), make([]bool, p.tasks)
		for _, r := range c.copies {
			if r.partition >= p.tasks {
				continue
			}
			lag[r.partition] = max(ends[r.partition]-r.offset, 0)
			if r.kind != copyClosed && r.lag >= 0 {
				lag[r.partition] = r.lag
			}
			hot[r.partition] = r.kind != copyClosed
		}
		for t := range lag {
			if c.plain {
				lag[t] = 0
			}
		}
		for _, t := range c.owned {
			if t < p.tasks {
				lag[t] = 0
			}
		}
		p.lag, p.hot = append(p.lag, lag), append(p.hot, hot)
	}
}

// class is 0 for a copy that has caught up, else rises with each doubling of its lag: a copy is
// worth something only if it spares half of the work.
func (p *placer) class(m int, t int32) int {
	if lag := p.lag[m][t]; lag > p.acceptable {
		return bits.Len64(uint64(lag))
	}
	return 0
}

// free are the tasks that nobody has, those first that the fewest are ready for.
func (p *placer) free() []int32 {
	var free []int32
	ready := make([]int, p.tasks)
	for t := range p.tasks {
		if p.owner[t] >= 0 {
			continue
		}
		free = append(free, t)
		for m := range p.members {
			if p.class(m, t) == 0 {
				ready[t]++
			}
		}
	}
	slices.SortStableFunc(free, func(a, b int32) int { return ready[a] - ready[b] })
	return free
}

// best is who takes a task that nobody has: the nearest copy, at once.
func (p *placer) best(t int32) int {
	best := 0
	for m := range p.members {
		if cmp.Or(cmp.Compare(p.class(m, t), p.class(best, t)), cmp.Compare(p.load[m],
			p.load[best]), cmp.Compare(p.lag[m][t], p.lag[best][t])) < 0 {
			best = m
		}
	}
	return best
}

// move is a task that could go to a member that has too few.
type move struct {
	task   int32
	to     int
	direct bool // to goes on from its copy as soon as the present holder would
	hot    bool
	free   bool // nobody runs the task now, so nothing is interrupted
	class  int
	lag    int64
}

// balance evens the loads out. A move to a member that is not ready becomes a warm-up.
func (p *placer) balance() {
	spare, room := p.quotas()
	var moves []move
	for t := range p.tasks {
		from := p.active[t]
		if spare[from] <= 0 {
			continue
		}
		for to := range p.members {
			if room[to] > 0 {
				c := p.class(to, t)
				moves = append(moves, move{task: t, to: to, direct: c <= p.class(from, t),
					hot: p.hot[to][t], free: p.owner[t] < 0, class: c, lag: p.lag[to][t]})
			}
		}
	}
	slices.SortFunc(moves, func(a, b move) int {
		return cmp.Or(first(a.direct, b.direct), first(a.hot, b.hot), first(a.free, b.free),
			cmp.Compare(a.class, b.class), cmp.Compare(a.lag, b.lag), cmp.Compare(b.task, a.task),
			cmp.Compare(a.to, b.to))
	})
	done := make([]bool, p.tasks)
	warmed := 0
	for _, v := range moves {
		from := p.active[v.task]
		if done[v.task] || spare[from] <= 0 || room[v.to] <= 0 {
			continue
		}
		done[v.task] = true
		spare[from]--
		room[v.to]--
		switch {
		case v.direct:
			p.active[v.task] = v.to
			p.load[from]--
			p.load[v.to]++
		case warmed < p.warmups:
			p.warm[v.task] = v.to
			warmed++
		}
	}
}

func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// quotas says how many tasks each member has too many, and how many too few. Where the tasks do
// not divide evenly, those that have most keep the larger parts.
func (p *placer) quotas() (spare, room []int) {
	n := len(p.members)
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return p.load[b] - p.load[a] })
	spare, room = make([]int, n), make([]int, n)
	for rank, m := range order {
		quota := int(p.tasks) / n
		if rank < int(p.tasks)%n {
			quota++
		}
		spare[m], room[m] = max(p.load[m]-quota, 0), max(quota-p.load[m], 0)
	}
	return spare, room
}

// copies decides who keeps a copy of which task, by task: those that do stay, as far as that is
// even; then who is nearest, then who has fewest. Never the task's owner, and never one twice.
func (p *placer) copies() [][]int {
	holders := make([][]int, p.tasks)
	load := make([]int, len(p.members))
	able := 0
	for _, c := range p.members {
		if !c.plain {
			able++
		}
	}
	share := (int(p.tasks)*p.standbys + able - 1) / max(able, 1)
	for round := range min(p.standbys, len(p.members)-1) { // each gives a task one copy more
		for _, keep := range []bool{true, false} {
			for t := range p.tasks {
				if len(holders[t]) > round {
					continue
				}
				if m := p.holder(t, holders[t], load, share, keep); m >= 0 {
					holders[t] = append(holders[t], m)
					load[m]++
				}
			}
		}
	}
	return holders
}

// holder is who keeps one more copy of a task: with keep set, one that does already.
func (p *placer) holder(t int32, have, load []int, share int, keep bool) int {
	best := -1
	for m, c := range p.members {
		if c.plain || m == p.active[t] || slices.Contains(have, m) ||
			keep && (!p.hot[m][t] || load[m] >= share) {
			continue
		}
		if best < 0 || cmp.Or(first(load[m] < share, load[best] < share),
			first(p.hot[m][t], p.hot[best][t]), cmp.Compare(p.class(m, t), p.class(best, t)),
			cmp.Compare(load[m], load[best])) < 0 {
			best = m
		}
	}
	return best
}

// result lists the decision by member.
func (p *placer) result(holders [][]int) placement {
	out := placement{active: make([][]int32, len(p.members)),
		standby: make([][]following, len(p.members))}
	for t := range p.tasks {
		out.active[p.active[t]] = append(out.active[p.active[t]], t)
		if m := p.warm[t]; m >= 0 {
			out.standby[m] = append(out.standby[m], following{partition: t, warm: true})
		}
		for _, m := range holders[t] {
			if m != p.warm[t] {
				out.standby[m] = append(out.standby[m], following{partition: t})
			}
		}
	}
	return out
}
