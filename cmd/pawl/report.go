package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"pawl/internal/verify"
)

// writeReport writes JSON to path; nothing without one.
func writeReport(path string, report any) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// checkReportPath finds out before the work whether the report can be written after it.
func checkReportPath(path string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return usage("--report=%s cannot be written: %v; give a file in a folder that exists",
			path, err)
	}
	return f.Close()
}

// verdict compares outputs and state of a pipeline with its oracle.
func (c *cluster) verdict(ctx context.Context, spec verify.Spec, application string,
	told func(done, total int64)) (*verify.Report, error) {
	source, err := verify.NewKafka(application, c.options()...)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", application, err)
	}
	defer source.Close()
	for began := time.Now(); ; {
		report, err := verify.Check(ctx, verify.Options{Spec: spec, ApplicationID: application,
			Source: verify.Still(source), Registry: c.schemas(), Progress: told})
		if err == nil {
			return report, nil
		}
		// Event time may move on, or the last transaction's markers may be on their way.
		if !errors.Is(err, verify.ErrMoving) || time.Since(began) > stillLimit || ctx.Err() != nil {
			return nil, fmt.Errorf("verify %s: %w", application, err)
		}
	}
}

// stillLimit bounds the wait for a moment in which an application writes nothing.
const stillLimit = 30 * time.Second

// printVerdict prints one table with a row per pipeline and then what differs.
func printVerdict(w io.Writer, reports map[string]*verify.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "pipeline\tin\tout\tdead\tlate\tmissing\textra\tdifferent\tstate keys\t"+
		"state different\toracle\t")
	for _, name := range sortedKeys(reports) {
		r := reports[name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%s\t\n", name, r.RecordsIn,
			r.RecordsOut, r.DeadLettered, r.Late, r.Missing, r.Extra, r.Different, r.StateKeys,
			r.StateDifferent, r.Oracle)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range sortedKeys(reports) {
		for _, e := range reports[name].Examples {
			fmt.Fprintf(w, "%s: %s\n", name, e)
		}
	}
	return nil
}

// seconds rounds to milliseconds, which is as fine as anything here is measured.
func seconds(d time.Duration) float64 {
	return d.Round(time.Millisecond).Seconds()
}

// scratch is the folder for a command's files: the one that was asked for, which stays, or a
// temporary one, which remove deletes.
func scratch(asked, pattern string) (dir string, remove func(), err error) {
	if asked != "" {
		if err := os.MkdirAll(asked, 0o755); err != nil {
			return "", nil, usage("--dir=%s cannot be made: %v; give another folder", asked, err)
		}
		return asked, func() {}, nil
	}
	dir, err = os.MkdirTemp("", pattern)
	if err != nil {
		return "", nil, fmt.Errorf("make a folder for this run: %w", err)
	}
	// A leftover in the temporary folder is harmless.
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}

// sortedKeys are the keys of a map in order.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	return slices.Sorted(maps.Keys(m))
}
