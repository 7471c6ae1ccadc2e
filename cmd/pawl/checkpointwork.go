package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"pawl/checkpoint"
	"pawl/internal/settings"
)

func (a *app) checkpointVerify() *cobra.Command {
	var f checkpointFlags
	var discard bool
	cmd := &cobra.Command{
		Use:   "verify [TASK [ID]]",
		Short: "Read every object back and name what is damaged or missing",
		Long: `Read every object of all checkpoints, of a task's, or of one, and compare it with
its manifest; an object that several share is read once. What is whole is noted:
prune spares the newest of these.

A damaged object stays in use as long as the file does not change, so --discard
deletes it: the next checkpoint then uploads the file again.

Of an encrypted checkpoint nothing can be said without its key: it is named, and
neither noted as whole nor touched.

Exit 1 when something is damaged, missing or cannot be decrypted: a line for each.`,
		Example: "  pawl checkpoint verify fraud-0 --config fraud.yaml",
		Args:    taskAndID(0, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.verifyCheckpoints(cmd.Context(), f, args, discard)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&discard, "discard", false, "delete damaged objects")
	return cmd
}

// verifyReport is the answer of `pawl checkpoint verify --json`.
type verifyReport struct {
	Checkpoints int         `json:"checkpoints"`
	Bytes       int64       `json:"bytes"` // of the checkpoints, shared objects counted each time
	Damaged     []damageRow `json:"damaged"`
	Discarded   bool        `json:"discarded"` // the damaged objects were deleted
	Locked      []lockedRow `json:"locked,omitempty"`
}

// lockedRow is an encrypted checkpoint whose key is not to be had.
type lockedRow struct {
	Application string `json:"application"`
	Task        string `json:"task"`
	ID          string `json:"id"`
	Reason      string `json:"reason"`
}

type damageRow struct {
	Application string `json:"application"`
	Task        string `json:"task"`
	ID          string `json:"id"`
	Object      string `json:"object"`
	File        string `json:"file"`
	Reason      string `json:"reason"`
}

func (a *app) verifyCheckpoints(ctx context.Context, f checkpointFlags, args []string,
	discard bool) (err error) {
	c, err := a.openCheckpoints(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	found, err := c.find(ctx, argument(args, 0))
	if err != nil {
		return err
	}
	report := verifyReport{Damaged: []damageRow{}}
	for _, s := range found {
		entries, err := s.List(ctx)
		if err != nil {
			return err
		}
		if id := argument(args, 1); id != "" {
			e, err := choose(s, entries, id)
			if err != nil {
				return err
			}
			entries = []checkpoint.Entry{e}
		}
		if err := a.verifySeries(ctx, c, s, entries, discard, &report); err != nil {
			return err
		}
	}
	if report.Checkpoints == 0 {
		return fmt.Errorf("there is no checkpoint%s to verify", c.of())
	}
	return a.tellVerified(f.asJSON, report)
}

// verifySeries verifies checkpoints of one task, and notes which are whole.
func (a *app) verifySeries(ctx context.Context, c *checkpoints, s *checkpoint.Series,
	entries []checkpoint.Entry, discard bool, report *verifyReport) error {
	bar := newProgress(a.stderr, "verify "+s.String(), 0)
	damages, err := s.Verify(ctx, entries, c.cfg.Limits, bar.set)
	bar.finish()
	if err != nil && !errors.As(err, new(*checkpoint.KeyError)) {
		return err
	}
	broken := make(map[string]bool)
	for _, d := range damages {
		broken[d.ID] = true
		report.Damaged = append(report.Damaged, damageRow{Application: s.Application(),
			Task: s.Task(), ID: d.ID, Object: d.Key, File: d.File, Reason: d.Reason})
		if discard {
			if err := s.Discard(ctx, d); err != nil {
				return err
			}
			report.Discarded = discard
		}
	}
	for _, e := range entries {
		report.Checkpoints++
		if e.Manifest != nil {
			report.Bytes += e.Manifest.Bytes()
		}
		if broken[e.ID] {
			continue
		}
		if err := e.Manifest.Locked(); err != nil {
			report.Locked = append(report.Locked, lockedRow{Application: s.Application(),
				Task: s.Task(), ID: e.ID, Reason: err.Error()})
			continue
		}
		if err := s.MarkVerified(ctx, e.ID); err != nil {
			fmt.Fprintf(a.stderr, "notice: %v\n", err) // whoever may only read verifies too
		}
	}
	return nil
}

func (a *app) tellVerified(asJSON bool, r verifyReport) error {
	var err error
	if asJSON {
		err = printJSON(a.stdout, r)
	} else {
		for _, d := range r.Damaged {
			file := ""
			if d.File != "" {
				file = " (file " + d.File + ")"
			}
			fmt.Fprintf(a.stdout, "%s/%s %s: %s%s: %s\n", d.Application, d.Task, d.ID, d.Object,
				file, d.Reason)
		}
		for _, l := range r.Locked {
			fmt.Fprintln(a.stdout, l.Reason)
		}
		fmt.Fprintf(a.stdout, "%d checkpoints of %d bytes, %d damaged or missing parts\n",
			r.Checkpoints, r.Bytes, len(r.Damaged))
		switch {
		case r.Discarded:
			fmt.Fprintln(a.stdout, "the damaged objects are deleted; the next checkpoint of a "+
				"running instance uploads again what it needs of them")
		case len(r.Damaged) > 0:
			fmt.Fprintln(a.stdout, "--discard deletes the damaged objects, so that the next "+
				"checkpoint does not build on them")
		}
	}
	if err == nil && len(r.Damaged) > 0 {
		err = &verdictError{text: "checkpoints are damaged"}
	}
	if err == nil && len(r.Locked) > 0 {
		err = &verdictError{text: "checkpoints cannot be decrypted, and were not verified"}
	}
	return err
}

func (a *app) checkpointRestore() *cobra.Command {
	var f checkpointFlags
	var to string
	cmd := &cobra.Command{
		Use:   "restore TASK [ID] --to FOLDER",
		Short: "Download a checkpoint into an empty folder, as a store",
		Long: `Download a checkpoint into a folder that is empty or not there. Sums are compared
on the way, and the folder appears only when everything in it is right; a restore
that was cut short goes on where it was. The result is a Pebble store. Without an
ID, a checkpoint that turns out to be damaged is passed over for the next older one.`,
		Example: "  pawl checkpoint restore fraud-0 --to /tmp/fraud-0 --config fraud.yaml",
		Args:    taskAndID(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return usage("--to= names no folder; give an empty one, or one that is not there")
			}
			return a.restoreCheckpoint(cmd.Context(), f, args[0], argument(args, 1), to)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the folder")
	return cmd
}

// restoreReport is the answer of `pawl checkpoint restore --json`.
type restoreReport struct {
	checkpointRow
	Folder  string   `json:"folder"`
	Seconds float64  `json:"seconds"`
	Skipped []string `json:"skipped"`
}

func (a *app) restoreCheckpoint(ctx context.Context, f checkpointFlags, task, id, to string) (
	err error) {
	c, err := a.openCheckpoints(ctx, f)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	s, err := c.one(ctx, task)
	if err != nil {
		return err
	}
	began := time.Now()
	bar := newProgress(a.stderr, "restore "+s.String(), 0)
	m, skipped, err := restoreOne(ctx, s, id, to, c.cfg.Limits, bar.set)
	bar.finish()
	if err != nil {
		for _, k := range skipped {
			fmt.Fprintf(a.stderr, "skipped: %v\n", k.Reason)
		}
		return err
	}
	report := restoreReport{checkpointRow: rowOf(s, checkpoint.Entry{ID: m.ID, Manifest: m}),
		Folder: to, Seconds: seconds(time.Since(began)), Skipped: []string{}}
	for _, k := range skipped {
		report.Skipped = append(report.Skipped, k.Reason.Error())
	}
	if f.asJSON {
		return printJSON(a.stdout, report)
	}
	for _, reason := range report.Skipped {
		fmt.Fprintf(a.stdout, "skipped: %s\n", reason)
	}
	_, err = fmt.Fprintf(a.stdout, "%s/%s %s, epoch %d: %d bytes to %s in %.1f s\n", m.Application,
		m.Task, m.ID, m.Epoch, m.Bytes(), to, report.Seconds)
	return err
}

// restoreOne restores the checkpoint that was named, or the newest that is whole.
func restoreOne(ctx context.Context, s *checkpoint.Series, id, to string, l checkpoint.Limits,
	told checkpoint.Progress) (*checkpoint.Manifest, []checkpoint.Skipped, error) {
	if id == "" {
		return s.RestoreLatest(ctx, to, nil, l, told)
	}
	entries, err := s.List(ctx)
	if err != nil {
		return nil, nil, err
	}
	e, err := choose(s, entries, id)
	if err == nil {
		err = e.Fault
	}
	if err != nil {
		return nil, nil, err
	}
	return e.Manifest, nil, s.Restore(ctx, e.Manifest, to, l, told)
}

func (a *app) checkpointPrune() *cobra.Command {
	var f checkpointFlags
	var keep, keepFor string
	var dry bool
	cmd := &cobra.Command{
		Use:   "prune [TASK]",
		Short: "Retire old checkpoints, and delete what nobody needs any more",
		Long: `Mark the checkpoints that are not kept as retired, delete those that have been so
for checkpoint.grace, and the objects that nothing names. The newest complete one
and the newest verified one always stay. It may run at any time, beside instances,
restores and other prunes, and may be stopped at any time.`,
		Example: "  pawl checkpoint prune --config fraud.yaml --keep-for 24h --dry-run",
		Args:    taskAndID(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.pruneCheckpoints(cmd.Context(), f, argument(args, 0), dry,
				settings.Flag{Name: "keep", Key: "checkpoint.keep.last", Value: keep},
				settings.Flag{Name: "keep-for", Key: "checkpoint.keep.for", Value: keepFor})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&keep, "keep", "", "checkpoint.keep.last")
	cmd.Flags().StringVar(&keepFor, "keep-for", "", "checkpoint.keep.for")
	cmd.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done")
	return cmd
}

// pruneRow is what became of one task, in JSON.
type pruneRow struct {
	Application string   `json:"application"`
	Task        string   `json:"task"`
	Kept        []string `json:"kept"`
	Retired     []string `json:"retired"`
	Deleted     []string `json:"deleted"`
	Objects     int      `json:"objects"` // deleted
	Bytes       int64    `json:"bytes"`   // of them
	Waiting     int      `json:"waiting"`
	Blocked     string   `json:"blocked,omitempty"`
	DryRun      bool     `json:"dry_run"`
}

func (a *app) pruneCheckpoints(ctx context.Context, f checkpointFlags, task string, dry bool,
	more ...settings.Flag) (err error) {
	c, err := a.openCheckpoints(ctx, f, more...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	found, err := c.find(ctx, task)
	if err != nil {
		return err
	}
	if task != "" && len(found) == 0 {
		return c.none(task)
	}
	rows := []pruneRow{}
	for _, s := range found {
		done, err := s.Prune(ctx, c.cfg.Policy, dry)
		if err != nil {
			return err
		}
		row := pruneRow{Application: s.Application(), Task: s.Task(), Kept: orNone(done.Kept),
			Retired: orNone(done.Retired), Deleted: orNone(done.Deleted), Objects: done.Objects,
			Bytes: done.Bytes, Waiting: done.Waiting, DryRun: dry}
		if done.Blocked != nil {
			row.Blocked = done.Blocked.Error()
		}
		rows = append(rows, row)
		if !f.asJSON {
			a.tellPruned(s, row)
		}
	}
	if f.asJSON {
		return printJSON(a.stdout, rows)
	}
	return nil
}

func (a *app) tellPruned(s *checkpoint.Series, r pruneRow) {
	would := ""
	if r.DryRun {
		would = "would be "
	}
	fmt.Fprintf(a.stdout, "%s: %d kept, %d %sretired, %d checkpoints and %d objects of %d bytes "+
		"%sdeleted, %d objects wait for the grace to end\n", s, len(r.Kept), len(r.Retired), would,
		len(r.Deleted), r.Objects, r.Bytes, would, r.Waiting)
	if r.Blocked != "" {
		fmt.Fprintf(a.stdout, "%s: %s\n", s, r.Blocked)
	}
}

// orNone is a list that JSON shows as one, though it is empty.
func orNone(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
