package processor

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// copiesAt makes replicas of a kind from partition, offset, lag triples.
func copiesAt(kind copyKind, triples ...int64) []replica {
	var all []replica
	for i := 0; i+2 < len(triples); i += 3 {
		all = append(all, replica{int32(triples[i]), kind, triples[i+1], triples[i+2]})
	}
	return all
}

// TestPlacement: who gets which task and which copy, in the cases that matter.
func TestPlacement(t *testing.T) {
	far := int64(1_000_000)
	owner := func(parts ...int32) candidate {
		c := candidate{owned: parts}
		for _, p := range parts {
			c.copies = append(c.copies, replica{p, copyActive, far, 0})
		}
		return c
	}
	with := func(c candidate, more ...replica) candidate {
		c.copies = append(c.copies, more...)
		return c
	}
	for _, c := range []struct {
		name    string
		rules   rules
		tasks   int32
		members []candidate
		active  [][]int32
		standby [][]following
	}{
		{"a first start is even", rules{0, 2, 10}, 4, []candidate{{}, {}},
			[][]int32{{0, 2}, {1, 3}}, [][]following{nil, nil}},
		{"small state moves at once", rules{0, 2, 2 * far}, 4, []candidate{owner(0, 1, 2, 3), {}},
			[][]int32{{0, 1}, {2, 3}}, [][]following{nil, nil}},
		{"large state is copied first, so many at a time", rules{0, 1, 10}, 4,
			[]candidate{owner(0, 1, 2, 3), {}},
			[][]int32{{0, 1, 2, 3}, nil}, [][]following{nil, {{3, true}}}},
		{"a warm-up goes on before another begins", rules{0, 1, 10}, 4, []candidate{
			owner(0, 1, 2, 3), {copies: copiesAt(copyStandby, 2, 600, far-600)}},
			[][]int32{{0, 1, 2, 3}, nil}, [][]following{nil, {{2, true}}}},
		{"what has caught up moves, the next is copied", rules{0, 1, 10}, 4, []candidate{
			owner(0, 1, 2, 3), {copies: copiesAt(copyStandby, 2, far-5, 5)}},
			[][]int32{{0, 1, 3}, {2}}, [][]following{nil, {{3, true}}}},
		{"an old release is given tasks as they come", rules{1, 2, 10}, 2, []candidate{
			owner(0, 1), {plain: true}},
			[][]int32{{0}, {1}}, [][]following{{{1, false}}, nil}},
		{"the dead's task goes to the best copy, however far behind", rules{0, 2, 10}, 3,
			[]candidate{owner(0), with(owner(1), copiesAt(copyClosed, 2, 500_000, -1)...),
				{copies: copiesAt(copyClosed, 2, 900_000, -1)}},
			[][]int32{{0}, {1}, {2}}, [][]following{nil, nil, nil}},
		{"the dead's tasks go to their standby, unevenly at first", rules{1, 2, 10}, 4,
			[]candidate{with(owner(0), copiesAt(copyStandby, 2, far, 0, 3, far, 0)...), owner(1)},
			[][]int32{{0, 2, 3}, {1}}, [][]following{{{1, false}}, {{0, false}, {2, false},
				{3, true}}}},
		{"a standby keeps what it follows", rules{1, 2, 10}, 2, []candidate{owner(0), owner(1),
			{copies: copiesAt(copyStandby, 0, far, 0, 1, far, 0)}},
			[][]int32{{0}, {1}, nil}, [][]following{{{1, false}}, nil, {{0, false}}}},
		{"more copies than members", rules{5, 2, 10}, 2, []candidate{owner(0), owner(1)},
			[][]int32{{0}, {1}}, [][]following{{{1, false}}, {{0, false}}}},
		{"alone", rules{1, 2, 10}, 2, []candidate{{}}, [][]int32{{0, 1}}, [][]following{nil}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := placeTasks(c.members, c.tasks, c.rules)
			for _, f := range got.standby {
				slices.SortFunc(f, byPartition)
			}
			if want := (placement{c.active, c.standby}); !reflect.DeepEqual(got, want) {
				t.Errorf("\n got %v\nwant %v", got, want)
			}
		})
	}
}

