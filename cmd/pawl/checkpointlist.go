package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"pawl/checkpoint"
	"pawl/query/past"
)

// checkpointRow is one checkpoint in JSON.
type checkpointRow struct{ past.Row }

func rowOf(s *checkpoint.Series, e checkpoint.Entry) checkpointRow {
	return checkpointRow{past.RowOf(s, e)}
}

// state says in a word what a row is good for.
func (r checkpointRow) state() string {
	switch {
	case !r.Complete:
		return "BROKEN"
	case r.Retired:
		return "retired"
	case r.Verified:
		return "verified"
	}
	return "complete"
}

func (a *app) checkpointList() *cobra.Command {
	var f checkpointFlags
	cmd := &cobra.Command{
		Use:   "list [TASK]",
		Short: "List checkpoints, the newest of each task first",
		Long: `List the checkpoints of all tasks or of one, the newest first. Complete means that
the manifest and all objects are there, in their sizes; verify reads them.`,
		Example: "  pawl checkpoint list --config fraud.yaml",
		Args:    taskAndID(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.listCheckpoints(cmd.Context(), f, argument(args, 0))
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) listCheckpoints(ctx context.Context, f checkpointFlags, task string) (err error) {
	c, err := a.openCheckpoints(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	found, err := c.find(ctx, task)
	if err != nil {
		return err
	}
	rows := []checkpointRow{}
	for _, s := range found {
		entries, err := s.List(ctx)
		if err != nil {
			return err
		}
		for _, e := range entries {
			rows = append(rows, rowOf(s, e))
		}
	}
	if len(rows) == 0 {
		fmt.Fprintf(a.stderr, "notice: there is no checkpoint of %s\n", cmp.Or(task, "any task"))
	}
	if f.asJSON {
		return printJSON(a.stdout, rows)
	}
	return printRows(a.stdout, rows)
}

func printRows(w io.Writer, rows []checkpointRow) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "APPLICATION\tTASK\tEPOCH\tCREATED\tBYTES\tOBJECTS\tSTATE\tID")
	for _, r := range rows {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", r.Application, r.Task, r.Epoch,
			r.Created.Format(time.RFC3339), r.Bytes, r.Objects, r.state(), r.ID)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range rows {
		if r.Fault != "" {
			fmt.Fprintln(w, r.Fault)
		}
	}
	return nil
}

func (a *app) checkpointShow() *cobra.Command {
	var f checkpointFlags
	cmd := &cobra.Command{
		Use:     "show TASK [ID]",
		Short:   "Show where the state in a checkpoint stands, and its files",
		Long:    `Show a checkpoint's position, offsets, schemas and files.`,
		Example: "  pawl checkpoint show fraud-0 --url file:///mnt/checkpoints",
		Args:    taskAndID(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.showCheckpoint(cmd.Context(), f, args[0], argument(args, 1))
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) showCheckpoint(ctx context.Context, f checkpointFlags, task, id string) (err error) {
	c, err := a.openCheckpoints(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.one(ctx, task)
	if err != nil {
		return err
	}
	entries, err := s.List(ctx)
	if err != nil {
		return err
	}
	e, err := choose(s, entries, id)
	if err != nil {
		return err
	}
	row := rowOf(s, e)
	if f.asJSON {
		return printJSON(a.stdout, struct {
			checkpointRow
			Manifest *checkpoint.Manifest `json:"manifest"`
		}{row, e.Manifest})
	}
	return printManifest(a.stdout, row, e.Manifest)
}

func printManifest(w io.Writer, row checkpointRow, m *checkpoint.Manifest) error {
	fmt.Fprintf(w, "%s/%s %s: %s\n", row.Application, row.Task, row.ID, row.state())
	if row.Fault != "" {
		fmt.Fprintln(w, row.Fault)
	}
	if m == nil {
		return nil
	}
	fmt.Fprintf(w, "epoch %d under claim %d of %s, partition %d of %d\n", m.Epoch, m.Claim,
		m.Writer, m.Partition, m.Partitions)
	fmt.Fprintf(w, "created %s by pawl %s\n", m.Created.Format(time.RFC3339), m.Version)
	if e := m.Encryption; e != nil {
		fmt.Fprintf(w, "encrypted, key %s\n", e.Keeper)
	}
	fmt.Fprintf(w, "changelog %s (%s) at offset %d, %s\n", m.Changelog.Topic, m.Changelog.TopicID,
		m.Changelog.Offset, m.Changelog.Time.Format(time.RFC3339))
	fmt.Fprintf(w, "watermark %s, state digest %s\n\n",
		time.UnixMilli(m.Watermark).UTC().Format(time.RFC3339Nano),
		cmp.Or(m.Digest, "not to be had without the key"))
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "INPUT\tOFFSET\tPROCESSED\tLATE\tDEAD\tDEDUPLICATED\tFILTERED\tSHED")
	for _, in := range m.Inputs {
		fmt.Fprintf(table, "%s-%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", in.Topic, in.Partition,
			in.Offset, in.Processed, in.Late, in.Dead, in.Deduplicated, in.Filtered, in.Shed)
	}
	fmt.Fprintln(table, "\nTABLE\tSCHEMA")
	for _, s := range m.Schemas {
		if s.Table == "" {
			s.Table = "(position record)"
		}
		fmt.Fprintf(table, "%s\t%d\n", s.Table, s.ID)
	}
	fmt.Fprintln(table, "\nFILE\tBYTES\tOBJECT")
	for _, file := range m.Files {
		fmt.Fprintf(table, "%s\t%d\t%s\n", file.Name, file.Size, file.Object)
	}
	return table.Flush()
}
