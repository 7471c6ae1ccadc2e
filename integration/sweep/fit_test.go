package main

import (
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// truth are coefficients by formula and driver, such as a sweep might find.
var truth = map[string]drivers{
	"pawl CPU": {perEvent: 1.6, perChange: 0.8, perSlot: 0.01, perMiss: 3, perTransaction: 1.1,
		perTaskEpoch: 0.2, perPaddedGB: 0.9},
	"broker CPU": {perEvent: 0.7, perLoaded: 0.9, perTransaction: 2.5, perTaskEpoch: 0.4,
		perPaddedGB: 0.5},
	"sent to the broker": {perEvent: 40, perChange: 25, perSlot: 1.5, perTransaction: 1,
		perTaskEpoch: 0.5, perPaddedGB: 110},
	"received from it": {perEvent: 60, perTransaction: 1, perTaskEpoch: 0.3, perPaddedGB: 800},
	"changelog":        {perChange: 30, perSlot: 1.5, perTaskEpoch: 0.2},
	"pawl disk":        {perInstance: 2, perEvent: 3, perChange: 11, perSlot: 1, perMiss: 90},
	"broker disk": {perEvent: 50, perLoaded: 70, perChange: 30, perSlot: 2, perTaskEpoch: 0.6,
		perPartition: 0.1, perPaddedGB: 120},
	"peak memory": {perInstance: 90, perFullSpeed: 110, perPartition: 0.7, perCachedMB: 1.2,
		perPaddedGB: 30},
}

// invent makes the results that a sweep would have if the truth were all there is.
func invent(t *testing.T) []Result {
	t.Helper()
	m := &model{cycleBase: 0.006, cyclePartition: 0.0004}
	for _, q := range quantities() {
		f := fitted{quantity: q}
		for _, name := range q.drivers {
			if truth[q.name][name] == 0 {
				t.Fatalf("the truth has no %s of %s; mend this test", name, q.name)
			}
			f.coefficients = append(f.coefficients, truth[q.name][name])
		}
		m.formulas = append(m.formulas, f)
	}
	var all []Result
	for i, s := range (grid{events: 2_000_000, covered: 4, paced: 40 * time.Second}).steps() {
		r := Result{Factor: s.Factor, Point: s.Point, WholeEvents: s.Point.Events,
			Events: s.Point.Events / 2}
		rate := float64(s.Point.Rate)
		if rate == 0 {
			rate = 150_000 + 7000*float64(i)
		} else {
			r.Loaded = r.Events
		}
		d := planned(s.Point, float64(r.Events), rate, m.cycle(s.Point.Partitions))
		r.Seconds = float64(r.Events) / rate
		whole := func(v float64) int64 { return int64(math.Round(v)) }
		r.Epochs, r.TaskEpochs = whole(1e3*d[perTransaction]), whole(1e3*d[perTaskEpoch])
		r.StateChanges = whole(1e6 * d[perChange])
		say := func(name string) float64 {
			f := m.formula(name)
			return f.predict(f.counted(&r))
		}
		r.PawlUser, r.PawlSystem = say("pawl CPU")*0.8, say("pawl CPU")*0.2
		r.BrokerUser, r.BrokerSystem = say("broker CPU")*0.7, say("broker CPU")*0.3
		r.Sent, r.Received = whole(mega*say("sent to the broker")),
			whole(mega*say("received from it"))
		r.Changelog = whole(mega * say("changelog"))
		r.PawlDisk, r.BrokerDisk = whole(mega*say("pawl disk")), whole(mega*say("broker disk"))
		r.PeakRSS = whole(mega * say("peak memory"))
		all = append(all, r)
	}
	return all
}

// TestFitFindsTheTruth: from points that follow the formulas their coefficients are found, and no
// point is off.
func TestFitFindsTheTruth(t *testing.T) {
	all := invent(t)
	m, err := fit(all)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.formulas {
		f := &m.formulas[i]
		for _, name := range f.drivers {
			want, got := truth[f.name][name], f.coefficient(name)
			if math.Abs(got/want-1) > 0.02 {
				t.Errorf("%s: %.4g per %s, want %.4g", f.name, got, name, want)
			}
		}
		for _, g := range groups(all) {
			off := m.off(f, &g)
			if math.Abs(off[0]) > 0.1 || math.Abs(off[1]) > 3 {
				t.Errorf("%s is off by %+.2f %% and %+.2f %% at %v", f.name, off[0], off[1],
					g.point)
			}
		}
	}
	if math.Abs(m.cycleBase-0.006) > 1e-4 || math.Abs(m.cyclePartition-0.0004) > 1e-5 {
		t.Errorf("a transaction takes %.5f s and %.6f s per partition, want 0.006 and 0.0004",
			m.cycleBase, m.cyclePartition)
	}
}

// TestResidualsTellABrokenFormula: a formula that lacks what causes cost is off, and is told so.
func TestResidualsTellABrokenFormula(t *testing.T) {
	all := invent(t)
	for _, q := range quantities() {
		if q.name != "pawl CPU" && q.name != "broker CPU" {
			continue
		}
		q.drivers = slices.DeleteFunc(slices.Clone(q.drivers),
			func(name string) bool { return name == perTaskEpoch })
		var equations []equation
		for i := range all {
			equations = append(equations, q.equation(&all[i]))
		}
		found, err := leastSquares(q.drivers, equations)
		if err != nil {
			t.Fatal(err)
		}
		f, m := fitted{q, found}, &model{cycleBase: 0.006, cyclePartition: 0.0004}
		var worst float64
		for _, g := range groups(all) {
			worst = max(worst, math.Abs(m.off(&f, &g)[0]))
		}
		if worst < 5 {
			t.Errorf("%s without partitions is off by %.1f %% at most; it should be told", q.name,
				worst)
		}
	}
}

// TestLeastSquares: what cannot be told apart or below zero is refused, or left at zero.
func TestLeastSquares(t *testing.T) {
	names := []string{"a", "b"}
	// Value 2a − b: the best without negative ones leaves b out.
	found, err := leastSquares(names, []equation{
		{[]float64{1, 0}, 2}, {[]float64{2, 1}, 3}, {[]float64{3, 1}, 5}})
	if err != nil || found[1] != 0 || found[0] < 1.5 || found[0] > 2 {
		t.Errorf("found %v, %v; want a between 1.5 and 2, b 0", found, err)
	}
	// An error of one percent counts the same at any size.
	found, err = leastSquares(names[:1], []equation{{[]float64{1}, 1}, {[]float64{1e6}, 3e6}})
	if err != nil || math.Abs(found[0]-1.2) > 1e-9 {
		t.Errorf("found %v, %v; want 1.2, where both are off alike", found, err)
	}
	for want, all := range map[string][]equation{
		"1 points cannot tell": {{[]float64{1, 1}, 1}},
		"b is nought":          {{[]float64{1, 0}, 1}, {[]float64{2, 0}, 1}},
		"point 2 has":          {{[]float64{1, 1}, 1}, {[]float64{2, 0}, 0}},
	} {
		if _, err := leastSquares(names, all); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestDrivers holds what is planned against numbers that were worked out by hand.
func TestDrivers(t *testing.T) {
	base := grid{events: 2_000_000, paced: 40 * time.Second}.base()
	change := func(f func(*Point)) Point { p := base; f(&p); return p }
	const cycle = 0.01
	for _, row := range []struct {
		name         string
		point        Point
		events, rate float64
		driver       string
		want         float64
	}{
		// 10 transactions a second for 5 s.
		{"flat out", base, 1e6, 200_000, perTransaction, 0.05},
		{"flat out", base, 1e6, 200_000, perTaskEpoch, 0.2},
		// 20,000 events on 100,000 keys: 100,000 × (1 − e^−0.2) of them change. Of the 2 M events
		// of the point, 100,000 are a key's first one.
		{"flat out", base, 1e6, 200_000, perChange, 0.906346 + 0.05},
		// 1 M events so far, on average, on 100,000 keys.
		{"flat out", base, 1e6, 200_000, perSlot, 0.906346 * 10},
		{"flat out", base, 1e6, 200_000, perLoaded, 0},
		// An interval shorter than a transaction takes is as long as that.
		{"1 ms", change(func(p *Point) { p.IntervalMS = 1 }), 1e6, 200_000, perTransaction, 0.5},
		{"padded", change(func(p *Point) { p.Padding = 1000 }), 1e6, 200_000, perPaddedGB, 1},
		// At a rate each transaction follows the one before; 10 events are in each, which leave
		// 64 × e^(−10/64) of the partitions without one.
		{"paced", change(func(p *Point) { p.Rate, p.Partitions = 1000, 64 }), 10_000, 1000,
			perTransaction, 1},
		{"paced", change(func(p *Point) { p.Rate, p.Partitions = 1000, 64 }), 10_000, 1000,
			perTaskEpoch, 64 - 54.7418},
		{"lingering", change(func(p *Point) { p.Rate, p.LingerMS = 1000, 100 }), 10_000, 1000,
			perTransaction, 0.1},
		{"paced", change(func(p *Point) { p.Rate = 1000 }), 10_000, 1000, perLoaded, 0.01},
		// Half of 20,000 events change as above, the other half is one entry.
		{"hot", change(func(p *Point) { p.Hot = 0.5 }), 1e6, 200_000, perChange,
			(9516.258+1)/20_000 + 0.04999773},
		// After 960,000 of 2 M events each of 10,000 keys has 96: from then on a node changes with
		// each event besides.
		{"trees", change(func(p *Point) { p.Keys = 10_000 }), 1e6, 200_000, perChange,
			(8646.647+0.52*20_000)/20_000 + 0.005},
		// At a rate the first quarter does not count.
		{"paced trees", change(func(p *Point) { p.Rate, p.Keys, p.Hot = 10_000, 5000, 0.5 }), 1e6,
			10_000, perChange, (49.75083 + 50*0.52/0.75 + 1) / 100},
		// 420 MB of entries in a cache of 16 MiB.
		{"large", change(func(p *Point) { p.Keys, p.MemoryMB = 1e6, 64 }), 1e6, 200_000, perMiss,
			1 - 16.777216/420},
		{"large", change(func(p *Point) { p.Keys, p.MemoryMB = 1e6, 64 }), 1e6, 200_000,
			perCachedMB, 16.777216},
	} {
		got := planned(row.point, row.events, row.rate, cycle)[row.driver]
		if math.Abs(got-row.want) > 1e-4*row.want {
			t.Errorf("%s: %.6g %s, want %.6g", row.name, got, row.driver, row.want)
		}
	}
	q := quantity{whole: true}
	d := q.counted(&Result{Point: base, Events: 1e6, WholeEvents: 3e6, Epochs: 10})
	if d[perEvent] != 3 || d[perTransaction] != 0.03 || d[perInstance] != 1 ||
		d[perPartition] != 4 {
		t.Errorf("of all events, three times those of the window: %v", d)
	}
}

// TestReport: the tables have all points, the goals are judged, and the charts have series.
func TestReport(t *testing.T) {
	all := invent(t)
	for i := range all {
		switch p := all[i].Point; {
		case p.MemoryMB == smallMemoryMB:
			all[i].Seconds *= 3 // less than half as fast
		case p.IntervalMS == 20:
			all[i].Seconds *= 1.05
		}
	}
	var out strings.Builder
	if err := report(&out, all); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for goal, met := range map[string]string{"half the events/s of cached state": "| no |",
		"20 ms costs under 15 %": "| yes |", "64 partitions cost": "| yes |"} {
		_, after, _ := strings.Cut(text, goal)
		line, _, _ := strings.Cut(after, "\n")
		if !strings.Contains(line, met) {
			t.Errorf("the goal %q says %q, want %s", goal, line, met)
		}
	}
	for _, want := range []string{"| 64 partitions |", "1000000 users, `memory.max` 64 MiB",
		"one user has 50 %", "records 1000 B larger", "20000/s, 4 partitions",
		"**worst**"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "not measured") || strings.Contains(text, "NaN") {
		t.Errorf("a goal or a number is missing:\n%s", text)
	}
	list, err := charts(all)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 5 {
		t.Errorf("%d charts, want 5", len(list))
	}
	for _, c := range list {
		for _, s := range c.Series {
			if len(s.Points) < 2 {
				t.Errorf("%s: series %s has %d points", c.File, s.Name, len(s.Points))
			}
		}
	}
}

// TestPage: the tables of docs/cost-model.md are those of the measurements beside it.
func TestPage(t *testing.T) {
	const data, page = "../../docs/cost-model.jsonl", "../../docs/cost-model.md"
	all, err := someResults(data)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	want, err := renew(string(have), all)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Errorf("%s is not what %s gives; run go run ./integration/sweep fit "+
			"docs/cost-model.jsonl --page docs/cost-model.md", page, data)
	}
	if _, err := renew("no tables", all); err == nil {
		t.Error("a page without a place for tables was renewed")
	}
}
