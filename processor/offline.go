package processor

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"reflect"
	"slices"
	"strconv"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// Offline is the engine without a cluster: a pipeline bound to topics and schema ids as Start binds
// it, whose tasks run the engine's own merge, core and restore over logs and stores that the caller
// keeps. It has no goroutine and reads no clock. What a cluster does is the caller's part: keep the
// logs, decide transactions, lose processes. Package processortest is made of it, and what a test
// of a pipeline wants is there.
type Offline struct {
	in     *Instance // never started
	plans  []TopicPlan
	topics map[string]typed // by topic of an input or output
	ids    map[string]int32 // schema ids of these

	globals int // partitions of each global topic
}

// An OfflineOption changes what NewOffline binds a pipeline to.
type OfflineOption func(*Offline)

// GlobalPartitions gives each topic of a global table so many partitions. Default 1.
func GlobalPartitions(n int) OfflineOption { return func(o *Offline) { o.globals = n } }

// NewOffline binds p to topics that all have so many partitions, but for those of global tables. Of
// cfg counts what bears on records: ApplicationID, Registry, TopicPrefix, NoProvenance and the
// bounds of event time.
func NewOffline(cfg Config, partitions int, p *Pipeline, opts ...OfflineOption) (*Offline,
	error) {
	cfg.MemoryMax = max(cfg.MemoryMax, minMemory) // the default would ask the machine
	cfg.EnsureDefaults()
	faults := []error{p.Validate()}
	if err := validName(cfg.ApplicationID); err != nil {
		faults = append(faults, fmt.Errorf("application.id=%s: %w", cfg.ApplicationID, err))
	}
	if cfg.Registry == nil {
		faults = append(faults, errors.New("no schema registry; give schemas.NewMemory()"))
	}
	o := &Offline{in: &Instance{cfg: cfg, pipe: p}, topics: make(map[string]typed),
		ids: make(map[string]int32), globals: 1}
	for _, opt := range opts {
		opt(o)
	}
	if n := min(partitions, o.globals); n < 1 {
		faults = append(faults, fmt.Errorf("%d partitions; give 1 or more", n))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	pl := &planner{cfg: &o.in.cfg, pipe: p, topics: make(kadm.TopicDetails),
		limits: make(map[string]int)}
	for _, t := range pl.wanted() {
		n := partitions
		if t.Kind == TopicGlobal {
			n = o.globals
		}
		pl.topics[t.Name] = offlineTopic(t.Name, n)
		pl.limits[t.Name] = defaultMaxBytes
		if n, err := strconv.Atoi(t.Configs["max.message.bytes"]); err == nil {
			pl.limits[t.Name] = n
		}
	}
	pl.plan()
	o.plans = pl.plans
	if err := o.in.bindSchemas(context.Background(), pl); err != nil {
		return nil, err
	}
	return o, o.bindTypes()
}

// offlineTopic makes up what a cluster would tell of a topic.
func offlineTopic(name string, partitions int) kadm.TopicDetail {
	h := fnv.New128a()
	h.Write([]byte(name)) // never fails
	d := kadm.TopicDetail{Topic: name, ID: kadm.TopicID(h.Sum(nil)),
		Partitions: make(kadm.PartitionDetails)}
	for i := range int32(partitions) {
		d.Partitions[i] = kadm.PartitionDetail{Topic: name, Partition: i}
	}
	return d
}

func (o *Offline) bindTypes() error {
	cfg := &o.in.cfg
	bind := func(topic, text string, t any) error {
		name := cfg.TopicPrefix + topic
		id, err := o.in.bindValue(func(subject, text string) (int32, error) {
			return cfg.Registry.Lookup(context.Background(), subject, text)
		}, name, text)
		o.topics[name], o.ids[name] = t.(typed), id
		return err
	}
	for _, i := range o.in.pipe.inputs {
		if err := bind(i.topic(), i.text(), i); err != nil {
			return err
		}
	}
	for _, out := range o.in.pipe.outputs {
		if err := bind(out.topic(), out.text(), out); err != nil {
			return err
		}
	}
	return nil
}

// Topics are all topics of the application, first the inputs in the order of the pipeline.
func (o *Offline) Topics() []TopicPlan { return slices.Clone(o.plans) }

// OfflineInput is one partition that a task reads.
type OfflineInput struct {
	Topic     string
	Partition int32
	Global    bool // every task reads it
}

// Inputs are what a task reads, in the order of OfflineLogs and Feed.
func (o *Offline) Inputs(task int32) []OfflineInput {
	var all []OfflineInput
	for _, in := range o.in.bind.inputs {
		all = append(all, OfflineInput{Topic: in.topic, Partition: in.of(task), Global: in.global})
	}
	return all
}

// Tables are the names of the pipeline's tables, those of timers included.
func (o *Offline) Tables() []string {
	var names []string
	for _, t := range o.in.pipe.tables {
		names = append(names, t.tableName())
	}
	return names
}

// Resolver knows the schemas of all that the pipeline reads and writes.
func (o *Offline) Resolver() *schemas.Resolver { return o.in.bind.resolver }

// Partition is where a record with this key belongs on a topic.
func (o *Offline) Partition(topic string, key []byte) int32 {
	for _, in := range o.in.bind.inputs {
		if in.global && in.topic == topic {
			return partitionOf(key, in.partitions)
		}
	}
	return partitionOf(key, o.in.bind.partitions)
}

// SchemaID is the id under which values of an input or output topic are written.
func (o *Offline) SchemaID(topic string) (id int32, ok bool) {
	id, ok = o.ids[topic]
	return id, ok
}

// Encode writes v as a value of an input or output topic. It must have exactly that topic's type.
func (o *Offline) Encode(topic string, v any) ([]byte, error) {
	t, ok := o.topics[topic]
	if !ok {
		return nil, fmt.Errorf("pipeline %s has no topic %s", o.in.pipe.name, topic)
	}
	b, err := t.codec().encode(o.ids[topic], v)
	if err != nil {
		return nil, fmt.Errorf("topic %s: %w", topic, err)
	}
	return b, nil
}

// Decode reads a value of an input or output topic; it has that topic's type.
func (o *Offline) Decode(topic string, value []byte) (any, error) {
	t, ok := o.topics[topic]
	if !ok {
		return nil, fmt.Errorf("pipeline %s has no topic %s", o.in.pipe.name, topic)
	}
	return t.codec().decode(value, o.in.bind.resolver)
}

// DecodeState reads a value of a table; it has the table's type.
func (o *Offline) DecodeState(table string, value []byte) (any, error) {
	for _, t := range o.in.pipe.tables {
		if t.tableName() == table {
			return t.(typed).codec().decode(value, o.in.bind.resolver)
		}
	}
	return nil, fmt.Errorf("pipeline %s has no table %s", o.in.pipe.name, table)
}

// Claim makes the claim record with which an instance takes a task over; it belongs at the end of
// the task's changelog, in a transaction of its own.
func (o *Offline) Claim(partition int32) (*kgo.Record, error) {
	b, err := schemas.NewEncoder(record.ClaimType(), o.in.bind.claimID).Append(nil,
		&record.Claim{Writer: offlineWriter})
	if err != nil {
		return nil, fmt.Errorf("encode claim: %w", err)
	}
	return &kgo.Record{Topic: o.in.bind.changelog.name, Partition: partition,
		Key: []byte(statestore.ClaimKey), Value: b}, nil
}

// offlineWriter stands for the transactional id.
const offlineWriter = "offline"

// typed is an input, table or output that knows its values' type.
type typed interface{ codec() codec }

// codec turns values of one type into wire bytes and back.
type codec struct {
	encode func(id int32, v any) ([]byte, error)
	decode func(data []byte, r *schemas.Resolver) (any, error)
}

func codecOf[V any](t schemas.Type[V]) codec {
	return codec{
		encode: func(id int32, v any) ([]byte, error) {
			value, ok := v.(V)
			if !ok {
				return nil, fmt.Errorf("its values are of type %v, not %T", reflect.TypeFor[V](), v)
			}
			return schemas.NewEncoder(t, id).Append(nil, &value)
		},
		decode: func(data []byte, r *schemas.Resolver) (any, error) {
			var v V
			err := schemas.NewDecoder(t, r).Decode(data, &v)
			return v, err
		},
	}
}

func (s *Source[V]) codec() codec { return codecOf(s.typ) }
func (t *Table[V]) codec() codec  { return codecOf(t.typ) }
func (o *Out[V]) codec() codec    { return codecOf(o.typ) }
