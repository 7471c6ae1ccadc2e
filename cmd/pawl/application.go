package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/processor"
)

// application is a running or stopped application that a command looks at or steers.
type application struct {
	id       string
	pipeline pipeline
	settings *settings.Settings
	config   processor.Config
	cluster  *cluster
}

// applicationFlags lead to an application.
type applicationFlags struct {
	source sourceFlags
	id     string
	asJSON bool
}

func (f *applicationFlags) add(cmd *cobra.Command) {
	f.source.add(cmd)
	cmd.Flags().StringVar(&f.id, "application", "", "application.id")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print JSON")
}

// maybePipeline allows one argument, the name of a pipeline.
func maybePipeline(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return onePipeline(cmd, args)
}

// named opens the application that flags and settings name. Without the name of a pipeline it is
// the one whose changelog the application has.
func (a *app) named(ctx context.Context, f *applicationFlags, args []string,
	needs func(*settings.Fault) bool) (*application, error) {
	var known []pipeline
	for _, name := range args {
		p, err := pipelineNamed(name)
		if err != nil {
			return nil, err
		}
		known = append(known, p)
	}
	s, cfg, err := judge(a.sources(f.source, settings.Flag{Name: "application",
		Key: "application.id", Value: f.id}), known, needs)
	if err != nil {
		return nil, err
	}
	a.notices(s)
	app := &application{id: cfg.ApplicationID, settings: s, config: cfg, cluster: givenCluster(s)}
	if len(known) == 1 {
		app.pipeline = known[0]
		return app, nil
	}
	var changelogs []string
	for _, p := range pipelines() {
		changelogs = append(changelogs, processor.ChangelogName(app.id, p.name))
	}
	topics, err := app.cluster.lookUp(ctx, changelogs, s.Duration("startup.timeout"))
	if err != nil {
		return nil, err
	}
	var found []string
	for i, p := range pipelines() {
		if t, ok := topics[changelogs[i]]; ok && t.Err == nil {
			found = append(found, p.name)
			app.pipeline = p
		}
	}
	switch {
	case len(found) == 0:
		return nil, fmt.Errorf("application %s has no changelog of any pipeline at %s: it has "+
			"never run there; check application.id, or name the pipeline", app.id,
			strings.Join(app.cluster.brokers, ","))
	case len(found) > 1:
		return nil, fmt.Errorf("application %s has changelogs of %s; name the pipeline", app.id,
			strings.Join(found, ", "))
	}
	return app, nil
}

// topicsOf are all topics of the application that exist, with what they are to it.
func (o *application) topicsOf(ctx context.Context) ([]processor.TopicPlan, error) {
	plans, err := processor.Plan(ctx, o.config, o.pipeline.build(o.settings))
	if err != nil {
		return nil, fmt.Errorf("look up the topics of %s: %w", o.id, err)
	}
	var there []processor.TopicPlan
	for _, t := range plans {
		if t.Exists {
			there = append(there, t)
		}
	}
	return there, nil
}
