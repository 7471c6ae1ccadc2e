//go:build unix

package speed

import "fmt"

// Goal is one that the project has set itself, in medians of this contest.
type Goal struct {
	Text     string  `json:"goal"`
	Limit    float64 `json:"limit"`
	Measured float64 `json:"measured"`
	Judged   bool    `json:"judged"` // whether all that it takes was measured
	Met      bool    `json:"met"`
}

// String is the goal with its outcome.
func (g Goal) String() string {
	switch {
	case !g.Judged:
		return g.Text + ": not judged, its contestants or rates were left out"
	case g.Met:
		return fmt.Sprintf("%s: met, %.4g", g.Text, g.Measured)
	}
	return fmt.Sprintf("%s: not met, %.4g", g.Text, g.Measured)
}

// judgeGoals are all that this contest can judge.
func (r *Report) judgeGoals() []Goal {
	const pawl, mb = "pawl", 1e6
	value := func(name, figure string, unit float64) func() (float64, bool) {
		return func() (float64, bool) {
			v, ok := r.median(name, figure)
			return v / unit, ok
		}
	}
	ratio := func(name, of, figure string) func() (float64, bool) {
		return func() (float64, bool) {
			a, ok := r.median(name, figure)
			b, ok2 := r.median(of, figure)
			return a / b, ok && ok2 && b > 0
		}
	}
	const most, least = true, false
	goal := func(text string, atMost bool, limit float64, measure func() (float64, bool)) Goal {
		g := Goal{Text: text, Limit: limit}
		if g.Measured, g.Judged = measure(); !g.Judged {
			g.Measured = 0
		}
		g.Met = g.Judged && (g.Measured <= limit) == atMost || g.Judged && g.Measured == limit
		return g
	}
	return []Goal{
		goal("1: at most 2.5 CPU s per million events, whole run", most, 2.5,
			value(pawl, cpuWhole, 1)),
		goal("1: Kafka Streams exactly once takes at least 4 times the CPU, settled", least, 4,
			ratio("streams", pawl, cpuSettled)),
		goal("1: at most 2.5 times the CPU of the raw copy, settled", most, 2.5,
			ratio(pawl, "copy", cpuSettled)),
		goal("1: at least 400,000 events/s", least, 400_000, value(pawl, eventRate, 1)),
		goal("2: p50 at most 15 ms at 20,000/s", most, 15,
			value(pawl, latency("p50", 20_000), 1)),
		goal("2: p99 at most 40 ms at 20,000/s", most, 40,
			value(pawl, latency("p99", 20_000), 1)),
		goal("2: p50 at most 10 ms at 1,000/s", most, 10, value(pawl, latency("p50", 1_000), 1)),
		goal("2: a commit interval of 20 ms leaves at least 0.85 of the events/s of 200 ms",
			least, 0.85, ratio("pawl-20ms", "pawl-200ms", eventRate)),
		goal("3: peak memory at most 300 MB", most, 300, value(pawl, peakMemory, mb)),
		goal("4: at most the broker CPU per event that Kafka Streams exactly once causes", most, 1,
			ratio(pawl, "streams", cpuBroker)),
	}
}
