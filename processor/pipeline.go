package processor

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// A Pipeline describes a topology: inputs, tables of state, outputs, and the handlers between
// them. Building one does no I/O; Run binds it to a cluster.
type Pipeline struct {
	name    string
	inputs  []input
	tables  []table
	outputs []output
	timers  []*Timers
	windows []string // with a late topic
	// closings has the stores whose windows close.
	closings map[string]WindowInfo
	faults   []error

	counters    []*Counter
	enrichments []string // names
	linger      time.Duration
}

// New starts an empty pipeline. Its name is part of topic names and metrics.
func New(name string) *Pipeline {
	p := &Pipeline{name: name}
	if err := validName(name); err != nil {
		p.fault("pipeline name %v", err)
	}
	return p
}

// Name is the name given to New.
func (p *Pipeline) Name() string { return p.name }

// Linger says that results of p may come later by d, so that their transactions are fewer: an
// epoch is committed when it is that old, although nothing is left to process. Without it a record
// that comes alone is committed at once, and a pipeline that gets a record every 20 ms makes 50
// transactions a second, which cost the cluster more than the records do.
func (p *Pipeline) Linger(d time.Duration) *Pipeline {
	if d < 0 {
		p.fault("linger=%v is negative; give 0 or more", d)
	}
	p.linger = d
	return p
}

// Validate reports every fault of the description at once.
func (p *Pipeline) Validate() error {
	faults := p.faults
	streams := 0
	for _, in := range p.inputs {
		if !in.isTable() {
			streams++
		}
	}
	if streams == 0 {
		faults = append(faults, fmt.Errorf("pipeline %s: no input; add processor.Input", p.name))
	}
	return errors.Join(faults...)
}

func (p *Pipeline) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("pipeline %s: %s", p.name, fmt.Sprintf(format, args...)))
}

// noWindow stands for a source that judges no lateness.
const noWindow = -1

// lateWindow returns the index of the window whose late topic is `<application.id>-<name>-late`.
func (p *Pipeline) lateWindow(name string) int {
	if i := slices.Index(p.windows, name); i >= 0 {
		return i
	}
	if err := validName(name); err != nil {
		p.fault("window %q: name %v", name, err)
	}
	p.windows = append(p.windows, name)
	return len(p.windows) - 1
}

// positive demands an operator's duration of 1 ms or more: event time has milliseconds.
func (p *Pipeline) positive(kind, name, what string, d time.Duration) {
	if d < time.Millisecond || d%time.Millisecond != 0 {
		p.fault("%s %q: %s=%v is not a positive number of milliseconds; give 1ms or more", kind,
			name, what, d)
	}
}

// notNegative demands an operator's duration of 0 or more.
func (p *Pipeline) notNegative(kind, name, what string, d time.Duration) {
	if d < 0 || d%time.Millisecond != 0 {
		p.fault("%s %q: %s=%v is negative or not whole milliseconds; give 0 or more", kind, name,
			what, d)
	}
}

func (p *Pipeline) checkName(kind, name string, taken func(string) bool, typeErr error) {
	if err := validName(name); err != nil {
		p.fault("%s %q: name %v", kind, name, err)
	}
	if taken(name) {
		p.fault("%s %q is declared twice; give each its own name", kind, name)
	}
	if typeErr != nil {
		p.fault("%s %q: %v", kind, name, typeErr)
	}
}

// input is a Source of any value type.
type input interface {
	topic() string
	isTable() bool
	isGlobal() bool
	sheds() bool
	text() string
	bind(c *core, index int) inputStep
	scout(c *core, index int, a *ahead) scout // nil: its records need nothing before their step
}

// inputStep runs one input's records through one task.
type inputStep interface {
	step(rec *kgo.Record) error
}

// table is a Table of any value type.
type table interface {
	tableName() string
	schemaOf() avro.Schema
	schemaName() string
	text() string
	bind(c *core, index int, id int32) tableCache
}

// output is an Out of any value type.
type output interface {
	topic() string
	text() string
	bind(id int32) any
}

// A Handler is called once for each record of its input, in the order of the merged inputs. It
// sees the context and the value only, must not block, and must not keep ctx.
type Handler[V any] func(ctx *Context, v V) error

// A Source is an input topic with the rules its records must keep. Records that break one go to
// the dead-letter topic or, when they come too late, to the late topic: neither moves the
// watermark or touches state.
type Source[V any] struct {
	p         *Pipeline
	name      string
	typ       schemas.Type[V]
	handler   Handler[V]
	eventTime func(V) time.Time
	key       func(V) string
	check     func(V) error
	late      int // its window, or noWindow
	grace     time.Duration
	table     *Table[V]
	global    bool // every task reads all partitions
	enrich    []enricher[V]
	shedding  *Shedding[V]
}

