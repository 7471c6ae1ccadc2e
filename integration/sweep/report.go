package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// report writes all that can be said about results, as Markdown.
func report(w io.Writer, all []Result) error {
	m, err := fit(all)
	if err != nil {
		return err
	}
	list := groups(all)
	machine(w, all)
	measured(w, list)
	m.coefficients(w)
	m.table(w)
	m.residuals(w, list)
	goals(w, list)
	return nil
}

// machine says where the results come from.
func machine(w io.Writer, all []Result) {
	least, most, verified := math.Inf(1), math.Inf(-1), 0
	for _, r := range all {
		least, most = min(least, r.Machine.Before[0]), max(most, r.Machine.After[0])
		if r.Verified {
			verified++
		}
	}
	first, last := all[0], all[len(all)-1]
	fmt.Fprintf(w, "%d measurements of %d points, %d with all output and state compared with the "+
		"oracle; from %s to %s, commit %s, %s, %d CPUs, load average %.1f to %.1f.\n",
		len(all), len(groups(all)), verified, first.Taken.Format("2006-01-02 15:04"),
		last.Taken.Format("15:04 MST"), last.Machine.Commit, last.Machine.Go, last.Machine.CPUs,
		least, most)
}

// row writes one of a Markdown table.
func row(w io.Writer, cells ...string) { fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | ")) }

// head writes the first two.
func head(w io.Writer, title string, cells ...string) {
	fmt.Fprintf(w, "\n### %s\n\n", title)
	row(w, cells...)
	row(w, strings.Split(strings.Repeat("---,", len(cells)-1)+"---", ",")...)
}

// short is a number with three figures.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 1:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// name tells a point by what differs from the base.
func (g *group) name() string {
	p := g.point
	switch g.factor {
	case factorInterval:
		return fmt.Sprintf("`commit.interval` %d ms", p.IntervalMS)
	case factorPartitions:
		return fmt.Sprintf("%d partitions", p.Partitions)
	case factorHot:
		return fmt.Sprintf("one user has %.0f %%", 100*p.Hot)
	case factorKeys:
		return fmt.Sprintf("%d users", p.Keys)
	case factorMemory:
		return fmt.Sprintf("%d users, `memory.max` %d MiB", p.Keys, p.MemoryMB)
	case factorPadding:
		return fmt.Sprintf("records %d B larger", p.Padding)
	case factorRate:
		name := fmt.Sprintf("%d/s, %d partitions", p.Rate, p.Partitions)
		if p.LingerMS > 0 {
			name += fmt.Sprintf(", `commit.linger` %d ms", p.LingerMS)
		}
		return name
	}
	return fmt.Sprintf("base: %d users, %d partitions, %d ms", p.Keys, p.Partitions, p.IntervalMS)
}

// measured writes what was measured, per million events.
func measured(w io.Writer, list []group) {
	head(w, "Measured, per million events", "point", "events/s", "transactions/s",
		"changes per event", "pawl CPU s (user, system)", "broker CPU s",
		"sent MB (acknowledged batches)", "received MB", "changelog MB", "pawl disk MB",
		"broker disk MB", "peak memory MB")
	for i := range list {
		g := &list[i]
		of := func(f func(*Result) float64) string { return short(g.median(perMillion(f))) }
		whole := func(f func(*Result) int64) string {
			return short(g.median(func(r *Result) float64 {
				return float64(f(r)) / float64(r.WholeEvents)
			}))
		}
		row(w, g.name(), short(g.median((*Result).perSecond)),
			short(g.median(func(r *Result) float64 { return float64(r.Epochs) / r.Seconds })),
			of(func(r *Result) float64 { return float64(r.StateChanges) / mega }),
			of((*Result).PawlCPU)+" ("+of(func(r *Result) float64 { return r.PawlUser })+", "+
				of(func(r *Result) float64 { return r.PawlSystem })+")",
			of((*Result).BrokerCPU),
			of(func(r *Result) float64 { return float64(r.Sent) / mega })+" ("+
				of(func(r *Result) float64 { return float64(r.Produced) / mega })+")",
			whole(func(r *Result) int64 { return r.Received }),
			of(func(r *Result) float64 { return float64(r.Changelog) / mega }),
			whole(func(r *Result) int64 { return r.PawlDisk }),
			whole(func(r *Result) int64 { return r.BrokerDisk }),
			short(g.median(func(r *Result) float64 { return float64(r.PeakRSS) / mega })))
	}
}

// coefficients writes the model.
func (m *model) coefficients(w io.Writer) {
	head(w, "Coefficients", "what", "unit", "so much for each")
	for _, f := range m.formulas {
		var terms []string
		for i, name := range f.drivers {
			if f.coefficients[i] > 0 {
				terms = append(terms, short(f.coefficients[i])+" per "+name)
			}
		}
		row(w, f.name, f.unit, strings.Join(terms, "; "))
	}
	row(w, "a transaction", "ms", fmt.Sprintf("%s, and %s per partition",
		short(1e3*m.cycleBase), short(1e3*m.cyclePartition)))
}

// thousand partitions and tableRate transactions a second are what the table is for.
const (
	thousand  = 1000
	tableRate = 10
)

// table writes what a deployer reads: a million events at the base, and a thousand partitions that
// have something in each of ten transactions a second.
func (m *model) table(w io.Writer) {
	head(w, "For a deployer", "what", "per million events", "per 1,000 partitions")
	p := grid{events: 2 * mega}.base()
	d := planned(p, mega, m.fullRate(p), m.cycle(p.Partitions))
	for _, f := range m.formulas {
		if f.name == "peak memory" {
			row(w, f.name, "–", short(thousand*f.coefficient(perPartition))+" MB")
			continue
		}
		rate, unit := 1.0, f.unit+"/s"
		if f.unit == "s" {
			unit = "cores"
		}
		rate *= tableRate * f.coefficient(perTaskEpoch)
		row(w, f.name, short(f.predict(d)-f.coefficient(perInstance))+" "+f.unit,
			short(rate)+" "+unit)
	}
}

// fullRate is about as fast as one core of the instance and one of the broker go.
func (m *model) fullRate(p Point) float64 {
	const guessed = 200_000
	d := planned(p, mega, guessed, m.cycle(p.Partitions))
	return mega / max(m.formula("pawl CPU").predict(d), m.formula("broker CPU").predict(d))
}

// residuals writes by how much the formulas are off at each point: with what was counted in the
// window, and from what a deployer knows alone.
func (m *model) residuals(w io.Writer, list []group) {
	cells := []string{"off by %, with drivers counted / planned"}
	for _, f := range m.formulas {
		cells = append(cells, f.name)
	}
	head(w, "Predicted against measured", cells...)
	worst := make([][2][]float64, len(m.formulas))
	for i := range list {
		g := &list[i]
		cells := []string{g.name()}
		for n := range m.formulas {
			off := m.off(&m.formulas[n], g)
			cells = append(cells, percent(off[0])+" / "+percent(off[1]))
			for k := range off {
				worst[n][k] = append(worst[n][k], math.Abs(off[k]))
			}
		}
		row(w, cells...)
	}
	for _, sum := range []struct {
		name string
		of   func([]float64) float64
	}{{"**median of all**", middle}, {"**worst**", largest}} {
		cells := []string{sum.name}
		for n := range m.formulas {
			cells = append(cells, fmt.Sprintf("%.0f / %.0f", sum.of(worst[n][0]),
				sum.of(worst[n][1])))
		}
		row(w, cells...)
	}
}

// percent is a whole number with its sign.
func percent(v float64) string {
	if math.Abs(v) < 0.5 {
		return "0"
	}
	return fmt.Sprintf("%+.0f", v)
}

// off is by how many percent a formula is off at a point, in the middle of its rounds.
func (m *model) off(f *fitted, g *group) [2]float64 {
	return [2]float64{
		g.median(func(r *Result) float64 {
			return 100 * (f.predict(f.counted(r))/f.value(r) - 1)
		}),
		g.median(func(r *Result) float64 {
			return 100 * (f.predict(m.planned(&f.quantity, r))/f.value(r) - 1)
		}),
	}
}
