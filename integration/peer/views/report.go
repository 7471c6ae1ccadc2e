//go:build unix

package views

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"pawl/internal/verify"
)

// Goal is how many times less processor time than Kafka Streams, settled, Pawl is to take.
const Goal = 3.0

// Report is what a contest found.
type Report struct {
	At        time.Time         `json:"at"`
	Commit    string            `json:"commit"`
	Machine   Machine           `json:"machine"`
	Versions  map[string]string `json:"versions"`
	Events    int64             `json:"events"`
	Pace      float64           `json:"events_per_second_of_event_time"`
	Runs      int               `json:"runs"`
	Interval  string            `json:"commit_interval"`
	Pipelines []Result          `json:"pipelines"`
	Verified  bool              `json:"verified"`
	Met       bool              `json:"goal_met"`
}

// Machine is where it was found.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Memory string `json:"memory"`
	Kernel string `json:"kernel"`
	Load   string `json:"load_average"` // when the contest began
}

// Result is one pipeline's.
type Result struct {
	Pipeline string `json:"pipeline"`
	Windows  string `json:"windows"`
	Pawl     Side   `json:"pawl"`
	Peers    []Side `json:"peers"`
	// Outputs is how many records each should write. Broken and Late are the input records that
	// Pawl writes to topics of its own besides, which Kafka Streams leaves out.
	Outputs  int64   `json:"outputs"`
	Broken   int64   `json:"broken_records"`
	Late     int64   `json:"late_records"`
	Verified bool    `json:"verified"`
	Met      bool    `json:"goal_met"` // against every peer
	Turns    []*Turn `json:"turns"`
}

// Side is one contestant's figures.
type Side struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	Sums
	// Ratio and Whole are its medians over those of Pawl, settled and of whole runs.
	Ratio float64 `json:"ratio_settled"`
	Whole float64 `json:"ratio_whole"`
}

// Sums sums up the turns of one contestant.
type Sums struct {
	CPU     Spread `json:"cpu_seconds_per_million"`
	Settled Spread `json:"settled_cpu_seconds_per_million"`
	Rate    Spread `json:"records_per_second"`
	PeakMiB Spread `json:"peak_memory_mib"`
	Broker  Spread `json:"broker_cpu_seconds_per_million"`
}

// Spread is where the figures of several turns lie.
type Spread struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func newReport(ctx context.Context, o Options, cast []contestant) *Report {
	r := &Report{At: time.Now().UTC().Truncate(time.Second), Events: o.Events, Pace: o.Pace,
		Runs: o.Runs, Interval: o.Commit.String(), Verified: true, Met: true,
		Versions: map[string]string{"go": runtime.Version()}}
	for _, c := range cast {
		r.Versions[c.name] = c.version
	}
	if out, err := exec.CommandContext(ctx, "git", "rev-parse", "HEAD").Output(); err == nil {
		r.Commit = strings.TrimSpace(string(out))
	}
	r.Machine = Machine{CPUs: runtime.NumCPU(), Kernel: firstLine("/proc/sys/kernel/osrelease"),
		Load: firstLine("/proc/loadavg"),
		Memory: strings.Join(strings.Fields(strings.TrimPrefix(firstLine("/proc/meminfo"),
			"MemTotal:")), " ")}
	return r
}

