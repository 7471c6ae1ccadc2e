package chaos

import (
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// Fault is one fault as it was drawn.
type Fault struct {
	Number int // from 1, in its lane
	Kind   Kind
	Length time.Duration // how long it is in force, where that is anybody's choice
	Dice   uint64        // decides on whom and on variants
}

// pauseMin and pauseMax bound the quiet after a recovery.
const (
	pauseMin = 300 * time.Millisecond
	pauseMax = 2 * time.Second
)

// Schedule draws the faults of one lane, without end: the same ones for the same seed.
type Schedule struct {
	random *rand.Rand
	traits []Trait
	bag    []Trait
	drawn  int
}

// NewSchedule draws from the kinds that belong to the lane; nil when none does.
func NewSchedule(seed uint64, lane Lane, kinds []Kind) *Schedule {
	sum := fnv.New64a()
	_, _ = sum.Write([]byte(lane)) // a hash takes everything
	s := &Schedule{random: rand.New(rand.NewPCG(seed, sum.Sum64()))}
	for _, k := range kinds {
		if t := k.Trait(); t.Lane == lane {
			s.traits = append(s.traits, t)
		}
	}
	if len(s.traits) == 0 {
		return nil
	}
	return s
}

// Next draws a fault, and the quiet after it. All kinds come once before any comes more often than
// its weight.
func (s *Schedule) Next() (Fault, time.Duration) {
	if len(s.bag) == 0 {
		s.fill()
	}
	t := s.bag[0]
	s.bag = s.bag[1:]
	s.drawn++
	f := Fault{Number: s.drawn, Kind: t.Kind, Dice: s.random.Uint64(),
		Length: s.between(t.low, t.top)}
	return f, s.between(pauseMin, pauseMax)
}

// fill shuffles each kind into the bag as often as it weighs, the first of each kind first.
func (s *Schedule) fill() {
	for round := 0; ; round++ {
		var layer []Trait
		for _, t := range s.traits {
			if t.weight > round {
				layer = append(layer, t)
			}
		}
		if len(layer) == 0 {
			return
		}
		s.random.Shuffle(len(layer), func(i, j int) { layer[i], layer[j] = layer[j], layer[i] })
		s.bag = append(s.bag, layer...)
	}
}

func (s *Schedule) between(low, top time.Duration) time.Duration {
	return low + time.Duration(s.random.Int64N(int64(top-low)+1))
}
