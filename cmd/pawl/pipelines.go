package main

import (
	"strings"

	"pawl/internal/settings"
	"pawl/pipelines/fraud"
	"pawl/processor"
)

// pipeline is one of the pipelines that this binary has.
type pipeline struct {
	name     string
	validate func(*settings.Settings) error
	build    func(*settings.Settings) *processor.Pipeline
	inputs   []string // topics that must exist before a start
	alerts   string   // topic whose newest records the demo shows
}

func pipelines() []pipeline {
	return []pipeline{{
		name: "fraud",
		validate: func(s *settings.Settings) error {
			cfg := s.Fraud()
			return cfg.Validate()
		},
		build:  func(s *settings.Settings) *processor.Pipeline { return fraud.New(s.Fraud()) },
		inputs: []string{"transactions"},
		alerts: "fraud-alerts",
	}}
}

func pipelineNamed(name string) (pipeline, error) {
	for _, p := range pipelines() {
		if p.name == name {
			return p, nil
		}
	}
	return pipeline{}, usage("pipeline %q is unknown; %s", name, knownPipelines())
}

// knownPipelines is the mend of a missing or unknown pipeline name.
func knownPipelines() string {
	var names []string
	for _, p := range pipelines() {
		names = append(names, p.name)
	}
	return "use " + strings.Join(names, ", ")
}
