package main

import "slices"

// group is a point with all its rounds.
type group struct {
	factor string
	point  Point
	rounds []Result
}

// groups are the points in the order in which they first come.
func groups(all []Result) []group {
	var list []group
	for _, r := range all {
		i := slices.IndexFunc(list, func(g group) bool { return g.point == r.Point })
		if i < 0 {
			i, list = len(list), append(list, group{factor: r.Factor, point: r.Point})
		}
		list[i].rounds = append(list[i].rounds, r)
	}
	return list
}

// median is the one in the middle of what the rounds give; of two in the middle, their mean.
func (g *group) median(of func(*Result) float64) float64 {
	values := make([]float64, len(g.rounds))
	for i := range g.rounds {
		values[i] = of(&g.rounds[i])
	}
	slices.Sort(values)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// perMillion makes a value of a window one per million events.
func perMillion(of func(*Result) float64) func(*Result) float64 {
	return func(r *Result) float64 { return of(r) / r.millions() }
}
