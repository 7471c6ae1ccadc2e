package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"pawl/replay"
)

// stages shows the progress of one stage after another.
type stages struct {
	out   io.Writer
	stage string
	bar   *progressBar
}

func (s *stages) set(stage string, done, total int64) {
	if stage != s.stage {
		s.finish()
		s.stage, s.bar = stage, newProgress(s.out, stage, total)
	}
	s.bar.set(done, total)
}

func (s *stages) finish() {
	if s.bar != nil {
		s.bar.finish()
	}
	s.bar = nil
}

// printReplayPlan prints what a replay would do.
func printReplayPlan(w io.Writer, p *replay.Plan) error {
	fmt.Fprintf(w, "%s replay %s of %s (%s): %d input offsets to process again\n\n", p.Mode, p.ID,
		p.Application, p.Pipeline, p.Records)
	if err := printReplayTasks(w, p.Tasks, p.From, p.To); err != nil {
		return err
	}
	switch p.Mode {
	case replay.ModeShadow:
		fmt.Fprintf(w, "would create: %s\nand the folder %s\n", strings.Join(p.Creates, ", "),
			p.Folder)
	case replay.ModeInPlace:
		fmt.Fprintf(w, "would write one transaction to the changelog and the group's offsets\n"+
			"will be put out again, once the application runs: %s\n",
			strings.Join(p.Repeated, ", "))
	default:
		fmt.Fprintln(w, "would read on to where the application stands, and write one transaction "+
			"to the changelog and the group's offsets")
	}
	for _, n := range p.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	_, err := fmt.Fprintln(w, "nothing was changed; --execute does it")
	return err
}

func printReplayTasks(w io.Writer, tasks []replay.TaskPlan, from, to map[string]int64) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TASK\tFROM EPOCH\tTO EPOCH\tOFFSETS\tSTATE\tBECAUSE")
	for _, t := range tasks {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%s\t%s\n", t.Task, t.Epoch, t.Last, t.Records, t.Source,
			t.Why)
	}
	fmt.Fprintln(table, "\nINPUT\tFROM\tTO")
	for _, name := range sortedKeys(from) {
		fmt.Fprintf(table, "%s\t%d\t%d\n", name, from[name], to[name])
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	for _, t := range tasks {
		newer := 0
		for _, reason := range t.Skipped {
			if strings.Contains(reason, ": it stands at offset ") {
				newer++
				continue
			}
			fmt.Fprintf(w, "%s: passed over checkpoint %s\n", t.Task, reason)
		}
		if newer > 0 {
			fmt.Fprintf(w, "%s: %d newer checkpoints stand beyond the point\n", t.Task, newer)
		}
	}
	return nil
}

// printShadow prints what a shadow found.
func printShadow(w io.Writer, r *replay.Report) error {
	fmt.Fprintln(w)
	if err := printReplayTasks(w, r.Tasks, r.From, r.To); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "topic\tsame\tmissing\textra\tdifferent\t")
	row := func(name string, d *replay.Difference) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t\n", name, d.Same, d.Missing, d.Extra, d.Different)
	}
	for _, name := range sortedKeys(r.Topics) {
		row(name, r.Topics[name])
	}
	row("(state)", r.State)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, name := range sortedKeys(r.Topics) {
		printExamples(w, name, r.Topics[name])
	}
	printExamples(w, "state", r.State)
	for _, p := range r.Positions {
		fmt.Fprintln(w, "position:", p)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	verdict := "it differs from production"
	if r.Identical {
		verdict = "identical with production"
	}
	_, err := fmt.Fprintf(w, "replay %s: %s; %d input offsets in %.1f s\n", r.ID, verdict,
		r.Records, r.Seconds)
	return err
}

func printExamples(w io.Writer, name string, d *replay.Difference) {
	for _, e := range d.Examples {
		what := strings.Join(e.Fields, "; ")
		if what == "" {
			what = e.What
		}
		fmt.Fprintf(w, "%s: %s: key %s", name, e.Kind, e.Key)
		for _, part := range []string{e.From, e.Offset, what} {
			if part != "" {
				fmt.Fprintf(w, ", %s", part)
			}
		}
		fmt.Fprintln(w)
	}
}

// printTurned prints what became of the application.
func printTurned(w io.Writer, t *replay.Turned) error {
	fmt.Fprintln(w)
	if err := printReplayTasks(w, t.Plan.Tasks, t.Plan.From, t.Plan.To); err != nil {
		return err
	}
	for _, name := range sortedKeys(t.Changes) {
		fmt.Fprintf(w, "%s: %d state entries written\n", name, t.Changes[name])
	}
	_, err := fmt.Fprintf(w, "%s replay %s: done in %.1f s; start the application again\n",
		t.Plan.Mode, t.Plan.ID, t.Seconds)
	return err
}
