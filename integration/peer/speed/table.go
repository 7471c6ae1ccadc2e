//go:build unix

package speed

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteTable writes the report for people, as Markdown.
func (r *Report) WriteTable(w io.Writer, rates []int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d events, %d users, %d partitions, commit interval %s, %d decisions\n"+
		"commit %s, %s\n"+
		"%d CPUs, %.0f GiB, Linux %s, load average before %s, after %s\n\n", r.Events, r.Users,
		r.Partitions, r.Commit, r.Decisions, r.Source, r.Date.Format("2006-01-02 15:04 MST"),
		r.Machine.CPUs, float64(r.Machine.Memory)/(1<<30), r.Machine.Kernel, r.Machine.Before,
		r.Machine.After)
	head := []string{"min / median / max", "CPU s per M, whole run", "settled", "events/s, k"}
	for _, rate := range rates {
		head = append(head, fmt.Sprintf("p50, ms at %d/s", rate),
			fmt.Sprintf("p99, ms at %d/s", rate))
	}
	head = append(head, "peak MB", "broker CPU s per M", "verified")
	row(&b, head)
	row(&b, slices.Repeat([]string{"---"}, len(head)))
	for _, c := range r.Contestants {
		cells := []string{c.Title, c.cell(cpuWhole, "%.2f", 1), c.cell(cpuSettled, "%.2f", 1),
			c.cell(eventRate, "%.0f", 1e3)}
		for _, rate := range rates {
			cells = append(cells, c.cell(latency("p50", rate), "%.1f", 1),
				c.cell(latency("p99", rate), "%.1f", 1))
		}
		verified := "no"
		if c.Verified {
			verified = "yes"
		}
		row(&b, append(cells, c.cell(peakMemory, "%.0f", 1e6), c.cell(cpuBroker, "%.2f", 1),
			verified))
	}
	for _, name := range slices.Sorted(maps.Keys(r.Skipped)) {
		fmt.Fprintf(&b, "\n%s was skipped: %s", name, r.Skipped[name])
	}
	b.WriteString("\n\n")
	for _, name := range slices.Sorted(maps.Keys(r.Versions)) {
		fmt.Fprintf(&b, "%s: %s\n", name, r.Versions[name])
	}
	b.WriteString("\n")
	for _, g := range r.Goals {
		fmt.Fprintf(&b, "goal %v\n", g)
	}
	for _, t := range r.Turns {
		t.faults(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func row(b *strings.Builder, cells []string) {
	fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
}

// cell is a figure in a unit, or a dash.
func (c *Standing) cell(figure, format string, unit float64) string {
	m, ok := c.Figures[figure]
	if !ok {
		return "–"
	}
	return fmt.Sprintf(strings.Join([]string{format, format, format}, " / "), m.Min/unit,
		m.Median/unit, m.Max/unit)
}

// faults tells what was wrong with a turn.
func (t *Turn) faults(b *strings.Builder) {
	if t.Verified {
		return
	}
	fmt.Fprintf(b, "\n%s, run %d, is not verified. %s\n", t.Contestant, t.Run, t.Failed)
	for _, v := range []*Verdict{t.Verdict, t.PacedRight} {
		if v != nil {
			fmt.Fprintf(b, "%v\n%s\n", v, strings.Join(v.Examples, "\n"))
		}
	}
}