// Input declares a stream input. The record's key must be present.
func Input[V any](p *Pipeline, topic string, t schemas.Type[V], h Handler[V]) *Source[V] {
	s := &Source[V]{p: p, name: topic, typ: t, handler: h, late: noWindow}
	p.checkName("input", topic, p.hasInput, t.Err())
	if h == nil {
		p.fault("input %q has no handler", topic)
	}
	p.inputs = append(p.inputs, s)
	return s
}

// TableInput declares a compacted, co-partitioned topic that is kept as a table of the same name,
// readable by the handlers of the other inputs: a stream-table join. A task reads the table to
// its end before its first record; from then on both are merged by record timestamp, the table
// first on ties. A null value deletes the key.
func TableInput[V any](p *Pipeline, topic string, t schemas.Type[V]) (*Source[V], *Table[V]) {
	s := tableInput(p, topic, t)
	return s, s.table
}

func tableInput[V any](p *Pipeline, topic string, t schemas.Type[V]) *Source[V] {
	s := &Source[V]{p: p, name: topic, typ: t, late: noWindow}
	p.checkName("input", topic, p.hasInput, t.Err())
	s.table = Keyed(p, topic, t)
	p.inputs = append(p.inputs, s)
	return s
}

func (p *Pipeline) hasInput(topic string) bool {
	for _, in := range p.inputs {
		if in.topic() == topic {
			return true
		}
	}
	return false
}

// EventTime sets where a record's event time stands; without it, it is the Kafka timestamp.
func (s *Source[V]) EventTime(f func(V) time.Time) *Source[V] { s.eventTime = f; return s }

// Key demands that a record's key equals f of its value.
func (s *Source[V]) Key(f func(V) string) *Source[V] { s.key = f; return s }

// Check is run before the record counts for anything; a RejectError dead-letters it.
func (s *Source[V]) Check(f func(V) error) *Source[V] { s.check = f; return s }

// Late sends records whose event time lies more than grace below the watermark, unchanged, to
// `<application.id>-<window>-late`.
func (s *Source[V]) Late(window string, grace time.Duration) *Source[V] {
	s.late, s.grace = s.p.lateWindow(window), grace
	if grace < 0 {
		s.p.fault("input %q: grace=%v is negative; give 0 or more", s.name, grace)
	}
	return s
}

func (s *Source[V]) topic() string  { return s.name }
func (s *Source[V]) isTable() bool  { return s.table != nil }
func (s *Source[V]) isGlobal() bool { return s.global }
func (s *Source[V]) sheds() bool    { return s.shedding != nil }
func (s *Source[V]) text() string   { return s.typ.String() }

// Table is keyed state of one task: what it holds for a key depends on that task's committed
// input alone. Values handed out belong to the table: change one only together with a Set.
type Table[V any] struct {
	name  string
	typ   schemas.Type[V]
	index int
	inOrd bool
}

// Keyed declares a table.
func Keyed[V any](p *Pipeline, name string, t schemas.Type[V]) *Table[V] {
	return addTable(p, &Table[V]{name: name, typ: t})
}

func addTable[V any](p *Pipeline, t *Table[V]) *Table[V] {
	taken := func(name string) bool {
		for _, other := range p.tables {
			if other.tableName() == name {
				return true
			}
		}
		return false
	}
	p.checkName("table", t.name, taken, t.typ.Err())
	t.index = len(p.tables)
	p.tables = append(p.tables, t)
	return t
}

func (t *Table[V]) tableName() string     { return t.name }
func (t *Table[V]) schemaOf() avro.Schema { return t.typ.Schema() }
func (t *Table[V]) schemaName() string    { return t.typ.Name() }
func (t *Table[V]) text() string          { return t.typ.String() }

// Out is an output topic.
type Out[V any] struct {
	name  string
	typ   schemas.Type[V]
	index int
}

// Output declares an output topic.
func Output[V any](p *Pipeline, topic string, t schemas.Type[V]) *Out[V] {
	taken := func(name string) bool {
		for _, other := range p.outputs {
			if other.topic() == name {
				return true
			}
		}
		return false
	}
	p.checkName("output", topic, taken, t.Err())
	o := &Out[V]{name: topic, typ: t, index: len(p.outputs)}
	p.outputs = append(p.outputs, o)
	return o
}

func (o *Out[V]) topic() string { return o.name }
func (o *Out[V]) text() string  { return o.typ.String() }
