package processor

import (
	"slices"
	"time"
)

// NodeKind says what a node of a Graph is.
type NodeKind string

// Kinds of nodes.
const (
	NodeInput  NodeKind = "input"
	NodeStep   NodeKind = "step"
	NodeStore  NodeKind = "store"
	NodeOutput NodeKind = "output"
)

// Node is a part of a pipeline that records or changes pass.
type Node struct {
	ID   string // its kind and name
	Kind NodeKind
	Name string
}

// Edge leads from one node to another, both by id.
type Edge struct{ From, To string }

// Graph is what a pipeline is made of. Its handlers are one step: which of them writes what is
// theirs to know, and the inputs of a task are merged before them.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Graph is the graph of the running pipeline, its topics named as they are on the cluster.
func (in *Instance) Graph() Graph { return in.bind.graph() }

func (b *binding) graph() Graph {
	step := nodeOf(NodeStep, b.pipeline.name)
	g := Graph{Nodes: []Node{step}}
	for _, topic := range b.sources() {
		n := nodeOf(NodeInput, topic)
		g.Nodes, g.Edges = append(g.Nodes, n), append(g.Edges, Edge{n.ID, step.ID})
	}
	lead := func(kind NodeKind, name string) {
		n := nodeOf(kind, name)
		g.Nodes, g.Edges = append(g.Nodes, n), append(g.Edges, Edge{step.ID, n.ID})
	}
	for _, t := range b.pipeline.tables {
		lead(NodeStore, t.tableName())
	}
	for _, topic := range b.produced() {
		lead(NodeOutput, topic)
	}
	return g
}

func nodeOf(kind NodeKind, name string) Node {
	return Node{ID: string(kind) + ":" + name, Kind: kind, Name: name}
}

// sources are the topics of the pipeline's inputs, in its order.
func (b *binding) sources() []string {
	names := make([]string, len(b.pipeline.inputs))
	for i := range b.inputs {
		names[b.inputs[i].source] = b.inputs[i].topic
	}
	return names
}

// produced are the topics that results go to: outputs, late records, dead letters, shed ones.
func (b *binding) produced() []string {
	var names []string
	for i := range b.outputs {
		names = append(names, b.outputs[i].name)
	}
	for i := range b.windows {
		names = append(names, b.windows[i].name)
	}
	names = append(names, b.dlq.name)
	if b.shed.name != "" {
		names = append(names, b.shed.name)
	}
	return names
}

// flow counts what passed a task in an epoch, or in a second.
type flow struct {
	inputs  []int64 // records, by the pipeline's inputs
	tables  []int64 // changes, by its tables
	topics  []int64 // records, by binding.produced
	reached []int64 // greatest event time of a record, by input partition; 0 for none
}

func newFlow(b *binding) flow {
	return flow{inputs: make([]int64, len(b.pipeline.inputs)),
		tables: make([]int64, len(b.pipeline.tables)), topics: make([]int64, len(b.produced())),
		reached: make([]int64, len(b.inputs))}
}

func (f *flow) clear() {
	clear(f.inputs)
	clear(f.tables)
	clear(f.topics)
	clear(f.reached)
}

// emitted counts a sealed epoch's outputs; ticks are nobody's.
func (f *flow) emitted(fx *Effects, topics []string) {
	for _, r := range fx.Outputs {
		if i := slices.Index(topics, r.Topic); i >= 0 {
			f.topics[i]++
		}
	}
}

// paceSeconds is how many whole seconds a rate is the mean of.
const paceSeconds = 5

// pace is what flowed in the second that runs and in those before it.
type pace [paceSeconds + 1]struct {
	second int64 // Unix time
	flow   flow
}

// add counts an epoch that committed at a time.
func (p *pace) add(at time.Time, f *flow) {
	second := at.Unix()
	slot := &p[second%int64(len(p))]
	if slot.flow.inputs == nil {
		slot.flow = flow{inputs: make([]int64, len(f.inputs)),
			tables: make([]int64, len(f.tables)), topics: make([]int64, len(f.topics))}
	}
	if slot.second != second {
		slot.second = second
		slot.flow.clear()
	}
	sum := func(to, more []int64) {
		for i, n := range more {
			to[i] += n
		}
	}
	sum(slot.flow.inputs, f.inputs)
	sum(slot.flow.tables, f.tables)
	sum(slot.flow.topics, f.topics)
}

// rates are per second over the whole seconds before a time, by the nodes' ids.
func (p *pace) rates(at time.Time, b *binding) map[string]float64 {
	rates := make(map[string]float64)
	mean := func(kind NodeKind, name string, n int64) {
		share := float64(n) / paceSeconds
		rates[nodeOf(kind, name).ID] += share
		if kind == NodeInput {
			rates[nodeOf(NodeStep, b.pipeline.name).ID] += share
		}
	}
	sources, topics := b.sources(), b.produced()
	for i := range p {
		if age := at.Unix() - p[i].second; age < 1 || age > paceSeconds {
			continue
		}
		f := &p[i].flow
		for k, n := range f.inputs {
			mean(NodeInput, sources[k], n)
		}
		for k, n := range f.tables {
			mean(NodeStore, b.pipeline.tables[k].tableName(), n)
		}
		for k, n := range f.topics {
			mean(NodeOutput, topics[k], n)
		}
	}
	return rates
}

// Rates is how much passes the task, per second over the last few, by the ids of the nodes of the
// instance's Graph: records of inputs and outputs, changes of stores. It is of now, not of the
// view's epoch.
func (v *StateView) Rates() map[string]float64 {
	v.in.statusMu.Lock()
	defer v.in.statusMu.Unlock()
	if info := v.in.statuses[v.Partition]; info != nil {
		return info.pace.rates(time.Now(), v.in.bind)
	}
	return nil
}

// Inputs is how far the task has come on its inputs, as of now.
func (v *StateView) Inputs() []InputStatus {
	v.in.statusMu.Lock()
	defer v.in.statusMu.Unlock()
	if info := v.in.statuses[v.Partition]; info != nil {
		return slices.Clone(info.Inputs)
	}
	return nil
}