// firstLine is that of a file, empty where there is none.
func firstLine(path string) string {
	text, _ := os.ReadFile(path)
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// add takes the turns of a pipeline, and what should have come of them.
func (r *Report) add(v view, cast []contestant, want *truth, turns []*Turn) {
	res := Result{Pipeline: v.name, Windows: v.windows, Turns: turns, Verified: true,
		Outputs: want.count, Broken: want.fates[verify.Dead], Late: want.late}
	for _, t := range turns {
		res.Verified = res.Verified && t.Verdict.Right()
	}
	for _, c := range cast {
		side := Side{Name: c.name, Title: c.title, Sums: sums(turns, c.name)}
		if c.name == pawlName {
			res.Pawl = side
		} else {
			res.Peers = append(res.Peers, side)
		}
	}
	res.Met = res.Verified
	for i := range res.Peers {
		p := &res.Peers[i]
		p.Ratio = over(p.Settled.Median, res.Pawl.Settled.Median)
		p.Whole = over(p.CPU.Median, res.Pawl.CPU.Median)
		res.Met = res.Met && p.Ratio >= Goal
	}
	r.Pipelines = append(r.Pipelines, res)
	r.Verified, r.Met = r.Verified && res.Verified, r.Met && res.Met
}

// over is a quotient, 0 where there is none.
func over(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

func sums(turns []*Turn, contestant string) Sums {
	of := func(figure func(*Turn) float64) Spread {
		var list []float64
		for _, t := range turns {
			if t.Contestant == contestant {
				list = append(list, figure(t))
			}
		}
		return spread(list)
	}
	return Sums{
		CPU:     of(func(t *Turn) float64 { return t.CPU }),
		Settled: of(func(t *Turn) float64 { return t.Settled }),
		Rate:    of(func(t *Turn) float64 { return t.Rate }),
		PeakMiB: of(func(t *Turn) float64 { return t.PeakMiB }),
		Broker:  of(func(t *Turn) float64 { return t.Broker }),
	}
}

// spread sorts the list. The median of an even number of figures is the mean of the middle two.
func spread(list []float64) Spread {
	n := len(list)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(list)
	return Spread{Min: list[0], Median: (list[(n-1)/2] + list[n/2]) / 2, Max: list[n-1]}
}

// String is the turn on one line.
func (t *Turn) String() string {
	return fmt.Sprintf("%s: %s, run %d: CPU %.2f s per million, settled %.2f, %.0f records/s, "+
		"%.0f MiB; %v", t.Pipeline, t.Contestant, t.Run, t.CPU, t.Settled, t.Rate, t.PeakMiB,
		t.Verdict)
}

// Print writes the table, and what was found wrong.
func (r *Report) Print(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %d runs of %d events each, commit interval %s; commit %s\n"+
		"%d CPUs, %s, Linux %s, load average %s\n\n", r.At.Format(time.RFC3339), r.Runs, r.Events,
		r.Interval, r.Commit, r.Machine.CPUs, r.Machine.Memory, r.Machine.Kernel, r.Machine.Load)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "min / median / max\tCPU s per M, settled\twhole run\trecords/s\t"+
		"peak MiB\tbroker CPU s per M")
	for _, p := range r.Pipelines {
		for _, s := range append([]Side{p.Pawl}, p.Peers...) {
			fmt.Fprintf(table, "%s (%s), %s\t%s\t%s\t%s\t%s\t%s\n", p.Pipeline, p.Windows, s.Title,
				s.Settled.text(2), s.CPU.text(2), s.Rate.text(0), s.PeakMiB.text(0),
				s.Broker.text(2))
		}
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print the table: %w", err)
	}
	fmt.Fprintln(w)
	for _, p := range r.Pipelines {
		p.print(w)
	}
	return nil
}

// print writes what is to be said of one pipeline.
func (p *Result) print(w io.Writer) {
	for _, s := range p.Peers {
		fmt.Fprintf(w, "%s: %s takes %.2f times Pawl's CPU settled, %.2f times over whole runs; "+
			"goal %.0f times: %s\n", p.Pipeline, s.Title, s.Ratio, s.Whole, Goal, p.verdict(s))
	}
	fmt.Fprintf(w, "  %d outputs of each; %d broken and %d late records went to topics of Pawl's "+
		"own, Kafka Streams left them out\n", p.Outputs, p.Broken, p.Late)
	for _, t := range p.Turns {
		if !t.Verdict.Right() {
			fmt.Fprintf(w, "  %s, run %d: %v\n    %s\n", t.Contestant, t.Run, t.Verdict,
				strings.Join(t.Verdict.Examples, "\n    "))
		}
	}
}

func (p *Result) verdict(s Side) string {
	switch {
	case !p.Verified:
		return "not verified"
	case s.Ratio == 0:
		return "too few events to tell"
	case s.Ratio >= Goal:
		return "met"
	}
	return "not met"
}

func (s Spread) text(digits int) string {
	return fmt.Sprintf("%.*f / %.*f / %.*f", digits, s.Min, digits, s.Median, digits, s.Max)
}
