package main

import (
	"fmt"
	"slices"
)

// quantity is something that costs, and the drivers that its formula has. The formula is the sum of
// each driver times a coefficient.
type quantity struct {
	name    string
	unit    string
	value   func(*Result) float64
	drivers []string
	whole   bool // of all events of a measurement, not of its window
}

const mega = 1e6

// quantities are all formulas.
func quantities() []quantity {
	return []quantity{
		{"pawl CPU", "s", (*Result).PawlCPU, []string{perEvent, perChange, perSlot, perMiss,
			perTransaction, perTaskEpoch, perPaddedGB}, false},
		{"broker CPU", "s", (*Result).BrokerCPU, []string{perEvent, perLoaded, perTransaction,
			perTaskEpoch, perPaddedGB}, false},
		{"sent to the broker", "MB", func(r *Result) float64 { return float64(r.Sent) / mega },
			[]string{perEvent, perChange, perSlot, perTransaction, perTaskEpoch,
				perPaddedGB}, false},
		{"received from it", "MB", func(r *Result) float64 { return float64(r.Received) / mega },
			[]string{perEvent, perTransaction, perTaskEpoch, perPaddedGB}, true},
		{"changelog", "MB", func(r *Result) float64 { return float64(r.Changelog) / mega },
			[]string{perChange, perSlot, perTaskEpoch}, false},
		{"pawl disk", "MB", func(r *Result) float64 { return float64(r.PawlDisk) / mega },
			[]string{perInstance, perEvent, perChange, perSlot, perMiss}, true},
		{"broker disk", "MB", func(r *Result) float64 { return float64(r.BrokerDisk) / mega },
			[]string{perEvent, perLoaded, perChange, perSlot, perTaskEpoch, perPartition,
				perPaddedGB}, true},
		{"peak memory", "MB", func(r *Result) float64 { return float64(r.PeakRSS) / mega },
			[]string{perInstance, perFullSpeed, perPartition, perCachedMB, perPaddedGB}, false},
	}
}

// fitted is a formula with its coefficients.
type fitted struct {
	quantity
	coefficients []float64 // as the drivers
}

// predict is the formula's value.
func (f *fitted) predict(d drivers) float64 {
	var sum float64
	for i, name := range f.drivers {
		sum += f.coefficients[i] * d[name]
	}
	return sum
}

// coefficient is that of a driver; 0 when the formula does not have it.
func (f *fitted) coefficient(driver string) float64 {
	if i := slices.Index(f.drivers, driver); i >= 0 {
		return f.coefficients[i]
	}
	return 0
}

// model is all formulas with their coefficients, and how long a transaction takes.
type model struct {
	formulas []fitted
	// cycle of a transaction, in seconds: a constant, and so much for each partition.
	cycleBase, cyclePartition float64
}

// fit fits the model to points, each of which is the median of its rounds.
func fit(points []Result) (*model, error) {
	m := &model{}
	for _, q := range quantities() {
		var equations []equation
		for i := range points {
			equations = append(equations, q.equation(&points[i]))
		}
		found, err := leastSquares(q.drivers, equations)
		if err != nil {
			return nil, fmt.Errorf("fit %s: %w", q.name, err)
		}
		m.formulas = append(m.formulas, fitted{q, found})
	}
	return m, m.fitCycle(points)
}

// equation is what a point says about a quantity.
func (q *quantity) equation(r *Result) equation {
	d, e := q.counted(r), equation{value: q.value(r)}
	for _, name := range q.drivers {
		e.drivers = append(e.drivers, d[name])
	}
	return e
}

// counted are the drivers of a point: those of its window, or of all of it.
func (q *quantity) counted(r *Result) drivers {
	d := counted(r)
	if q.whole {
		q.widen(d, r)
	}
	return d
}

// planned are the drivers of a point as they follow from what a deployer knows, at the throughput
// that it had.
func (m *model) planned(q *quantity, r *Result) drivers {
	d := planned(r.Point, float64(r.Events), r.perSecond(), m.cycle(r.Point.Partitions))
	if q.whole {
		q.widen(d, r)
	}
	return d
}

// widen makes the drivers of a window those of all events.
func (q *quantity) widen(d drivers, r *Result) {
	by := float64(r.WholeEvents) / float64(r.Events)
	for name := range d {
		switch name {
		case perInstance, perFullSpeed, perPartition, perCachedMB:
		default:
			d[name] *= by
		}
	}
}

// fitCycle looks at the points at a rate: there one transaction follows the other.
func (m *model) fitCycle(points []Result) error {
	var equations []equation
	for i := range points {
		if r := &points[i]; r.Point.Rate > 0 && r.Point.LingerMS == 0 {
			equations = append(equations, equation{[]float64{1, float64(r.Point.Partitions)},
				r.Seconds / float64(r.Epochs)})
		}
	}
	found, err := leastSquares([]string{"transaction", perPartition}, equations)
	if err != nil {
		return fmt.Errorf("fit the time of a transaction: %w", err)
	}
	m.cycleBase, m.cyclePartition = found[0], found[1]
	return nil
}

// cycle is how long a transaction over so many partitions takes, in seconds.
func (m *model) cycle(partitions int) float64 {
	return m.cycleBase + m.cyclePartition*float64(partitions)
}

// formula finds one by the name of its quantity.
func (m *model) formula(name string) *fitted {
	i := slices.IndexFunc(m.formulas, func(f fitted) bool { return f.name == name })
	return &m.formulas[i]
}
