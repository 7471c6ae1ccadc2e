package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
)

// configReport is the answer of `pawl config --json`.
type configReport struct {
	Settings []settings.Effective `json:"settings"`
	Faults   []string             `json:"faults"`
	Notices  []string             `json:"notices"`
}

func (a *app) config() *cobra.Command {
	var flags sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "config [PIPELINE]",
		Short: "Print the effective settings and where each came from",
		Long: `Print every setting in force, and whether it came from a flag, the environment,
the file (with its line) or the default; secrets are masked. Nothing is contacted.

A flag wins over the environment, that over the file, that over the default.
In the environment commit.interval is PAWL_COMMIT_INTERVAL.

Exit 2 when a setting is wrong: every fault is listed, one per line.`,
		Example: "  pawl config fraud --config fraud.yaml --set commit.interval=50ms",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return onePipeline(cmd, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return a.showConfig(flags, args, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

func (a *app) showConfig(flags sourceFlags, args []string, asJSON bool) error {
	named := pipelines()
	if len(args) == 1 {
		p, err := pipelineNamed(args[0])
		if err != nil {
			return err
		}
		named = []pipeline{p}
	}
	s, _, err := judge(a.sources(flags), named, everything)
	var faults settings.Faults
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	report := configReport{Settings: ofPipelines(s.Effective(), named), Faults: []string{},
		Notices: append([]string{}, s.Notices()...)}
	for _, f := range faults {
		report.Faults = append(report.Faults, f.Error())
	}
	if asJSON {
		encoder := json.NewEncoder(a.stdout)
		encoder.SetIndent("", "  ")
		return errors.Join(encoder.Encode(report), err)
	}
	a.notices(s)
	return errors.Join(printSettings(a.stdout, report.Settings), err)
}

// ofPipelines leaves out the settings of pipelines that were not asked for.
func ofPipelines(all []settings.Effective, named []pipeline) []settings.Effective {
	var kept []settings.Effective
	for _, e := range all {
		owner, _, _ := strings.Cut(e.Name, ".")
		wanted := true
		for _, p := range pipelines() {
			if p.name == owner {
				wanted = false
			}
		}
		for _, p := range named {
			wanted = wanted || p.name == owner
		}
		if wanted {
			kept = append(kept, e)
		}
	}
	return kept
}

func printSettings(w io.Writer, all []settings.Effective) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SETTING\tVALUE\tFROM")
	for _, e := range all {
		fmt.Fprintf(table, "%s\t%s\t%s\n", e.Name, e.Value, e.Source)
	}
	return table.Flush()
}
