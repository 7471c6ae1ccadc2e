package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/processor"
	"pawl/query"
	"pawl/statestore"
)

// stateFlags are the flags of the commands that read a store.
type stateFlags struct {
	source      sourceFlags
	from        string
	http        string
	url         string
	application string
	pipeline    string
	task        string
	rest        string
	prefix      string
	epoch       int64
	asOf        string
	limit       int64
	raw         bool

	stood func(stateStanding) // told where the tasks stood; may be nil
}

func (f *stateFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	flags := cmd.Flags()
	flags.StringVar(&f.from, "from", "", "live, changelog, checkpoint, checkpoint:ID or a folder; "+
		"default live when it answers, else changelog")
	flags.StringVar(&f.http, "http", "", "address of a live instance; default http.listen")
	flags.StringVar(&f.url, "url", "", "checkpoint.url")
	flags.StringVar(&f.application, "application", "", "application.id")
	flags.StringVar(&f.pipeline, "pipeline", "", "whose store it is; default the one that has it")
	flags.StringVar(&f.task, "task", "", "this task only, such as fraud-0")
	flags.Int64Var(&f.epoch, "epoch", 0, "as of this epoch of the task, from the changelog")
	flags.StringVar(&f.asOf, "as-of", "", "as of this time, from the changelog: RFC 3339")
	flags.BoolVar(&f.raw, "raw", false, "values as they are stored, base64")
}

func (a *app) state() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state COMMAND",
		Short: "Read committed state: live, from the changelog, a checkpoint or a folder",
		Long: `Read what an application has committed, as JSON lines {"key", "value"}. A key of
several elements is an array; rows of windows also have the "time" they begin at.
Rows come task by task, each in order of keys. Where the tasks stand is told on
standard error.

From where (--from):
  live            a running application's HTTP API, any instance of it
  changelog       the topic, read committed to the last position record; whole, so
                  that it is compared with the position record's digest. --epoch or
                  --as-of reads an earlier state, as long as compaction has left it
  checkpoint[:ID] the newest complete one, or that one, of each task; no cluster
  FOLDER          a task's store, or an application's folder of them, that no
                  process has open; no cluster`,
		Example: `  pawl state get velocity user-17 --config fraud.yaml
  pawl state scan velocity --prefix user-1 --limit 20 --http 127.0.0.1:8080
  pawl state export velocity --from checkpoint --to velocity.jsonl --config fraud.yaml
  pawl state doctor fraud --config fraud.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("command %q is unknown; see %s --help", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.stateGet(), a.stateScan(), a.stateExport(), a.stateDoctor())
	return cmd
}

func (a *app) stateGet() *cobra.Command {
	var f stateFlags
	cmd := &cobra.Command{
		Use:   "get STORE KEY",
		Short: "Print the value of one key",
		Long: `Print the value of one key. KEY is the record's key; where stored keys have further
elements, --rest gives them as a JSON array.

