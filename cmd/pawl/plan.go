package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"

	"pawl/processor"
)

// plan prints which topics and subjects a start would need and which of them exist.
func (a *app) plan(ctx context.Context, cfg processor.Config, p *processor.Pipeline) error {
	topics, err := processor.Plan(ctx, cfg, p)
	if err != nil {
		return fmt.Errorf("plan %s: %w", p.Name(), err)
	}
	table := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tKIND\tPARTITIONS\tCONFIG\tEXISTS\tFAULT")
	faults := 0
	for _, t := range topics {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%s\t%s\n", t.Name, t.Kind, t.Partitions,
			configText(t.Configs), yesNo(t.Exists), t.Fault)
		if t.Fault != "" {
			faults++
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	subjects, err := processor.Subjects(cfg, p)
	if err != nil {
		return fmt.Errorf("plan %s: %w", p.Name(), err)
	}
	fmt.Fprint(a.stdout, "\nSUBJECTS\n")
	for _, s := range subjects {
		fmt.Fprintln(a.stdout, s.Name)
	}
	if faults > 0 {
		return fmt.Errorf("plan %s: %d of %d topics have a fault, see above", p.Name(), faults,
			len(topics))
	}
	return nil
}

func configText(configs map[string]string) string {
	if len(configs) == 0 {
		return "-"
	}
	var parts []string
	for _, key := range sortedKeys(configs) {
		parts = append(parts, key+"="+configs[key])
	}
	return strings.Join(parts, ",")
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
