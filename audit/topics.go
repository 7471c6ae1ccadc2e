package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"pawl/processor"
	"pawl/schemas"
)

// topic is one topic of the application as the cluster has it.
type topic struct {
	name       string
	kind       string // of processor.TopicPlan
	id         string
	partitions int
	compacted  bool
}

// layout are the topics of the application by what they are for.
type layout struct {
	inputs    []topic // streams and tables, in the order of the pipeline
	outputs   []topic
	late      []topic
	shed      *topic // nil when no input sheds
	dlq       topic
	ticks     topic
	changelog topic
	tables    int // inputs that are tables
}

// written are the topics that only the application writes to, but for the changelog.
func (l *layout) written() []topic {
	all := slices.Concat(l.outputs, l.late, []topic{l.dlq, l.ticks})
	if l.shed != nil {
		all = append(all, *l.shed)
	}
	return all
}

// input returns the index of an input topic, or -1.
func (l *layout) input(name string) int {
	return slices.IndexFunc(l.inputs, func(t topic) bool { return t.name == name })
}

// plan asks the engine which topics the pipeline has. It needs no cluster for that.
func plan(o *Options) ([]processor.TopicPlan, error) {
	off, err := processor.NewOffline(processor.Config{ApplicationID: o.ApplicationID,
		Registry: schemas.NewMemory(), TopicPrefix: o.TopicPrefix}, 1, o.Pipeline)
	if err != nil {
		return nil, fmt.Errorf("topics of pipeline %s: %w", o.Pipeline.Name(), err)
	}
	for _, t := range off.Topics() {
		if t.Kind == processor.TopicGlobal {
			return nil, fmt.Errorf("%s is a global table, whose offsets the group does not have: "+
				"such a pipeline cannot be audited yet", t.Name)
		}
	}
	return off.Topics(), nil
}

// lookUp finds the planned topics on the cluster.
func lookUp(ctx context.Context, c cluster, app string, plans []processor.TopicPlan) (*layout,
	error) {
	var names []string
	for _, p := range plans {
		names = append(names, p.Name)
	}
	found, err := c.Topics(ctx, names...)
	if err != nil {
		return nil, err
	}
	l := &layout{}
	var missing []string
	for _, p := range plans {
		t, ok := found[p.Name]
		if !ok {
			missing = append(missing, p.Name)
			continue
		}
		t.name, t.kind = p.Name, p.Kind
		l.add(t)
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no topic %s; has application %s ever run on this "+
			"cluster, and under this application.id and topic.prefix?",
			strings.Join(missing, ", "), app)
	}
	if len(l.inputs) == 0 {
		return nil, errors.New("the pipeline has no input")
	}
	for _, t := range append(slices.Clone(l.inputs), l.changelog) {
		if t.partitions != l.inputs[0].partitions {
			return nil, fmt.Errorf("%s has %d partitions, but %s has %d: a task owns the same "+
				"partition of both", t.name, t.partitions, l.inputs[0].name,
				l.inputs[0].partitions)
		}
	}
	return l, nil
}

func (l *layout) add(t topic) {
	switch t.kind {
	case processor.TopicInput:
		l.inputs = append(l.inputs, t)
	case processor.TopicTable:
		l.inputs = append(l.inputs, t)
		l.tables++
	case processor.TopicOutput:
		l.outputs = append(l.outputs, t)
	case processor.TopicLate:
		l.late = append(l.late, t)
	case processor.TopicShed:
		l.shed = &t
	case processor.TopicDLQ:
		l.dlq = t
	case processor.TopicTicks:
		l.ticks = t
	case processor.TopicChangelog:
		l.changelog = t
	}
}
