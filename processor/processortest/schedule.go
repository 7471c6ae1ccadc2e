package processortest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// schedule is one way in which records are cut into epochs and processes die, drawn from a seed.
type schedule struct {
	c       *cluster
	chance  *rand.Rand
	newDisk func() disk
	rhythm  int   // most records of one task between two looks at the epoch
	sealing int   // one in so many looks seals
	trouble []int // at how many processed records it comes, in order
	steps   int   // records processed so far, again and again
	events  []string
}

// troubles is how much goes wrong in one schedule, at most.
const troubles = 12

func newSchedule(c *cluster, seed uint64, records int, newDisk func() disk) *schedule {
	s := &schedule{c: c, newDisk: newDisk, chance: rand.New(rand.NewPCG(seed, 0x9A71))}
	s.rhythm = []int{1, 3, 20, 200}[s.chance.IntN(4)]
	s.sealing = 1 + s.chance.IntN(4)
	for range 1 + s.chance.IntN(troubles) {
		s.trouble = append(s.trouble, s.chance.IntN(records+records/4+2))
	}
	slices.Sort(s.trouble)
	return s
}

func (s *schedule) note(format string, args ...any) {
	s.events = append(s.events, fmt.Sprintf("%s at %d", fmt.Sprintf(format, args...), s.steps))
}

// story is what went wrong, each event with the number of records processed before it.
func (s *schedule) story() string {
	if len(s.events) == 0 {
		return "epochs of other sizes, and nothing else"
	}
	return strings.Join(s.events, ", ")
}

// run processes and commits everything.
func (s *schedule) run() (*outcome, error) {
	for {
		moved, err := s.advance()
		ticked := false
		if err == nil && !moved {
			ticked, err = s.tick()
			moved = ticked
		}
		if err != nil {
			return nil, err
		}
		switch {
		case len(s.trouble) > 0 && (ticked || s.steps >= s.trouble[0]):
			s.trouble = s.trouble[1:]
			err = s.strike()
		case len(s.c.inFlight) > 0 && (!moved || s.chance.IntN(2) == 0):
			err = s.finish()
		case len(s.c.inFlight) > 0:
		case !moved || s.chance.IntN(s.sealing) == 0:
			err = s.seal()
			if !moved && len(s.c.inFlight) == 0 && err == nil {
				return s.c.outcome()
			}
		}
		if err == nil {
			err = s.housekeeping()
		}
		if err != nil {
			return nil, err
		}
	}
}

// advance has each task in some order process some records, of fetches of any size. It says
// whether there were any.
func (s *schedule) advance() (moved bool, err error) {
	for _, i := range s.chance.Perm(len(s.c.members)) {
		m := s.c.members[i]
		for range 1 + s.chance.IntN(s.rhythm) {
			ok, err := s.c.step(m)
			for err == nil && !ok && s.fetch(m) {
				ok, err = s.c.step(m)
			}
			if err != nil {
				return moved, err
			}
			if !ok {
				break
			}
			moved = true
			s.steps++
		}
	}
	return moved, nil
}

// tick has the tasks' event time move on, when all records are processed.
func (s *schedule) tick() (ticked bool, err error) {
	for _, m := range s.c.members {
		one, err := s.c.tick(m)
		if err != nil {
			return false, err
		}
		if one {
			ticked = true
			s.steps++
		}
	}
	return ticked, nil
}

// fetch gives a task that has nothing to do more records, of one input that has some.
func (s *schedule) fetch(m *member) bool {
	for _, input := range s.chance.Perm(len(m.inputs)) {
		if s.c.feed(m, input, 1+s.chance.IntN(2*s.rhythm)) {
			return true
		}
	}
	return false
}

// seal seals some of the tasks, or all when there are few.
func (s *schedule) seal() error {
	for _, m := range s.c.members {
		if s.chance.IntN(4) == 0 && len(s.c.inFlight) > 0 {
			continue // left out, as one that did not answer in time
		}
		if err := s.c.seal(m); err != nil {
			return err
		}
	}
	return nil
}

// finish commits and applies the transaction.
func (s *schedule) finish() error {
	s.c.commit()
	return s.c.apply(s.cacheLimit)
}

// cacheLimit keeps nothing decoded, a little, or all.
func (s *schedule) cacheLimit() int64 { return []int64{0, 2_000, 1 << 30}[s.chance.IntN(3)] }

// strike is one thing that goes wrong.
func (s *schedule) strike() error {
	if len(s.c.inFlight) == 0 && s.chance.IntN(3) > 0 {
		if err := s.seal(); err != nil {
			return err
		}
	}
	if len(s.c.inFlight) == 0 {
		s.note("crash while processing")
		return s.crash()
	}
	switch s.chance.IntN(4) {
	case 0:
		s.note("abort")
		return s.c.abort()
	case 1:
		s.note("crash before the commit")
	case 2:
		s.note("crash after the commit, before the apply")
		s.c.commit()
	default:
		s.note("crash after the apply")
		s.c.commit()
		if err := s.c.apply(s.cacheLimit); err != nil {
			return err
		}
	}
	return s.crash()
}

// crash ends the process. Some tasks then go to an instance that never had them.
func (s *schedule) crash() error {
	for _, m := range s.c.members {
		if s.chance.IntN(4) == 0 {
			s.note("disk of %s lost", m.task.Name())
			if err := m.disk.Close(); err != nil {
				return err
			}
			m.disk = s.newDisk()
		}
		if s.chance.IntN(3) == 0 {
			m.compact()
		}
	}
	return s.c.crash(s.chance)
}

// housekeeping brings committed state to disk now and then.
func (s *schedule) housekeeping() error {
	m := s.c.members[s.chance.IntN(len(s.c.members))]
	switch s.chance.IntN(12) {
	case 0:
		return m.task.Store().Flush()
	case 1, 2:
		return m.task.Store().Spill()
	}
	return nil
}
