package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pawl/audit"
	"pawl/internal/settings"
)

// auditOptions are the flags of `pawl audit`.
type auditOptions struct {
	flags  sourceFlags
	report string
}

func (a *app) audit() *cobra.Command {
	var o auditOptions
	cmd := &cobra.Command{
		Use:   "audit PIPELINE",
		Short: "Re-add from the topics alone what an application did; find what does not add up",
		Long: `Read all topics of the application that application.id names, and check that every
committed input offset is accounted for exactly once: the position records against
the inputs, dead letters, late and shed records, ticks and the group's offsets; the
outputs, by the header pawl.src, for duplicates, gaps, order and records that no
epoch accounts for; the changelog against the digest of the state; and that no
transaction is open. Nothing that the program counted or kept is trusted.

A stopped application is audited to the end of its topics. A live one is audited to
the position records that stand there at the start, and goes on meanwhile. The
audit writes nothing and joins no group. What compaction or retention has deleted
is named as a note.

Give the settings that the application runs with: application.id, topic.prefix and
provenance.header matter.

Exit 0 when everything adds up; 1 when something does not, or could not be read; 2
when a flag or setting is wrong.`,
		Example: `  pawl audit fraud --config fraud.yaml
  pawl audit fraud --kafka 127.0.0.1:9092 --registry http://127.0.0.1:8081 \
      --set application.id=fraud --report audit.json`,
		Args: onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelineNamed(args[0])
			if err != nil {
				return err
			}
			return a.runAudit(cmd.Context(), p, o)
		},
	}
	o.flags.add(cmd)
	cmd.Flags().StringVar(&o.report, "report", "", "write the result as JSON to this file")
	return cmd
}

// anApplication is what a tool needs that looks at what an application left.
func anApplication(f *settings.Fault) bool { return aCluster(f) || f.Key == "application.id" }

func (a *app) runAudit(ctx context.Context, p pipeline, o auditOptions) error {
	if err := checkReportPath(o.report); err != nil {
		return err
	}
	s, _, err := judge(a.sources(o.flags), []pipeline{p}, anApplication)
	if err != nil {
		return err
	}
	a.notices(s)
	c := givenCluster(s)
	prefix := s.Text("topic.prefix")
	inputs := withPrefix(prefix, p.topics()...)
	if err := c.topicsExist(ctx, inputs, s.Duration("startup.timeout")); err != nil {
		return err
	}
	bar := newProgress(a.stdout, "auditing "+s.Text("application.id"), 0)
	report, err := audit.Run(ctx, audit.Options{ApplicationID: s.Text("application.id"),
		Pipeline: p.build(s), TopicPrefix: prefix, NoProvenance: !s.Bool("provenance.header"),
		Kafka: c.options(), Registry: c.schemas(), Progress: bar.set})
	bar.finish()
	if err != nil {
		return err
	}
	if err := writeReport(o.report, report); err != nil {
		return err
	}
	if err := printAudit(a.stdout, report); err != nil {
		return err
	}
	if !report.Clean() {
		return &verdictError{text: fmt.Sprintf("%d violations", report.Total())}
	}
	return nil
}

// printAudit prints the accounts, what could not be checked, and what does not add up.
func printAudit(w io.Writer, r *audit.Report) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w)
	fmt.Fprintln(table, "input\tfrom\tcommitted\toffsets\tprocessed\tlate\tdead\tdeduplicated\t"+
		"filtered\tshed\tgaps\t")
	for _, name := range sortedKeys(r.Inputs) {
		c := r.Inputs[name]
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, c.From,
			c.Committed, c.Offsets, c.Processed, c.Late, c.Dead, c.Deduplicated, c.Filtered, c.Shed,
			c.Gaps)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	state := "stopped"
	if r.Live {
		state = "live, audited to where it stood at the start"
	}
	fmt.Fprintf(w, "\n%s is %s\nepochs: %d, position records left: %d   claims: %d   outputs: %d"+
		"   state keys: %d\n", r.Application, state, r.Epochs, r.EpochsSeen, r.Claims, r.Outputs,
		r.StateKeys)
	for _, n := range r.Notes {
		fmt.Fprintln(w, "note:", n)
	}
	for _, v := range r.Violations {
		fmt.Fprintln(w, "violation:", v)
	}
	if more := r.Total() - int64(len(r.Violations)); more > 0 {
		fmt.Fprintf(w, "and %d more like these\n", more)
	}
	fmt.Fprintf(w, "violations: %d\n", r.Total())
	return nil
}
