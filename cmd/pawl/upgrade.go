package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pawl/processor"
	"pawl/schemas"
)

func (a *app) upgrade() *cobra.Command {
	var flags sourceFlags
	var dryRun, asJSON bool
	cmd := &cobra.Command{
		Use:   "upgrade PIPELINE --dry-run",
		Short: "Say what replacing the running version by this binary would mean",
		Long: `Compare what an application has written with what this binary reads and writes:
each store by the schemas of the values in its changelog, each topic by those of its
unread and newest records, each store in state.dir.

  same      nothing changes
  migrated  read with other fields, which are named; values are written anew when
            they change, not before
  empty     nothing is written there yet; a store that this binary adds knows nothing
            of what was processed before
  left      a store that this binary does not have: it stays, and nobody reads it
  rebuilt   the store here is made again from a checkpoint or the changelog
  refused   this binary cannot read it: why, and what mends it

It also says whether old and new instances may run side by side: an old one must read
the state that a new one has written, for tasks move both ways. If it cannot, stop all
instances before you start the new ones, or take two steps (docs/operations.md).

Nothing is written, claimed or joined; the changelog is read whole. Whether the
registry takes the new schemas is for pawl schemas check to say.

Exit 0 when this binary could take over; 1 when something is refused, or cannot be
read; 2 when a flag or setting is wrong.`,
		Example: "  pawl upgrade fraud --dry-run --config fraud.yaml",
		Args:    onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelineNamed(args[0])
			if err != nil {
				return err
			}
			if !dryRun {
				return usage("pawl upgrade only looks: give --dry-run; the upgrade itself is to " +
					"stop the instances one by one and start the new binary in their place")
			}
			return a.planUpgrade(cmd.Context(), p, flags, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "look, and change nothing; required")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) planUpgrade(ctx context.Context, p pipeline, flags sourceFlags, asJSON bool) error {
	s, cfg, err := judge(a.sources(flags), []pipeline{p}, aState)
	if err != nil {
		return err
	}
	a.notices(s)
	bar := newProgress(a.stderr, "reading the changelog", 0)
	u, err := processor.PlanUpgrade(ctx, cfg, p.build(s), bar.set)
	bar.finish()
	if err != nil {
		return err
	}
	if asJSON {
		err = printJSON(a.stdout, u)
	} else {
		err = printUpgrade(a.stdout, u)
	}
	if err == nil && u.Refused {
		err = &verdictError{text: "the upgrade would be refused"}
	}
	return err
}

// printUpgrade prints a table of verdicts, and below it what they rest on.
func printUpgrade(w io.Writer, u *processor.Upgrade) error {
	life := "stopped"
	if u.Live {
		life = "live"
	}
	fmt.Fprintf(w, "%s is %s\n", u.Application, life)
	for _, fault := range u.Faults {
		fmt.Fprintln(w, "refused:", fault)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\nkind\tname\tverdict\tchanges")
	parts := append(append([]processor.UpgradePart{}, u.Stores...), u.Topics...)
	for _, part := range parts {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", part.Kind, part.Name, part.Verdict,
			changesOf(part))
	}
	for _, t := range u.Tasks {
		fmt.Fprintf(table, "task\t%s\t%s\t\n", t.Task, t.Verdict)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, part := range parts {
		tellReason(w, part.Kind+" "+part.Name, part.Why, part.Mend)
		if o := part.Older; o != nil && o.Clash != "" {
			fmt.Fprintf(w, "\n%s %s: the version before cannot read what this one writes:\n  %s\n",
				part.Kind, part.Name, o.Clash)
		} else if o != nil && part.Kind != processor.TopicOutput {
			if lost := droppedBy(o.Changes); lost != "" {
				fmt.Fprintf(w, "\n%s %s: while both versions run, the one before drops %s when it "+
					"writes a value again\n", part.Kind, part.Name, lost)
			}
		}
	}
	for _, t := range u.Tasks {
		tellReason(w, "task "+t.Task, t.Why, t.Mend)
	}
	switch {
	case u.Refused:
		fmt.Fprintln(w, "\nrefused: this binary cannot take over")
	case !u.Rolling:
		fmt.Fprintln(w, "\nstop all instances before the first new one starts: old ones would "+
			"refuse tasks that\nit has had")
	default:
		fmt.Fprintln(w, "\nold and new instances may run side by side: replace them one by one")
	}
	return nil
}

func tellReason(w io.Writer, what, why, mend string) {
	if why != "" {
		fmt.Fprintf(w, "\n%s: %s\n", what, why)
	}
	if mend != "" {
		fmt.Fprintf(w, "  mend: %s\n", mend)
	}
}

// changesOf names each change once; of an output, as readers of before see it.
func changesOf(p processor.UpgradePart) string {
	var names []string
	seen := make(map[string]bool)
	add := func(changes []schemas.Change) {
		for _, c := range changes {
			if text := c.String(); !seen[text] {
				seen[text] = true
				names = append(names, text)
			}
		}
	}
	for _, w := range p.Written {
		add(w.Changes)
	}
	if p.Kind == processor.TopicOutput && p.Older != nil {
		add(p.Older.Changes)
	}
	return strings.Join(names, ", ")
}

// droppedBy are the fields that a reader passes over.
func droppedBy(changes []schemas.Change) string {
	var names []string
	for _, c := range changes {
		if c.Kind == schemas.FieldDropped {
			names = append(names, c.Field)
		}
	}
	return strings.Join(names, ", ")
}
