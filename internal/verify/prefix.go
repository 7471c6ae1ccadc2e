package verify

import (
	"context"
	"strings"

	"pawl/schemas"
)

// WithPrefix is spec for a pipeline that runs under topic.prefix: the topics have longer names, the
// model knows the short ones.
func (spec Spec) WithPrefix(prefix string) Spec {
	if prefix == "" {
		return spec
	}
	inputs := append([]Topic{}, spec.Inputs...)
	for i := range inputs {
		inputs[i].Name = prefix + inputs[i].Name
	}
	outputs := append([]OutputTopic{}, spec.Outputs...)
	for i := range outputs {
		outputs[i].Name = prefix + outputs[i].Name
	}
	spec.Inputs, spec.Outputs = inputs, outputs
	model := spec.NewModel
	spec.NewModel = func(r *schemas.Resolver) Model {
		return &prefixedModel{Model: model(r), prefix: prefix}
	}
	return spec
}

type prefixedModel struct {
	Model
	prefix string
}

// Feed implements Model.
func (m *prefixedModel) Feed(ctx context.Context, in Input) (Outcome, error) {
	in.Topic = strings.TrimPrefix(in.Topic, m.prefix)
	outcome, err := m.Model.Feed(ctx, in)
	for i := range outcome.Outputs {
		outcome.Outputs[i].Topic = m.prefix + outcome.Outputs[i].Topic
	}
	return outcome, err
}
