package main

import (
	"fmt"
	"math"
)

// equation says that the sum of each driver times its coefficient is the value, about.
type equation struct {
	drivers []float64
	value   float64
}

const (
	fitRounds = 20_000
	fitExact  = 1e-13 // a step this small against its coefficient is none
)

// leastSquares finds the coefficients, none below zero, that make the sum of the squares of the
// relative errors least: an equation counts by how far off it is in percent, whatever its size.
// Less than zero is left out because nothing that happens saves what it costs.
//
// It goes from one coefficient to the next, each time to the best value that one can have while
// the others stay. The sum is convex and so are the bounds, so this ends at the minimum.
func leastSquares(names []string, all []equation) ([]float64, error) {
	if len(all) < len(names) {
		return nil, fmt.Errorf("%d points cannot tell %d coefficients apart; measure more points",
			len(all), len(names))
	}
	scale, scaled := make([]float64, len(names)), make([][]float64, len(all))
	for i, e := range all {
		if e.value <= 0 {
			return nil, fmt.Errorf("point %d has the value %v; only what was used can be fitted",
				i+1, e.value)
		}
		scaled[i] = make([]float64, len(names))
		for j, d := range e.drivers {
			scaled[i][j] = d / e.value
			scale[j] += scaled[i][j] * scaled[i][j]
		}
	}
	for j, s := range scale {
		if s == 0 {
			return nil, fmt.Errorf("%s is nought in all points; measure some where it is not",
				names[j])
		}
	}
	return descend(scaled, scale), nil
}

// descend is the loop of leastSquares; the target of each row is 1.
func descend(rows [][]float64, squares []float64) []float64 {
	found := make([]float64, len(squares))
	off := make([]float64, len(rows)) // by how much each row is below 1
	for i := range off {
		off[i] = 1
	}
	for range fitRounds {
		still := true
		for j := range found {
			var slope float64
			for i, row := range rows {
				slope += row[j] * off[i]
			}
			to := max(found[j]+slope/squares[j], 0)
			by := to - found[j]
			if by == 0 {
				continue
			}
			for i, row := range rows {
				off[i] -= by * row[j]
			}
			found[j] = to
			still = still && math.Abs(by) <= fitExact*to
		}
		if still {
			break
		}
	}
	return found
}
