package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// someResults reads a file that has to have some.
func someResults(path string) ([]Result, error) {
	all, err := readResults(path)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s has no results; sweep run %s measures some", path, path)
	}
	return all, err
}

func fitCommand() *cobra.Command {
	var page string
	cmd := &cobra.Command{
		Use:   "fit FILE",
		Short: "Fit the model, and tell by how much it is off at each point",
		Long: `Fit the formulas of docs/cost-model.md by least squares to all measurements of FILE,
and write the tables of that page: what was measured, the coefficients, what a
million events and a thousand partitions cost, by how many percent each formula is
off at each point, and the goals.

A formula is held against the measurements twice: with what was counted in the
window (transactions, changes of state), and from what a deployer knows alone.

--page replaces what stands in a page between the lines
"<!-- generated: sweep fit -->" and "<!-- end -->" by the tables.`,
		Example: `  go run ./integration/sweep fit docs/cost-model.jsonl --page docs/cost-model.md`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := someResults(args[0])
			if err != nil {
				return err
			}
			if page != "" {
				return rewrite(page, all)
			}
			return report(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().StringVar(&page, "page", "", "write the tables into this page instead")
	return cmd
}

func plotCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "plot FILE DIR",
		Short: "Draw the plots of docs/cost-model.md into DIR",
		Long: `Draw the plots of docs/cost-model.md, SVG files named cost-….svg, into DIR. What
draws them is a module of its own, integration/sweep/draw, which go run builds.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			all, err := someResults(args[0])
			if err != nil {
				return err
			}
			list, err := charts(all)
			if err != nil {
				return err
			}
			data, err := json.Marshal(list)
			if err != nil {
				return fmt.Errorf("encode the charts: %w", err)
			}
			dir, err := filepath.Abs(args[1])
			if err != nil {
				return fmt.Errorf("find %s: %w", args[1], err)
			}
			root, err := moduleRoot(cmd.Context())
			if err != nil {
				return err
			}
			draw := exec.CommandContext(cmd.Context(), "go", "run", ".", dir)
			draw.Dir = filepath.Join(root, "integration", "sweep", "draw")
			draw.Stdin, draw.Stdout = bytes.NewReader(data), cmd.OutOrStdout()
			draw.Stderr = os.Stderr
			if err := draw.Run(); err != nil {
				return errors.Join(errors.New("draw the plots"), err)
			}
			return nil
		},
	}
}
