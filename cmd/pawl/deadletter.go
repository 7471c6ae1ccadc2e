package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/deadletter"
	"pawl/internal/settings"
)

// deadletterFlags are the flags of all commands on dead letters.
type deadletterFlags struct {
	source      sourceFlags
	application string
	asJSON      bool

	// Which ones.
	exception, topic, state string
	since, until            string

	// What is done with them.
	all, execute, dryRun bool
	report, reason       string
	maxAttempts, batch   int
}

func (f *deadletterFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	cmd.Flags().StringVar(&f.application, "application", "", "application.id")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

func (f *deadletterFlags) addFilter(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.exception, "exception", "", "only this one, such as DecodeError")
	flags.StringVar(&f.topic, "topic", "", "only records of this input topic")
	flags.StringVar(&f.since, "since", "", "only records of this time or later: "+
		"2026-11-21T10:00:00 (UTC), or so long ago, 90m")
	flags.StringVar(&f.until, "until", "", "only records before this time")
}

func (f *deadletterFlags) addWork(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.all, "all", false, "all that the filters want and nothing was done with yet")
	flags.BoolVar(&f.execute, "execute", false, "with --all: do it; otherwise it is only told")
	flags.BoolVar(&f.dryRun, "dry-run", false, "only tell what would be done (with --all the "+
		"default)")
	flags.IntVar(&f.batch, "batch", 100, "dead letters in one transaction")
	flags.StringVar(&f.report, "report", "", "write the result as JSON to this file")
}

func (a *app) deadletter() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "deadletter COMMAND",
		Short: "Look at dead letters, retry them exactly once, or discard them",
		Long: `A record that breaks a rule of its input goes to <application.id>-dlq, with the reason
in headers. list and show tell what is there; retry puts records back where they
died, discard says that nobody wants them any more. The application may run, or not.

A dead letter is named TOPIC:PARTITION:OFFSET, which is where it stands on the
dead-letter topic. What was done with which is kept on the compacted topic
<application.id>-dead-letters-handled: do not delete it.`,
		Example: `  pawl deadletter list --config fraud.yaml --exception DecodeError --since 24h
  pawl deadletter show fraud-dlq:0:17 --config fraud.yaml
  pawl deadletter retry fraud-dlq:0:17 --config fraud.yaml
  pawl deadletter retry --all --exception UnknownSchema --config fraud.yaml --execute
  pawl deadletter discard fraud-dlq:0:18 --reason 'test data' --config fraud.yaml`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return usage("command %q is unknown; see %s --help", args[0], cmd.CommandPath())
		},
	}
	cmd.AddCommand(a.deadletterList(), a.deadletterShow(), a.deadletterRetry(),
		a.deadletterDiscard())
	return cmd
}

func (a *app) deadletterList() *cobra.Command {
	var f deadletterFlags
	var limit int
	var values bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List dead letters, the newest records first",
		Long: `List dead letters, those with the newest records first. SOURCE is where the record
stood when it died, ATTEMPT how often it was tried.

Exit 0; 1 when the topic does not exist or cannot be read.`,
		Example: `  pawl deadletter list --config fraud.yaml --since 2h --values
  pawl deadletter list --config fraud.yaml --state dead --limit 0 --json`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter, err := f.filter(time.Now())
			if err != nil {
				return err
			}
			if limit < 0 {
				return usage("--limit=%d is negative; give 0 for all", limit)
			}
			return a.atDesk(cmd.Context(), &f, "reading", nil,
				func(ctx context.Context, d *deadletter.Desk) (func() error, error) {
					page, err := d.List(ctx, filter, deadletter.ListOptions{Limit: limit,
						Values: values})
					return func() error { return a.tellLetters(page, f.asJSON, values) }, err
				})
		},
	}
	f.add(cmd)
	f.addFilter(cmd)
	cmd.Flags().StringVar(&f.state, "state", "", "only those that are dead, retried or discarded")
	cmd.Flags().IntVar(&limit, "limit", 100, "at most so many, 0 for all")
	cmd.Flags().BoolVar(&values, "values", false, "values too, decoded where the schema is known")
	return cmd
}

