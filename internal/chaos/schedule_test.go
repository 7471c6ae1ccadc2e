package chaos

import (
	"reflect"
	"testing"
	"time"
)

func kindsOf(t *testing.T) []Kind {
	t.Helper()
	var all []Kind
	for _, one := range Traits() {
		all = append(all, one.Kind)
	}
	return all
}

func draw(s *Schedule, n int) (faults []Fault, pauses []time.Duration) {
	for range n {
		f, pause := s.Next()
		faults, pauses = append(faults, f), append(pauses, pause)
	}
	return faults, pauses
}

func TestSeedDecides(t *testing.T) {
	for _, lane := range []Lane{Processes, Servers} {
		one, pauses := draw(NewSchedule(7, lane, kindsOf(t)), 200)
		same, samePauses := draw(NewSchedule(7, lane, kindsOf(t)), 200)
		other, _ := draw(NewSchedule(8, lane, kindsOf(t)), 200)
		if !reflect.DeepEqual(one, same) || !reflect.DeepEqual(pauses, samePauses) {
			t.Errorf("%s: one seed, two draws", lane)
		}
		if reflect.DeepEqual(one, other) {
			t.Errorf("%s: two seeds, one draw", lane)
		}
	}
}

// TestEveryKindComes: each kind comes before any comes again, and keeps to its lane and length.
func TestEveryKindComes(t *testing.T) {
	for _, lane := range []Lane{Processes, Servers} {
		want := map[Kind]int{}
		perBag := 0
		for _, one := range Traits() {
			if one.Lane == lane {
				want[one.Kind] = one.weight
				perBag += one.weight
			}
		}
		faults, pauses := draw(NewSchedule(1, lane, kindsOf(t)), 3*perBag)
		seen := map[Kind]int{}
		for i, f := range faults {
			trait := f.Kind.Trait()
			if trait.Lane != lane || f.Length < trait.low || f.Length > trait.top {
				t.Errorf("%s: drew %+v", lane, f)
			}
			if pauses[i] < pauseMin || pauses[i] > pauseMax {
				t.Errorf("%s: a pause of %v", lane, pauses[i])
			}
			if i < len(want) && seen[f.Kind] > 0 {
				t.Errorf("%s: %s came twice before all came once", lane, f.Kind)
			}
			if f.Number != i+1 {
				t.Errorf("%s: fault %d has number %d", lane, i+1, f.Number)
			}
			seen[f.Kind]++
		}
		for kind, weight := range want {
			if seen[kind] != 3*weight {
				t.Errorf("%s: %s came %d times, want %d", lane, kind, seen[kind], 3*weight)
			}
		}
	}
	if NewSchedule(1, Servers, []Kind{Kill, Pause}) != nil {
		t.Error("a lane without kinds has a schedule")
	}
}

func TestSupported(t *testing.T) {
	all := len(Traits())
	for processes, want := range map[int]int{0: all - 3, 1: all - 2, 3: all} {
		if got := Supported(processes); len(got) != want {
			t.Errorf("with %d processes %d kinds are supported, want %d: %v", processes, len(got),
				want, got)
		}
	}
}