// everything is more than any copy lacks.
const everything = 1_000_000

// flock is a group in which placements are carried out.
type flock struct {
	t       *testing.T
	r       *rand.Rand
	rules   rules
	tasks   int32
	ends    []int64
	members []candidate
}

func newFlock(t *testing.T, r *rand.Rand) *flock {
	f := &flock{t: t, r: r, tasks: int32(r.IntN(20)), rules: rules{standbys: r.IntN(3),
		warmups: 1 + r.IntN(3), acceptable: int64(r.IntN(1000))}}
	if r.IntN(2) == 0 {
		f.rules.acceptable = everything
	}
	for range f.tasks {
		f.ends = append(f.ends, int64(r.IntN(100_000)))
	}
	f.members = make([]candidate, 1+r.IntN(6))
	for p := range f.tasks {
		if m := r.IntN(len(f.members) + 1); m < len(f.members) {
			f.members[m].owned = append(f.members[m].owned, p)
		}
	}
	for m := range f.members {
		f.members[m].plain = r.IntN(8) == 0
		for p := range f.tasks {
			if !f.members[m].plain && r.IntN(2) == 0 {
				f.members[m].copies = append(f.members[m].copies,
					replica{p, copyClosed, r.Int64N(f.ends[p] + 1), -1})
			}
		}
	}
	return f
}

// check looks at what has to hold of any placement.
func (f *flock) check(got placement) {
	f.t.Helper()
	holder := make(map[int32]int)
	for m, parts := range got.active {
		for _, p := range parts {
			if other, twice := holder[p]; twice {
				f.t.Fatalf("task %d is given to %d and %d", p, other, m)
			}
			holder[p] = m
		}
	}
	if len(holder) != int(f.tasks) {
		f.t.Fatalf("%d of %d tasks are given out: %v", len(holder), f.tasks, got.active)
	}
	able, warm := 0, 0
	for _, c := range f.members {
		if !c.plain {
			able++
		}
	}
	held := make(map[int32]int)
	for m, all := range got.standby {
		seen := make(map[int32]bool)
		for _, s := range all {
			if holder[s.partition] == m || seen[s.partition] || f.members[m].plain {
				f.t.Fatalf("member %d (plain %v) follows %v and runs %v", m, f.members[m].plain,
					all, got.active[m])
			}
			seen[s.partition] = true
			held[s.partition]++
			if s.warm {
				warm++
				held[s.partition]--
			}
		}
	}
	if warm > f.rules.warmups {
		f.t.Fatalf("%d warm-ups at once, %d are allowed", warm, f.rules.warmups)
	}
	for p, m := range holder {
		others := able
		if !f.members[m].plain {
			others--
		}
		if want := min(f.rules.standbys, others); held[p] < want-1 || held[p] > want {
			f.t.Fatalf("task %d has %d standbys beside warm-ups, want %d", p, held[p], want)
		}
	}
}

// moved counts tasks that a member gives up.
func (f *flock) moved(got placement) int {
	n := 0
	for m, c := range f.members {
		for _, p := range c.owned {
			if !slices.Contains(got.active[m], p) {
				n++
			}
		}
	}
	return n
}

// carryOut does what a placement says: revoked in one round, assigned in the next.
func (f *flock) carryOut(got placement) {
	taken := make(map[int32]bool)
	for _, c := range f.members {
		for _, p := range c.owned {
			taken[p] = true
		}
	}
	for m := range f.members {
		c := &f.members[m]
		was := c.copies
		next := candidate{plain: c.plain}
		for _, p := range got.active[m] {
			if slices.Contains(c.owned, p) || !taken[p] {
				next.owned = append(next.owned, p)
			}
		}
		for p := range f.tasks {
			owns := slices.Contains(next.owned, p)
			at := slices.IndexFunc(was, func(r replica) bool { return r.partition == p })
			follows := slices.ContainsFunc(got.standby[m], func(s following) bool {
				return s.partition == p
			}) || slices.Contains(got.active[m], p) && !owns
			switch {
			case c.plain:
			case owns:
				next.copies = append(next.copies, replica{p, copyActive, f.ends[p], 0})
			case follows:
				next.copies = append(next.copies, replica{p, copyStandby, f.ends[p], 0})
			case at >= 0:
				next.copies = append(next.copies, replica{p, copyClosed, was[at].offset, -1})
			}
		}
		f.members[m] = next
	}
}

