//go:build unix

package speed

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Report is a contest's result.
type Report struct {
	Date        time.Time         `json:"date"`
	Machine     Machine           `json:"machine"`
	Source      string            `json:"commit"` // of the working directory
	Versions    map[string]string `json:"versions"`
	Events      int64             `json:"events"`
	Users       int               `json:"users"`
	Partitions  int               `json:"partitions"`
	Commit      string            `json:"commit_interval"`
	Seed        uint64            `json:"seed"`
	Decisions   int64             `json:"decisions"` // that each contestant should write
	Alerts      int64             `json:"alerts"`    // that Pawl writes besides
	Skipped     map[string]string `json:"skipped"`
	Contestants []Standing        `json:"contestants"`
	Goals       []Goal            `json:"goals"`
	Turns       []Turn            `json:"turns"`
	Verified    bool              `json:"verified"`
}

// Machine is where the contest took place.
type Machine struct {
	CPUs   int    `json:"cpus"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Before string `json:"load_average_before"`
	After  string `json:"load_average_after"`
}

// Standing is what one contestant did in all its turns.
type Standing struct {
	Name     string             `json:"name"`
	Title    string             `json:"title"`
	Verified bool               `json:"verified"`
	Figures  map[string]Measure `json:"figures"`
}

// Measure is one figure of several turns.
type Measure struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
}

func newReport(ctx context.Context, f *field) *Report {
	o := f.options
	r := &Report{Date: time.Now().UTC(), Versions: map[string]string{"go": runtime.Version()},
		Events: o.Events, Users: o.Users, Partitions: o.Partitions, Commit: o.Commit.String(),
		Seed: o.Seed, Machine: Machine{CPUs: runtime.NumCPU(), Memory: totalMemory(),
			Kernel: firstLine("/proc/sys/kernel/osrelease"), Before: loadAverage()}}
	git := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=12")
	if out, err := git.Output(); err == nil {
		r.Source = strings.TrimSpace(string(out))
	}
	if versions, err := f.adm.ApiVersions(ctx); err == nil {
		for _, broker := range versions {
			r.Versions["broker"] = "Apache Kafka " + broker.VersionGuess()
		}
	}
	// A JVM says its version on standard error.
	if out, err := exec.CommandContext(ctx, "java", "-version").CombinedOutput(); err == nil {
		r.Versions["java"], _, _ = strings.Cut(string(out), "\n")
	}
	return r
}

// enter notes who takes part.
func (r *Report) enter(in []entrant, absent map[string]string) {
	r.Skipped = absent
	for _, e := range in {
		r.Versions[e.name] = e.program.version
		r.Contestants = append(r.Contestants, Standing{Name: e.name, Title: e.title})
	}
}

// Names of the figures, in the order of the table.
const (
	cpuWhole   = "cpu_seconds_per_million"
	cpuSettled = "settled_cpu_seconds_per_million"
	cpuBroker  = "broker_cpu_seconds_per_million"
	eventRate  = "events_per_second"
	peakMemory = "peak_rss_bytes"
)

// latency is the name of a figure at a rate.
func latency(quantile string, rate int) string { return fmt.Sprintf("%s_ms_at_%d", quantile, rate) }

// conclude sums the turns up.
func (r *Report) conclude() {
	r.Machine.After = loadAverage()
	r.Verified = true
	for i := range r.Contestants {
		c := &r.Contestants[i]
		c.Verified = true
		all := map[string][]float64{}
		for _, t := range r.Turns {
			if t.Contestant == c.Name {
				c.Verified = c.Verified && t.Verified
				t.figures(all)
			}
		}
		c.Figures = map[string]Measure{}
		for name, values := range all {
			slices.Sort(values)
			c.Figures[name] = Measure{Min: values[0], Median: values[len(values)/2],
				Max: values[len(values)-1]}
		}
		r.Verified = r.Verified && c.Verified
	}
	r.Goals = r.judgeGoals()
}

func (t *Turn) figures(all map[string][]float64) {
	put := func(name string, value float64) { all[name] = append(all[name], value) }
	if b := t.Bulk; b != nil {
		put(cpuWhole, b.CPU)
		put(cpuBroker, b.Broker)
		put(peakMemory, b.Peak)
		if b.Settled > 0 && b.Rate > 0 {
			put(cpuSettled, b.Settled)
			put(eventRate, b.Rate)
		}
	}
	for _, p := range t.Paced {
		put(latency("p50", p.Rate), p.P50)
		put(latency("p99", p.Rate), p.P99)
	}
}

// median is a contestant's figure, if there is one.
func (r *Report) median(name, figure string) (float64, bool) {
	for _, c := range r.Contestants {
		if m, ok := c.Figures[figure]; ok && c.Name == name {
			return m.Median, true
		}
	}
	return 0, false
}

// moduleVersion is that of a module in this program.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if ok {
		for _, m := range info.Deps {
			if m.Path == path {
				return path + " " + m.Version
			}
		}
	}
	return path
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// loadAverage is of 1, 5 and 15 minutes, where Linux tells it.
func loadAverage() string {
	fields := strings.Fields(firstLine("/proc/loadavg"))
	return strings.Join(fields[:min(3, len(fields))], " ")
}

// totalMemory is the machine's, where Linux tells it.
func totalMemory() int64 {
	fields := strings.Fields(firstLine("/proc/meminfo"))
	if len(fields) < 2 {
		return 0
	}
	kib, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}