func (a *app) deadletterShow() *cobra.Command {
	var f deadletterFlags
	cmd := &cobra.Command{
		Use:     "show ID",
		Short:   "Print one dead letter: why, from where, headers, bytes, the decoded value",
		Long:    "Print one dead letter whole. Exit 1 when there is none of that name.",
		Example: "  pawl deadletter show fraud-dlq:0:17 --config fraud.yaml --json",
		Args:    arguments("dead letter's ID", 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := deadletter.ParseID(args[0])
			if err != nil {
				return usage("%v", err)
			}
			return a.atDesk(cmd.Context(), &f, "", nil,
				func(ctx context.Context, d *deadletter.Desk) (func() error, error) {
					detail, err := d.Show(ctx, id)
					return func() error { return a.tellLetter(detail, f.asJSON) }, err
				})
		},
	}
	f.add(cmd)
	return cmd
}

func (a *app) deadletterRetry() *cobra.Command {
	var f deadletterFlags
	cmd := &cobra.Command{
		Use:   "retry ID… | --all",
		Short: "Put records back where they died, each exactly once",
		Long: `Put the records of dead letters back on their input: key, value, timestamp and headers
as they came, on the partition that they had, and the headers pawl.attempt and
pawl.retried.from. They are read after what came meanwhile, so that some may be late.
One that breaks a rule again becomes another dead letter, with one attempt more;
from --max-attempts on it is refused.

Records and what says that they were retried are one transaction: killed at any
moment, the command can be run again and does what is not done yet. What was retried
before is left alone. Everyone else who reads the input topic sees the record a
second time, and can tell it by pawl.retried.from.

IDs are done at once; --all only tells what it would do, until --execute is given.

Exit 0 when all that was asked for is done, now or before; 1 when something was
refused, or failed.`,
		Example: `  pawl deadletter retry fraud-dlq:0:17 fraud-dlq:2:5 --config fraud.yaml
  pawl deadletter retry --all --exception UnknownSchema --since 24h --config fraud.yaml
  pawl deadletter retry --all --exception UnknownSchema --since 24h --config fraud.yaml \
      --execute`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.maxAttempts < 1 {
				return usage("--max-attempts=%d is below 1", f.maxAttempts)
			}
			return a.handleLetters(cmd.Context(), &f, args, "retrying",
				func(ctx context.Context, d *deadletter.Desk, s deadletter.Selection, dry bool) (
					*deadletter.Result, error) {
					return d.Retry(ctx, s, f.maxAttempts, dry)
				})
		},
	}
	f.add(cmd)
	f.addFilter(cmd)
	f.addWork(cmd)
	cmd.Flags().IntVar(&f.maxAttempts, "max-attempts", deadletter.DefaultMaxAttempts,
		"how often a record is tried at most, the first time included")
	return cmd
}

func (a *app) deadletterDiscard() *cobra.Command {
	var f deadletterFlags
	cmd := &cobra.Command{
		Use:   "discard ID… | --all",
		Short: "Mark dead letters as done with, and say why",
		Long: `Mark dead letters as done with: they are listed as discarded and are not retried any
more. Their bytes stay on the dead-letter topic for as long as it keeps them.

IDs are done at once; --all only tells what it would do, until --execute is given.

Exit 0 when all that was asked for is done, now or before; 1 when something was
refused (what was retried cannot be discarded), or failed.`,
		Example: `  pawl deadletter discard fraud-dlq:0:18 --reason 'test data' --config fraud.yaml
  pawl deadletter discard --all --exception DecodeError --until 2026-11-01 \
      --reason 'ticket 4711' --config fraud.yaml --execute`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.TrimSpace(f.reason) == "" {
				return usage("--reason is missing; say why nobody wants these records")
			}
			return a.handleLetters(cmd.Context(), &f, args, "discarding",
				func(ctx context.Context, d *deadletter.Desk, s deadletter.Selection, dry bool) (
					*deadletter.Result, error) {
					return d.Discard(ctx, s, f.reason, dry)
				})
		},
	}
	f.add(cmd)
	f.addFilter(cmd)
	f.addWork(cmd)
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; kept with the mark")
	return cmd
}

// filter reads the flags.
func (f *deadletterFlags) filter(now time.Time) (filter deadletter.Filter, err error) {
	filter = deadletter.Filter{Exception: f.exception, Topic: f.topic,
		State: deadletter.State(f.state)}
	switch filter.State {
	case "", deadletter.Dead, deadletter.Retried, deadletter.Discarded:
	default:
		return filter, usage("--state=%s is unknown; use dead, retried or discarded", f.state)
	}
	if filter.Since, err = timeOrAge("since", f.since, now); err == nil {
		filter.Until, err = timeOrAge("until", f.until, now)
	}
	return filter, err
}

