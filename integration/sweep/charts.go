package main

import (
	"cmp"
	"slices"
)

// Chart is what the module in draw/ makes a picture of.
type Chart struct {
	File   string   `json:"file"`
	Title  string   `json:"title"`
	X      Axis     `json:"x"`
	Y      Axis     `json:"y"`
	Series []Series `json:"series"`
}

// Axis is one of a Chart. One that is not logarithmic begins at 0.
type Axis struct {
	Label string `json:"label"`
	Log   bool   `json:"log"`
}

// Series are points, or a line through them.
type Series struct {
	Name   string       `json:"name"`
	Line   bool         `json:"line"`
	Points [][2]float64 `json:"points"`
}

// charts are the pictures of docs/cost-model.md.
func charts(all []Result) ([]Chart, error) {
	m, err := fit(all)
	if err != nil {
		return nil, err
	}
	list := groups(all)
	pawl, broker := (*Result).PawlCPU, (*Result).BrokerCPU
	cpu := func(file, title, label string, log bool, factor string,
		x func(Point) float64) Chart {
		c := Chart{File: file, Title: title, X: Axis{label, log},
			Y: Axis{Label: "CPU seconds per million events"}}
		members := along(list, factor, x)
		for _, of := range []struct {
			name  string
			value func(*Result) float64
		}{{"pawl CPU", pawl}, {"broker CPU", broker}} {
			c.Series = append(c.Series, points(of.name+", measured", members, x,
				perMillion(of.value)),
				line(of.name+", model", members, x, m.perMillion(of.name)))
		}
		return c
	}
	rate := Chart{File: "cost-rate.svg", Title: "Cores used at a rate, 4 partitions",
		X: Axis{"events per second", true}, Y: Axis{Label: "cores"}}
	paced := slices.DeleteFunc(along(list, factorRate, pace), func(g group) bool {
		return g.point.Rate == 0 || g.point.Partitions != 4 || g.point.LingerMS > 0
	})
	for _, name := range []string{"pawl CPU", "broker CPU"} {
		f := m.formula(name)
		rate.Series = append(rate.Series,
			points(name+", measured", paced, pace, func(r *Result) float64 {
				return f.value(r) / r.Seconds
			}),
			line(name+", model", paced, pace, func(g *group) float64 {
				return g.median(func(r *Result) float64 {
					return f.predict(m.planned(&f.quantity, r)) / r.Seconds
				})
			}))
	}
	return []Chart{
		cpu("cost-partitions.svg", "Partitions in one instance", "partitions", true,
			factorPartitions, func(p Point) float64 { return float64(p.Partitions) }),
		cpu("cost-interval.svg", "Commit interval", "commit.interval, ms", false,
			factorInterval, func(p Point) float64 { return float64(p.IntervalMS) }),
		cpu("cost-keys.svg", "Users", "users", true,
			factorKeys, func(p Point) float64 { return float64(p.Keys) }),
		rate,
		m.scatter(list),
	}, nil
}

func pace(p Point) float64 { return float64(p.Rate) }

// along are the points of a factor and the base, in the order of x.
func along(list []group, factor string, x func(Point) float64) []group {
	var members []group
	for _, g := range list {
		if g.factor == factor || g.factor == factorBase {
			members = append(members, g)
		}
	}
	slices.SortFunc(members, func(a, b group) int { return cmp.Compare(x(a.point), x(b.point)) })
	return members
}

// points are the medians of what was measured.
func points(name string, members []group, x func(Point) float64,
	y func(*Result) float64) Series {
	s := Series{Name: name}
	for i := range members {
		s.Points = append(s.Points, [2]float64{x(members[i].point), members[i].median(y)})
	}
	return s
}

// line is what the model says.
func line(name string, members []group, x func(Point) float64, y func(*group) float64) Series {
	s := Series{Name: name, Line: true}
	for i := range members {
		s.Points = append(s.Points, [2]float64{x(members[i].point), y(&members[i])})
	}
	return s
}

// perMillion is what a formula says of a point, from what a deployer knows.
func (m *model) perMillion(name string) func(*group) float64 {
	f := m.formula(name)
	return func(g *group) float64 {
		return g.median(func(r *Result) float64 {
			return f.predict(m.planned(&f.quantity, r)) / r.millions()
		})
	}
}

// scatter holds the model against each point.
func (m *model) scatter(list []group) Chart {
	c := Chart{File: "cost-residuals.svg", Title: "Predicted against measured, every point",
		X: Axis{"measured, CPU seconds per million events", true},
		Y: Axis{"predicted", true}}
	var least, most float64
	for _, name := range []string{"pawl CPU", "broker CPU"} {
		s := Series{Name: name}
		for i := range list {
			at := list[i].median(perMillion(m.formula(name).value))
			s.Points = append(s.Points, [2]float64{at, m.perMillion(name)(&list[i])})
			if least == 0 || at < least {
				least = at
			}
			most = max(most, at)
		}
		c.Series = append(c.Series, s)
	}
	c.Series = append(c.Series, Series{Name: "equal", Line: true,
		Points: [][2]float64{{least, least}, {most, most}}})
	return c
}