Exit 1 when there is no such key.`,
		Example: "  pawl state get velocity user-17 --config fraud.yaml\n" +
			"  pawl state get velocity-nodes user-17 --rest '[0,26577]' --config fraud.yaml",
		Args: arguments("STORE and a KEY", 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := query.ParseKey(statestore.Key(nil).String(args[1]), f.rest)
			if err != nil {
				return usage("--rest=%v", err)
			}
			n := 0
			err = a.readState(cmd.Context(), &f, args[0], &stateWant{key: key, record: args[1]},
				func(r stateRow) error { n++; return a.printRow(r) })
			if err == nil && n == 0 {
				return fmt.Errorf("store %s has no key %s", args[0], args[1])
			}
			return err
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.rest, "rest", "[]", "further elements of the key, a JSON array")
	return cmd
}

func (a *app) stateScan() *cobra.Command {
	var f stateFlags
	cmd := &cobra.Command{
		Use:     "scan STORE",
		Short:   "Print the rows of a store",
		Long:    "Print the rows of a store, or those whose key begins with --prefix.",
		Example: "  pawl state scan velocity --limit 10 --config fraud.yaml",
		Args:    arguments("STORE", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.limit < 0 {
				return usage("--limit=%d is negative; give 0 for all", f.limit)
			}
			return a.readState(cmd.Context(), &f, args[0],
				&stateWant{prefix: f.prefix, limit: f.limit}, a.printRow)
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "only keys that begin with it")
	cmd.Flags().Int64Var(&f.limit, "limit", 0, "at most so many rows, 0 for all")
	return cmd
}

// arguments demands so many.
func arguments(what string, n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s needs a %s; see %s --help", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}

// stateWant is what is read of a store.
type stateWant struct {
	pipeline string
	table    processor.TableInfo
	key      statestore.Key // nil for more than one
	record   string         // the first element of key
	prefix   string
	limit    int64 // 0 for all
	task     string
	epoch    int64     // 0 for the last
	asOf     time.Time // zero for the last
	raw      bool
}

// bounds are the keys wanted, with the table's name before them.
func (w *stateWant) bounds() (from, to []byte) {
	prefix := statestore.Key(nil).String(w.table.Name)
	switch {
	case w.key != nil:
		from = append(slices.Clone(prefix), w.key...)
		return from, append(slices.Clone(from), 0)
	case w.prefix != "":
		first, last := query.Prefixed(w.prefix)
		return append(slices.Clone(prefix), first...), append(prefix, last...)
	}
	return prefix, prefix.End()
}

// readState finds where the state is to be had and reads it.
func (a *app) readState(ctx context.Context, f *stateFlags, store string, w *stateWant,
	row func(stateRow) error) error {
	own := []settings.Flag{{Name: "url", Key: "checkpoint.url", Value: f.url},
		{Name: "application", Key: "application.id", Value: f.application}}
	s, _, err := judge(a.sources(f.source, own...), nil, whatIsGiven)
	if err == nil {
		err = f.settle(s, store, w)
	}
	if err != nil {
		return err
	}
	a.notices(s)
	source, err := a.stateSource(ctx, s, f, w)
	if err != nil {
		return err
	}
	left := w.limit
	err = source.read(ctx, w, func(r stateRow) error {
		if err := row(r); err != nil {
			return err
		}
		if left--; left == 0 {
			return errEnough
		}
		return nil
	}, func(at stateStanding) {
		fmt.Fprintln(a.stderr, at)
		if f.stood != nil {
			f.stood(at)
		}
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// errEnough ends a read that has what was asked for.
var errEnough = errors.New("enough")

// stateSource is where state is read.
type stateSource interface {
	// read calls row for what is wanted, and stand for each task when it is through.
	read(ctx context.Context, w *stateWant, row func(stateRow) error,
		stand func(stateStanding)) error
}

// settle fills in what is wanted from flags and settings.
func (f *stateFlags) settle(s *settings.Settings, store string, w *stateWant) error {
	w.task, w.raw, w.epoch = f.task, f.raw, f.epoch
	if f.epoch < 0 {
		return usage("--epoch=%d is negative; epochs count from 1", f.epoch)
	}
	if f.asOf != "" {
		at, err := time.Parse(time.RFC3339, f.asOf)
		if err != nil {
			return usage("--as-of=%s is not a time; write for example 2026-01-02T15:04:05Z", f.asOf)
		}
		w.asOf = at
	}
	past := f.epoch > 0 || f.asOf != ""
	switch {
	case f.epoch > 0 && f.asOf != "":
		return usage("--epoch and --as-of exclude each other; give one")
	case past && f.from != "" && f.from != "changelog":
		return usage("--from=%s with --epoch or --as-of: only the changelog has earlier states",
			f.from)
	case f.epoch > 0 && f.task == "" && w.key == nil:
		return usage("--epoch=%d without --task: each task counts its own epochs", f.epoch)
	}
	var owners, stores []string
	for _, p := range pipelines() {
		if f.pipeline != "" && p.name != f.pipeline {
			continue
		}
		for _, t := range p.build(s).Tables() {
			stores = append(stores, t.Name)
			if t.Name == store {
				owners = append(owners, p.name)
				w.pipeline, w.table = p.name, t
			}
		}
	}
	switch {
	case len(stores) == 0:
		return usage("--pipeline=%s is unknown; %s", f.pipeline, knownPipelines())
	case len(owners) == 0:
		return usage("store %q is unknown; use %s", store, strings.Join(stores, ", "))
	case len(owners) > 1:
		return usage("store %s is one of %s; choose with --pipeline", store,
			strings.Join(owners, ", "))
	case w.table.Timers && (w.key != nil || w.prefix != ""):
		return usage("the keys of %s begin with a time; use scan without --prefix", store)
	}
	return nil
}

// partition is that of a task's name.
func (w *stateWant) partition() (int32, error) {
	digits, ok := strings.CutPrefix(w.task, w.pipeline+"-")
	n, err := strconv.ParseInt(digits, 10, 32)
	if !ok || err != nil || n < 0 {
		return 0, usage("--task=%s is no task of %s; use %s-0 and so on", w.task, w.pipeline,
			w.pipeline)
	}
	return int32(n), nil
}

// tasks are the partitions to read, of so many.
func (w *stateWant) tasks(of int32) ([]int32, error) {
	switch {
	case w.task != "":
		p, err := w.partition()
		if err == nil && p >= of {
			err = usage("--task=%s: %s has %d tasks", w.task, w.pipeline, of)
		}
		return []int32{p}, err
	case w.key != nil && !w.table.Global:
		return []int32{processor.PartitionOf([]byte(w.record), of)}, nil
	case w.table.Global:
		return []int32{0}, nil
	}
	all := make([]int32, of)
	for i := range all {
		all[i] = int32(i)
	}
	return all, nil
}

// stateSource chooses by --from.
func (a *app) stateSource(ctx context.Context, s *settings.Settings, f *stateFlags, w *stateWant) (
	stateSource, error) {
	kind, id, _ := strings.Cut(f.from, ":")
	switch {
	case f.from == "live" || f.from == "" && f.http != "":
		return liveAt(s, f.http)
	case f.from == "changelog" || f.from == "" && (w.epoch > 0 || !w.asOf.IsZero()):
		return a.changelogOf(s)
	case kind == "checkpoint":
		return &stateCheckpoints{app: a, settings: s, id: id}, nil
	case f.from != "":
		return stateFolder{f.from}, nil
	}
	live, err := liveAt(s, "")
	if err == nil && live.answers(ctx, s.Text("application.id"), w.pipeline) {
		return live, nil
	}
	return a.changelogOf(s)
}