// timeOrAge reads a time, or how long ago it is; "" is none.
func timeOrAge(flag, text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := parseSpan(text); err == nil {
		return now.Add(-d), nil
	}
	t, err := parseTime(text)
	if err != nil {
		return t, usage("--%s=%s is neither a time nor a duration; write for example "+
			"2026-11-21T10:00:00 or 90m", flag, text)
	}
	return t, nil
}

// selection reads what is to be handled, and whether it is only told.
func (f *deadletterFlags) selection(args []string, now time.Time) (s deadletter.Selection,
	dry bool, err error) {
	switch {
	case f.all == (len(args) > 0):
		return s, false, usage("give either IDs, as pawl deadletter list prints them, or --all")
	case f.execute && f.dryRun:
		return s, false, usage("--execute and --dry-run exclude each other; give one")
	case f.batch < 1:
		return s, false, usage("--batch=%d is below 1", f.batch)
	case !f.all && f.exception+f.topic+f.since+f.until != "":
		return s, false, usage("filters go with --all; an ID needs none")
	}
	f.state = string(deadletter.Dead)
	filter, err := f.filter(now)
	if f.all {
		s.Filter = &filter
		return s, !f.execute, err
	}
	for _, arg := range args {
		id, err := deadletter.ParseID(arg)
		if err != nil {
			return s, false, usage("%v", err)
		}
		s.IDs = append(s.IDs, id)
	}
	return s, f.dryRun, err
}

func (a *app) handleLetters(ctx context.Context, f *deadletterFlags, args []string, doing string,
	act func(context.Context, *deadletter.Desk, deadletter.Selection, bool) (*deadletter.Result,
		error)) error {
	s, dry, err := f.selection(args, time.Now())
	if err == nil {
		err = checkReportPath(f.report)
	}
	kill, killErr := parseKillAt(a.environ)
	if err := joinFaults(err, killErr); err != nil {
		return err
	}
	if !f.all {
		doing = ""
	}
	return a.atDesk(ctx, f, doing, kill,
		func(ctx context.Context, d *deadletter.Desk) (func() error, error) {
			result, err := act(ctx, d, s, dry)
			return func() error { return a.tellHandled(f, result) }, err
		})
}

// atDesk opens an application's desk, has work done there, and then tells of it. doing names the
// progress, "" for none.
func (a *app) atDesk(ctx context.Context, f *deadletterFlags, doing string, kill *killAt,
	work func(context.Context, *deadletter.Desk) (tell func() error, err error)) error {
	needs := func(f *settings.Fault) bool {
		return whatIsGiven(f) || f.Key == "bootstrap.servers" || f.Key == "application.id"
	}
	s, cfg, err := judge(a.sources(f.source, settings.Flag{Name: "application",
		Key: "application.id", Value: f.application}), nil, needs)
	if err != nil {
		return err
	}
	a.notices(s)
	c := givenCluster(s)
	o := deadletter.Options{ApplicationID: cfg.ApplicationID, Kafka: c.options(),
		KeepTopics: cfg.KeepTopics, ReplicationFactor: cfg.ReplicationFactor,
		TransactionTimeout: cfg.TransactionTimeout, Batch: f.batch}
	if c.registry.URL != "" {
		o.Registry = c.schemas()
	}
	if kill != nil {
		fmt.Fprintln(a.stderr, kill.warning())
		o.Passed = kill.pass
	}
	err = c.topicsExist(ctx, []string{deadletter.Topic(cfg.ApplicationID)},
		s.Duration("startup.timeout"))
	if err != nil {
		return err
	}
	finish := func() {}
	if doing != "" {
		bar := newProgress(a.stderr, doing+" "+deadletter.Topic(cfg.ApplicationID), 0)
		o.Progress, finish = bar.set, bar.finish
	}
	d, err := deadletter.Open(o)
	if err != nil {
		return err
	}
	defer d.Close()
	tell, err := work(ctx, d)
	finish()
	if err != nil {
		return err
	}
	return tell()
}