// TestPlacementProperties: from any beginning, with members that die and come, no task is lost or
// doubled and copies stand elsewhere; once copies catch up, the tasks are even, no more of them
// have moved than that takes, and nothing moves any more.
func TestPlacementProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for n := range 3000 {
		f := newFlock(t, r)
		for range 2 {
			moves, rounds := 0, 0
			need := f.least()
			for ; ; rounds++ {
				got := placeTasks(f.members, f.tasks, f.rules)
				again := placeTasks(f.members, f.tasks, f.rules)
				if !reflect.DeepEqual(got, again) {
					t.Fatalf("group %d: two leaders decide %v and %v", n, got, again)
				}
				f.check(got)
				moves += f.moved(got)
				before := f.members
				f.members = slices.Clone(f.members)
				f.carryOut(got)
				if reflect.DeepEqual(before, f.members) {
					break
				}
				if rounds > 10+4*int(f.tasks) {
					t.Fatalf("group %d does not settle: %+v, %v", n, f.members, got)
				}
			}
			for m, c := range f.members {
				low := int(f.tasks) / len(f.members)
				if k := len(c.owned); k < low || k > low+1 {
					t.Fatalf("group %d: member %d has %d of %d tasks", n, m, k, f.tasks)
				}
			}
			// Warm-ups delay, and what is free meanwhile may change the plan: then more moves are
			// in order, but never without need.
			if moves > 2*need || moves > need && f.rules.acceptable >= everything {
				t.Fatalf("group %d: %d moves, %d would have done", n, moves, need)
			}
			if m := r.IntN(len(f.members)); len(f.members) > 1 && r.IntN(2) == 0 {
				f.members = slices.Delete(f.members, m, m+1)
			} else {
				f.members = append(f.members, candidate{})
			}
		}
	}
}

// least is how many moves of running tasks an even share takes at most: the free ones go to the
// best copies, and what that makes uneven is made even.
func (f *flock) least() int {
	free := int(f.tasks)
	for _, c := range f.members {
		free -= len(c.owned)
	}
	low := int(f.tasks) / len(f.members)
	n := free
	for _, c := range f.members {
		n += max(len(c.owned)-low, 0)
	}
	larger := int(f.tasks) % len(f.members)
	for _, c := range f.members {
		if len(c.owned) > low && larger > 0 {
			n--
			larger--
		}
	}
	return n
}

// TestUserData: what is written is read, what is torn is refused, what a later version adds is
// left.
func TestUserData(t *testing.T) {
	copies := []replica{{0, copyClosed, 0, -1}, {7, copyActive, 1 << 40, 0},
		{300, copyStandby, 9, 5}}
	b := encodeCopies(copies)
	if got, err := decodeCopies(append(b, 1, 2)); err != nil || !reflect.DeepEqual(got, copies) {
		t.Errorf("%v, %v", got, err)
	}
	want := duties{10_000, []following{{3, true}, {400, false}}}
	d := encodeDuties(want)
	if got, err := decodeDuties(append(d, 1)); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	for n := range len(b) {
		if _, err := decodeCopies(b[:n]); err == nil {
			t.Errorf("%d of %d bytes of copies are accepted", n, len(b))
		}
	}
	for n := range len(d) {
		if _, err := decodeDuties(d[:n]); err == nil {
			t.Errorf("%d of %d bytes of duties are accepted", n, len(d))
		}
	}
}
