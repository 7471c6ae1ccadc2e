package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/replay"
)

// replayOptions are the flags of `pawl replay`.
type replayOptions struct {
	flags    sourceFlags
	point    pointFlags
	id       string
	inPlace  bool
	promote  string
	cleanup  bool
	execute  bool
	dryRun   bool
	failing  bool
	report   string
	html     string
	asJSON   bool
	pipeline pipeline
}

func (a *app) replay() *cobra.Command {
	var o replayOptions
	cmd := &cobra.Command{
		Use:   "replay PIPELINE",
		Short: "Process a stretch of history again beside production, or go back to a point in it",
		Long: `After an incident: process again what an application has processed since a point,
and see whether the result is the same, or go back and do it again for good. Without
--execute the plan is printed and nothing is changed.

The point is said with Kafka's words or by a checkpoint; each task begins with the
newest state at or before it: a checkpoint, an epoch that the changelog can still
tell, or nothing at the beginning of the inputs.

  shadow, the default
      Isolated topics NAME.replay-ID get what comes out; production is left alone and
      may run. Then all outputs, dead letters, late records and state are compared.
      --set and --config may differ from production's, and so may this binary.
  --in-place
      The application, which must be stopped, is taken back: state, offsets and
      watermark of all tasks in one transaction. When it is started again it processes
      everything since the point again; outputs then carry the task's incarnation as
      the fifth number of pawl.src, so that consumers can tell them.
  --promote ID
      The shadow ID, finished on this machine, reads on to where the application was
      stopped, and its state becomes the application's, in one transaction.
  --cleanup
      Delete the topics and files of the replay --id; without --execute they are named.

A replay that was interrupted is started again with the same command and --id; going
back leaves the old state or the new one, whenever it dies.

Exit 0 done, or planned; 3 the shadow differs and --fail-on-difference is given; 2 a
flag or setting is wrong; 1 anything else, such as instances that still run.`,
		Example: `  pawl replay fraud --config fraud.yaml --by-duration 1h
  pawl replay fraud --config fraud.yaml --by-duration 1h --execute --html replay.html
  pawl replay fraud --config fraud.yaml --from-checkpoint latest --set fraud.max.count=4 \
      --id stricter --execute
  pawl replay fraud --config fraud.yaml --set fraud.max.count=4 --promote stricter --execute
  pawl replay fraud --config fraud.yaml --to-datetime 2026-11-21T10:00:00 --in-place --execute`,
		Args: onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			var err error
			if o.pipeline, err = pipelineNamed(args[0]); err != nil {
				return err
			}
			return a.runReplay(cmd.Context(), o)
		},
	}
	o.flags.add(cmd)
	o.point.add(cmd)
	f := cmd.Flags()
	f.StringVar(&o.id, "id", "", "name of the replay, in its topics and folder; default the time")
	f.BoolVar(&o.inPlace, "in-place", false, "take the stopped application back")
	f.StringVar(&o.promote, "promote", "", "let this shadow take the stopped application's place")
	f.BoolVar(&o.cleanup, "cleanup", false, "delete the topics and files of --id")
	f.BoolVar(&o.execute, "execute", false, "do it; otherwise only the plan is printed")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan (the default)")
	f.BoolVar(&o.failing, "fail-on-difference", false, "exit 3 when the shadow differs")
	f.StringVar(&o.report, "report", "", "write the plan or the result as JSON to this file")
	f.StringVar(&o.html, "html", "", "write the shadow's result as a page to this file")
	f.BoolVar(&o.asJSON, "json", false, "print JSON instead of text")
	return cmd
}

// check refuses flags that do not go together.
func (o *replayOptions) check() error {
	modes := 0
	for _, on := range []bool{o.inPlace, o.promote != "", o.cleanup} {
		if on {
			modes++
		}
	}
	switch {
	case modes > 1:
		return usage("--in-place, --promote and --cleanup exclude each other; give one")
	case o.execute && o.dryRun:
		return usage("--execute and --dry-run exclude each other; give one")
	case o.cleanup && o.id == "":
		return usage("--cleanup needs the --id of the replay")
	case o.promote != "" && o.id != "":
		return usage("--promote=%s names the replay already; leave out --id", o.promote)
	case (o.promote != "" || o.cleanup) && o.point.some():
		return usage("--promote and --cleanup take no point to begin at")
	case o.html != "" && (modes > 0 || !o.execute):
		return usage("--html is for the result of a shadow; give it with --execute alone")
	}
	if o.promote != "" {
		o.id = o.promote
	}
	if o.id == "" {
		o.id = time.Now().UTC().Format("20060102-150405")
	}
	if err := replay.CheckID(o.id); err != nil {
		return usage("--id: %v", err)
	}
	for _, path := range []string{o.report, o.html} {
		if err := checkReportPath(path); err != nil {
			return err
		}
	}
	return nil
}

// aReplay is what a replay needs of the settings.
func aReplay(f *settings.Fault) bool { return anApplication(f) || f.Key == "state.dir" }

