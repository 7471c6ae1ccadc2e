package main

import (
	"context"
	"strings"

	"pawl/internal/verify"
	"pawl/schemas"
)

// prefixed is spec for a pipeline that runs under topic.prefix: the topics have longer names, the
// model knows the short ones.
func prefixed(spec verify.Spec, prefix string) verify.Spec {
	if prefix == "" {
		return spec
	}
	inputs := append([]verify.Topic{}, spec.Inputs...)
	for i := range inputs {
		inputs[i].Name = prefix + inputs[i].Name
	}
	outputs := append([]verify.OutputTopic{}, spec.Outputs...)
	for i := range outputs {
		outputs[i].Name = prefix + outputs[i].Name
	}
	spec.Inputs, spec.Outputs = inputs, outputs
	model := spec.NewModel
	spec.NewModel = func(r *schemas.Resolver) verify.Model {
		return &prefixedModel{Model: model(r), prefix: prefix}
	}
	return spec
}

type prefixedModel struct {
	verify.Model
	prefix string
}

// Feed implements verify.Model.
func (m *prefixedModel) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	in.Topic = strings.TrimPrefix(in.Topic, m.prefix)
	outcome, err := m.Model.Feed(ctx, in)
	for i := range outcome.Outputs {
		outcome.Outputs[i].Topic = m.prefix + outcome.Outputs[i].Topic
	}
	return outcome, err
}
