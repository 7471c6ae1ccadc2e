package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"pawl/internal/verify"
)

// demoReport is the JSON of `pawl demo --report`.
type demoReport struct {
	Oracle    string                    `json:"oracle"`
	Crashes   int                       `json:"crashes"`
	Recovery  recoveryReport            `json:"recovery_seconds"`
	Recovered int                       `json:"recovered"`
	Seed      uint64                    `json:"seed"`
	Instances int                       `json:"instances"`
	Embedded  bool                      `json:"embedded_broker"`
	Pipelines map[string]*verify.Report `json:"pipelines"`
}

type recoveryReport struct {
	P50 float64 `json:"p50"`
	Max float64 `json:"max"`
}

// judge compares every pipeline with its oracle, prints and writes the verdict.
func (st *stage) judge(ctx context.Context) error {
	reports := map[string]*verify.Report{}
	for _, t := range st.acts {
		bar := newProgress(st.app.stdout, "verifying "+t.pipeline.name, 0)
		report, err := st.verify(ctx, t, bar.set)
		bar.finish()
		if err != nil {
			return err
		}
		reports[t.pipeline.name] = report
	}
	return st.conclude(reports)
}

// conclude prints and writes the verdict; anything but a match is an error.
func (st *stage) conclude(reports map[string]*verify.Report) error {
	final := st.demoReport(reports)
	fmt.Fprintln(st.app.stdout)
	if err := printVerdict(st.app.stdout, reports); err != nil {
		return err
	}
	fmt.Fprintf(st.app.stdout, "\ncrashes: %d   recovered: %d   recovery p50 %.2fs, max %.2fs\n"+
		"seed: %d\noracle: %s\n", final.Crashes, final.Recovered, final.Recovery.P50,
		final.Recovery.Max, final.Seed, final.Oracle)
	if err := writeReport(st.options.report, final); err != nil {
		return err
	}
	if final.Oracle != "match" {
		return &verdictError{text: "oracle: " + final.Oracle}
	}
	return nil
}

func (st *stage) demoReport(reports map[string]*verify.Report) demoReport {
	final := demoReport{Oracle: "match", Seed: st.options.seed, Instances: st.options.instances,
		Embedded: st.cluster.embedded != nil, Pipelines: reports}
	var all []time.Duration
	for _, t := range st.acts {
		crashes, recoveries := t.crasher.result()
		final.Crashes += crashes
		all = append(all, recoveries...)
	}
	slices.Sort(all)
	final.Recovered = len(all)
	final.Recovery = recoveryReport{P50: seconds(quantile(all, 0.5)),
		Max: seconds(quantile(all, 1))}
	for _, r := range reports {
		if r.Oracle != "match" {
			final.Oracle = "mismatch"
		}
	}
	return final
}