func (a *app) runReplay(ctx context.Context, o replayOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	point, err := o.point.point(time.Now())
	if err != nil {
		return err
	}
	if o.promote == "" && !o.cleanup {
		if err := point.Validate(); err != nil {
			return usage("%v; see pawl replay --help", err)
		}
	}
	s, cfg, err := judge(a.sources(o.flags), []pipeline{o.pipeline}, aReplay)
	kill, killErr := parseKillAt(a.environ)
	if err := joinFaults(err, killErr); err != nil {
		return err
	}
	a.notices(s)
	show := &stages{out: a.stdout}
	if o.asJSON {
		show.out = a.stderr
	}
	ro := replay.Options{Config: cfg, Pipeline: o.pipeline.build(s), ID: o.id, Point: point,
		Settings: settingsOf(s, o.pipeline),
		Limits:   s.Checkpoint().Limits, Progress: show.set}
	if kill != nil {
		fmt.Fprintln(a.stderr, kill.warning())
		ro.Passed = kill.pass
	}
	if copies := s.Checkpoint(); copies.URL != "" {
		if ro.Checkpoints, err = copies.Open(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ro.Checkpoints.Close()) }()
	}
	err = a.doReplay(ctx, o, ro, show)
	return interruptedReplay(ctx, err, o)
}

// interruptedReplay says after Ctrl-C how a replay is begun again.
func interruptedReplay(ctx context.Context, err error, o replayOptions) error {
	switch {
	case ctx.Err() == nil || !errors.Is(err, context.Canceled):
		return err
	case !o.execute:
		return errors.New("interrupted; nothing was changed")
	case o.inPlace || o.promote != "" || o.cleanup:
		return errors.New("interrupted; run the same command again")
	}
	return fmt.Errorf("interrupted; the same command with --id %s begins the replay again, and "+
		"--cleanup --id %[1]s --execute deletes what it left", o.id)
}

// settingsOf are the settings that bear on what a pipeline does with a record.
func settingsOf(s *settings.Settings, p pipeline) map[string]string {
	own := make(map[string]string)
	for _, e := range s.Effective() {
		if strings.HasPrefix(e.Name, p.name+".") || e.Name == "max.out.of.orderness" ||
			e.Name == "max.future.skew" {
			own[e.Name] = e.Value
		}
	}
	return own
}

func (a *app) doReplay(ctx context.Context, o replayOptions, ro replay.Options,
	show *stages) error {
	switch {
	case o.cleanup:
		return a.cleanReplay(ctx, o, ro)
	case !o.execute:
		return a.planReplay(ctx, o, ro)
	case o.inPlace, o.promote != "":
		turn := replay.Back
		if o.promote != "" {
			turn = replay.Promote
		}
		done, err := turn(ctx, ro)
		show.finish()
		if err != nil {
			return err
		}
		if err := writeReport(o.report, done); err != nil {
			return err
		}
		if o.asJSON {
			return printJSON(a.stdout, done)
		}
		return printTurned(a.stdout, done)
	}
	r, err := replay.Shadow(ctx, ro)
	show.finish()
	if err != nil {
		return err
	}
	return a.tellShadow(o, r)
}

// tellShadow prints and writes what a shadow found.
func (a *app) tellShadow(o replayOptions, r *replay.Report) error {
	if err := writeReport(o.report, r); err != nil {
		return err
	}
	if o.html != "" {
		f, err := os.Create(o.html)
		if err != nil {
			return fmt.Errorf("write the page: %w", err)
		}
		if err := errors.Join(r.WritePage(f), f.Close()); err != nil {
			return err
		}
	}
	var err error
	if o.asJSON {
		err = printJSON(a.stdout, r)
	} else {
		err = printShadow(a.stdout, r)
	}
	if err == nil && !r.Identical && o.failing {
		err = &differenceError{}
	}
	return err
}

func (a *app) planReplay(ctx context.Context, o replayOptions, ro replay.Options) error {
	plan := replay.PlanShadow
	switch {
	case o.inPlace:
		plan = replay.PlanBack
	case o.promote != "":
		plan = replay.PlanPromote
	}
	p, err := plan(ctx, ro)
	if err != nil {
		return err
	}
	if err := writeReport(o.report, p); err != nil {
		return err
	}
	if o.asJSON {
		return printJSON(a.stdout, p)
	}
	return printReplayPlan(a.stdout, p)
}

func (a *app) cleanReplay(ctx context.Context, o replayOptions, ro replay.Options) error {
	found, err := replay.Clean(ctx, ro, !o.execute)
	if err != nil {
		return err
	}
	told := "deleted"
	if !o.execute {
		told = "would delete"
	}
	if o.asJSON {
		return printJSON(a.stdout, map[string][]string{
			strings.ReplaceAll(told, " ", "_"): orNone(found)})
	}
	for _, name := range found {
		fmt.Fprintln(a.stdout, told, name)
	}
	switch {
	case len(found) == 0:
		fmt.Fprintf(a.stdout, "replay %s has neither topics nor a folder\n", o.id)
	case !o.execute:
		fmt.Fprintln(a.stdout, "nothing was changed; --execute does it")
	}
	return nil
}
