package law

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// Spec is how to verify the pipeline that build makes, run under cfg. Of cfg counts what bears on
// records: ApplicationID, Registry, TopicPrefix and the bounds of event time must be those of the
// run. Schemas are looked up in the registry, never registered.
func Spec(build func() *processor.Pipeline, cfg processor.Config) (verify.Spec, error) {
	cfg.Listeners, cfg.Point = nil, nil // the model's own life is nobody's business
	cfg.ReadOnlyRegistry = true
	pipeline := build()
	names := cfg
	names.Registry, names.ReadOnlyRegistry = schemas.NewMemory(), false
	app, err := processor.NewOffline(names, 1, pipeline)
	if err != nil {
		return verify.Spec{}, fmt.Errorf("oracle of pipeline %s: %w", pipeline.Name(), err)
	}
	if cfg.NoProvenance {
		return verify.Spec{}, fmt.Errorf("oracle of pipeline %s: without provenance.header "+
			"outputs cannot be told apart; leave it on", pipeline.Name())
	}
	spec := verify.Spec{Pipeline: pipeline.Name(), Canonical: canonical}
	for _, t := range app.Topics() {
		switch t.Kind {
		case processor.TopicInput, processor.TopicTable:
			spec.Inputs = append(spec.Inputs,
				verify.Topic{Name: t.Name, Table: t.Kind == processor.TopicTable})
		case processor.TopicOutput:
			spec.Outputs = append(spec.Outputs, verify.NewWireOutput(t.Name))
		case processor.TopicLate:
			spec.Windows = append(spec.Windows, window(cfg.ApplicationID, t.Name))
		case processor.TopicGlobal:
			err = errors.Join(err, fmt.Errorf("oracle of pipeline %s: %s is a global table, which "+
				"this oracle cannot replay yet; hold the pipeline to Exactly", pipeline.Name(),
				t.Name))
		case processor.TopicShed:
			err = errors.Join(err, fmt.Errorf("oracle of pipeline %s: an input sheds, and what it "+
				"leaves out depends on the clock; verify it without Shed", pipeline.Name()))
		}
	}
	spec.NewModel = func(r *schemas.Resolver) verify.Model {
		return &model{build: build, cfg: cfg, resolver: r}
	}
	return spec, err
}

// window is the window of a late topic.
func window(app, topic string) string {
	return strings.TrimSuffix(strings.TrimPrefix(topic, app+"-"), "-late")
}

// canonical names the changelog's keys; the values stay what they are.
func canonical(ctx context.Context, state map[string][]byte, r *schemas.Resolver, _ int64) (
	map[string]any, error) {
	out := make(map[string]any, len(state))
	for key, value := range state {
		verify.Learn(ctx, r, value)
		out[keyText([]byte(key))] = verify.NewWire(value, r)
	}
	return out, nil
}

// keyText is a state key in words; no two keys have the same.
func keyText(key []byte) string {
	parts, err := statestore.DecodeKey(key)
	if err != nil {
		return fmt.Sprintf("0x%x", key)
	}
	words := make([]string, len(parts))
	for i, part := range parts {
		switch part := part.(type) {
		case string:
			words[i] = strconv.Quote(part)
		default:
			words[i] = fmt.Sprint(part)
		}
	}
	return strings.Join(words, " ")
}
