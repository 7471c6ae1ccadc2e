package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"pawl/checkpoint"
	"pawl/internal/settings"
	"pawl/query/past"
)

// checkpointFlags are the flags of all commands on checkpoints.
type checkpointFlags struct {
	source      sourceFlags
	url         string
	application string
	asJSON      bool
}

func (f *checkpointFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.source.file, "config", "", "YAML file with settings")
	cmd.Flags().StringArrayVar(&f.source.sets, "set", nil, "one setting as key=value; "+
		"may be repeated")
	cmd.Flags().StringVar(&f.url, "url", "", "checkpoint.url")
	cmd.Flags().StringVar(&f.application, "application", "",
		"only this application; default the settings' application.id, or all")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

func (a *app) checkpoint() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "checkpoint COMMAND",
		Short: "Take, look at, verify, restore and prune checkpoints",
		Long: `Work with the checkpoints of tasks in a folder or an object store. No cluster is
contacted, and nothing needs to run or to be stopped, but for now: that asks a
running instance to take checkpoints at once.

A TASK is PIPELINE-PARTITION, as in fraud-0. An ID is what list prints, or the
epoch, as long as one checkpoint of the task has it; default the newest that is
complete. Credentials of object stores come from where their own tools take them:
the environment, a profile, the machine's role. What is encrypted is read with
checkpoint.encryption.key; list, show and prune do without.`,
		Example: `  pawl checkpoint list --config fraud.yaml
  pawl checkpoint verify --url 's3://bucket?region=eu-west-1&prefix=pawl'
  pawl checkpoint restore fraud-0 --to /tmp/fraud-0 --url file:///mnt/checkpoints`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("command %q is unknown; see %s --help", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.checkpointList(), a.checkpointShow(), a.checkpointVerify(),
		a.checkpointRestore(), a.checkpointPrune(), a.checkpointNow())
	return cmd
}

// checkpoints is opened storage and what the settings say of it.
type checkpoints struct {
	checkpoint.Target
	cfg         checkpoint.Config
	application string // or "" for all
}

// openCheckpoints reads the settings and opens the storage they name.
func (a *app) openCheckpoints(ctx context.Context, f checkpointFlags, more ...settings.Flag) (
	*checkpoints, error) {
	more = append(more, settings.Flag{Name: "url", Key: "checkpoint.url", Value: f.url})
	s, _, err := judge(a.sources(f.source, more...), nil, whatIsGiven)
	if err != nil {
		return nil, err
	}
	a.notices(s)
	c := &checkpoints{cfg: s.Checkpoint(), application: f.application}
	if c.application == "" {
		c.application = s.Text("application.id")
	}
	if c.cfg.URL == "" {
		return nil, settings.Faults{{Key: "checkpoint.url", Source: "default",
			What: "no storage is named; give --url, or --config with a file that does"}}
	}
	if c.Target, err = c.cfg.Open(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// find gives the tasks that were asked for: those of the application with the name, or all.
func (c *checkpoints) find(ctx context.Context, task string) ([]*checkpoint.Series, error) {
	all, err := checkpoint.Find(ctx, c)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(s *checkpoint.Series) bool {
		return c.application != "" && s.Application() != c.application ||
			task != "" && s.Task() != task
	}), nil
}

// none refuses a task without checkpoints.
func (c *checkpoints) none(task string) error {
	return fmt.Errorf("task %s has no checkpoints%s; pawl checkpoint list shows who has", task,
		c.of())
}

// one gives the only task of that name.
func (c *checkpoints) one(ctx context.Context, task string) (*checkpoint.Series, error) {
	found, err := c.find(ctx, task)
	if err != nil {
		return nil, err
	}
	switch len(found) {
	case 0:
		return nil, c.none(task)
	case 1:
		return found[0], nil
	}
	var names []string
	for _, s := range found {
		names = append(names, s.Application())
	}
	return nil, usage("task %s is one of the applications %s; choose with --application", task,
		strings.Join(names, ", "))
}

// of says whose checkpoints are looked for.
func (c *checkpoints) of() string {
	if c.application == "" {
		return ""
	}
	return " of application " + c.application
}

// choose gives the entries that an argument names: an id, an epoch, or the newest complete one.
func choose(s *checkpoint.Series, all []checkpoint.Entry, name string) (checkpoint.Entry, error) {
	var found []checkpoint.Entry
	for _, e := range all {
		switch {
		case name == "" && e.Complete():
			return e, nil
		case name == e.ID:
			return e, nil
		case name != "" && name == strconv.FormatInt(past.EpochOf(e), 10):
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case len(found) > 1:
		var ids []string
		for _, e := range found {
			ids = append(ids, e.ID)
		}
		return checkpoint.Entry{}, usage("epoch %s of %s has several checkpoints; give one of %s",
			name, s, strings.Join(ids, ", "))
	case name == "":
		return checkpoint.Entry{}, fmt.Errorf("%s has no complete checkpoint; pawl checkpoint "+
			"list shows what is wrong", s)
	}
	return checkpoint.Entry{}, fmt.Errorf("%s has no checkpoint %s; pawl checkpoint list shows "+
		"which it has", s, name)
}

// taskAndID takes an optional TASK and, after it, an optional ID.
func taskAndID(atLeast, atMost int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < atLeast {
			return usage("%s needs a TASK; see %s --help", cmd.CommandPath(), cmd.CommandPath())
		}
		if len(args) > atMost {
			return usage("%s takes no argument %q; see %s --help", cmd.CommandPath(), args[atMost],
				cmd.CommandPath())
		}
		return nil
	}
}

// argument is the i-th one, or "".
func argument(args []string, i int) string {
	if i < len(args) {
		return args[i]
	}
	return ""
}

// printJSON prints a value for programs.
func printJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}
