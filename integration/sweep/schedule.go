package main

import (
	"fmt"
	"time"
)

// turn is one measurement that is to be made.
type turn struct {
	step
	round int
}

// turns are all measurements in the order of their making: each round has every point once, so
// that what changes on the machine with time falls on all of them alike.
func turns(steps []step, rounds int) []turn {
	var all []turn
	for round := range rounds {
		for _, s := range steps {
			all = append(all, turn{s, round})
		}
	}
	return all
}

// left are the turns that the results do not have.
func left(all []turn, have []Result) []turn {
	type id struct {
		point Point
		round int
	}
	done := map[id]bool{}
	for i := range have {
		done[id{have[i].Point, have[i].Round}] = true
	}
	var missing []turn
	for _, t := range all {
		if !done[id{t.Point, t.round}] {
			missing = append(missing, t)
		}
	}
	return missing
}

// guess is how long a turn takes: start, load, run, spill, verification. It is for the estimate of
// what is left, and is corrected by what the turns before it took.
func guess(t turn) time.Duration {
	const fixed, perMillion = 8.0, 14.0
	s := fixed + perMillion*float64(t.Point.Events)/1e6
	if t.Point.Rate > 0 {
		s = fixed + float64(t.Point.Events)/float64(t.Point.Rate)
	}
	return time.Duration(s * float64(time.Second))
}

// estimate tells how far a sweep has come and how long the rest takes.
type estimate struct {
	all           int
	guessed, took time.Duration // of what is done
	rest          time.Duration // guessed, of what is not
	done          int
}

func newEstimate(todo []turn) *estimate {
	e := &estimate{all: len(todo)}
	for _, t := range todo {
		e.rest += guess(t)
	}
	return e
}

// finished notes a turn that took so long.
func (e *estimate) finished(t turn, took time.Duration) {
	e.done++
	e.guessed += guess(t)
	e.rest -= guess(t)
	e.took += took
}

// String is the progress on one line.
func (e *estimate) String() string {
	rest := e.rest
	if e.guessed > 0 {
		rest = time.Duration(float64(rest) * float64(e.took) / float64(e.guessed))
	}
	return fmt.Sprintf("%d of %d, about %v left", e.done, e.all, rest.Round(time.Second))
}
