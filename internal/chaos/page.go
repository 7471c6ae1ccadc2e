package chaos

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
)

//go:embed page.html
var pageText string

// The picture's measures, in its own units.
const (
	pictureWidth = 1000.0
	rowHeight    = 16.0
	curveHeight  = 90.0
)

// page is what the template shows.
type page struct {
	*Report
	Kinds      []kindRow
	Height     float64 // of the timeline
	Ticks      []tick
	Throughput curve
	Lag        curve
	Megabytes  []memory
}

// kindRow is one kind's row of the timeline.
type kindRow struct {
	Kind  Kind
	Does  string
	Count int
	Y     float64
	Bars  []bar
}

// bar is one fault and its recovery.
type bar struct {
	X, Width         float64
	RecoverX, Healed float64 // width of the recovery; 0 for none
	Nothing          bool    // it took no effect
	Title            string
}

type tick struct {
	X    float64
	Text string
}

// curve is a line through samples.
type curve struct {
	Points string
	Top    int64
	Unit   string
}

type memory struct {
	Instance
	MiB int64
}

// Page is the report as one HTML file that needs nothing else.
func (r *Report) Page() ([]byte, error) {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, fmt.Errorf("read the page's template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, r.page()); err != nil {
		return nil, fmt.Errorf("fill in the page: %w", err)
	}
	return b.Bytes(), nil
}

func (r *Report) page() page {
	end := 1.0
	for _, s := range r.Samples {
		end = max(end, s.At)
	}
	for _, e := range r.Timeline {
		end = max(end, e.Until)
	}
	x := func(at float64) float64 { return at / end * pictureWidth }
	p := page{Report: r, Kinds: r.rows(x)}
	p.Height = rowHeight * float64(len(p.Kinds))
	for n := range 11 {
		at := end * float64(n) / 10
		p.Ticks = append(p.Ticks, tick{X: x(at), Text: fmt.Sprintf("%.0f s", at)})
	}
	p.Throughput = curveOf(r.rates(), x, "records/s")
	p.Lag = curveOf(r.lags(), x, "records")
	for _, i := range r.Instances {
		p.Megabytes = append(p.Megabytes, memory{Instance: i, MiB: i.PeakRSS >> 20})
	}
	return p
}

// rows are the kinds of the campaign with their faults.
func (r *Report) rows(x func(float64) float64) []kindRow {
	var rows []kindRow
	for _, t := range Traits() {
		count, ok := r.Faults[t.Kind]
		if !ok {
			continue
		}
		row := kindRow{Kind: t.Kind, Does: t.Does, Count: count, Y: rowHeight * float64(len(rows))}
		for _, e := range r.Timeline {
			if e.Kind != t.Kind {
				continue
			}
			one := bar{X: x(e.At), Width: max(x(e.Until)-x(e.At), 2), Nothing: e.Effect == ""}
			one.Title = fmt.Sprintf("%s at %.1f s: %s; %s", e.Kind, e.At, e.Target, e.Effect)
			if e.Recovery > 0 {
				one.RecoverX, one.Healed = x(e.From), max(x(e.Recovery), 1)
				one.Title += fmt.Sprintf("; recovered after %.2f s", e.Recovery)
			}
			row.Bars = append(row.Bars, one)
		}
		rows = append(rows, row)
	}
	return rows
}

// point is a value at a moment.
type point struct {
	at    float64
	value int64
}

// rates are processed records per second between two samples.
func (r *Report) rates() []point {
	var all []point
	for i := 1; i < len(r.Samples); i++ {
		a, b := r.Samples[i-1], r.Samples[i]
		if b.At > a.At {
			all = append(all, point{b.At,
				max(int64(float64(b.Processed-a.Processed)/(b.At-a.At)), 0)})
		}
	}
	return all
}

func (r *Report) lags() []point {
	var all []point
	for _, s := range r.Samples {
		all = append(all, point{s.At, s.Lag})
	}
	return all
}

// curveOf draws points under the largest of them.
func curveOf(points []point, x func(float64) float64, unit string) curve {
	if len(points) == 0 {
		return curve{Unit: unit}
	}
	top := int64(1)
	for _, p := range points {
		top = max(top, p.value)
	}
	var b strings.Builder
	for _, p := range points {
		fmt.Fprintf(&b, "%.1f,%.1f ", x(p.at), curveHeight*(1-float64(p.value)/float64(top)))
	}
	return curve{Points: strings.TrimSpace(b.String()), Top: top, Unit: unit}
}
