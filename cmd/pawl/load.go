package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"pawl/internal/settings"
	"pawl/processor"
)

// sourceFlags are the flags that settings come from.
type sourceFlags struct {
	file            string
	sets            []string
	kafka, registry string
}

// add declares --config and --set, and with them --kafka and --registry.
func (f *sourceFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.file, "config", "", "YAML file with settings")
	cmd.Flags().StringArrayVar(&f.sets, "set", nil, "one setting as key=value; may be repeated")
	cmd.Flags().StringVar(&f.kafka, "kafka", "", "bootstrap.servers, host:port, comma separated")
	cmd.Flags().StringVar(&f.registry, "registry", "", "schema.registry.url")
}

// sources adds further flags of the command that stand for settings.
func (a *app) sources(f sourceFlags, more ...settings.Flag) settings.Sources {
	src := settings.Sources{File: f.file, Environ: a.environ, Sets: f.sets}
	for _, flag := range append([]settings.Flag{
		{Name: "kafka", Key: "bootstrap.servers", Value: f.kafka},
		{Name: "registry", Key: "schema.registry.url", Value: f.registry},
	}, more...) {
		if flag.Value != "" {
			src.Flags = append(src.Flags, flag)
		}
	}
	return src
}

// judge loads settings and adds what the engine and the pipelines find wrong with them. needs
// says which settings the command needs at all.
func judge(src settings.Sources, named []pipeline, needs func(*settings.Fault) bool) (
	*settings.Settings, processor.Config, error) {
	s, err := settings.Load(src)
	var faults settings.Faults
	if err != nil && !errors.As(err, &faults) {
		return nil, processor.Config{}, err
	}
	cfg := s.Processor()
	copies := s.Checkpoint()
	judged := []error{cfg.Validate(), copies.Validate(), s.Security().Validate(), apiFaults(s),
		s.RegistrySecurity().Validate()}
	for _, p := range named {
		judged = append(judged, p.validate(s))
	}
	// What is missing may well stand in a file that could not be read.
	unread := slices.ContainsFunc(faults, func(f *settings.Fault) bool { return f.Key == "" })
	for _, f := range s.Explain(errors.Join(judged...)) {
		// A value that could not be read was replaced by its default: one line on it is enough.
		read := !slices.ContainsFunc(faults, func(g *settings.Fault) bool { return g.Key == f.Key })
		if f.Key == "" || needs(f) && read && (!unread || f.Value != "") {
			faults = append(faults, f)
		}
	}
	if len(faults) > 0 {
		return s, cfg, faults
	}
	return s, cfg, nil
}

// everything is what a service needs.
func everything(*settings.Fault) bool { return true }

// whatIsGiven is what a command needs that sets the names of a service itself and may bring the
// cluster along: values that are there must be right.
func whatIsGiven(f *settings.Fault) bool { return f.Value != "" }

// aCluster is what a tool on a cluster needs.
func aCluster(f *settings.Fault) bool {
	return whatIsGiven(f) || f.Key == "bootstrap.servers" || f.Key == "schema.registry.url"
}

// notices prints what the settings had better be written as.
func (a *app) notices(s *settings.Settings) {
	for _, n := range s.Notices() {
		fmt.Fprintln(a.stderr, "notice:", n)
	}
}
