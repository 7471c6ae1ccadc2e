package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// Input is one record of an input topic. The slices belong to the caller.
type Input struct {
	Topic     string
	Partition int32
	Offset    int64
	Key       []byte
	Value     []byte
	Timestamp int64 // the record's Kafka timestamp in ms
	Headers   []kgo.RecordHeader
}

// Fate is what becomes of an input record; each has exactly one.
type Fate int

// Fates, as they are counted in the ledger.
const (
	Processed Fate = iota
	Late
	Dead
	Deduplicated
	Filtered
	Shed
	fates
)

// String is the ledger's word for the fate.
func (f Fate) String() string {
	return [...]string{"processed", "late", "dead", "deduplicated", "filtered", "shed"}[f]
}

// Outcome is what one input record should lead to.
type Outcome struct {
	Fate      Fate
	Exception string   // of a dead letter: its class
	Window    string   // of a late record: the window it is late for
	Outputs   []Output // in the order of their ordinals
	LateFor   []string // windows that the record came too late for, whatever its fate
}

// Output is one record that should stand on an output topic.
type Output struct {
	Topic     string
	Key       string
	Timestamp int64 // ms
	Value     any   // of the type that the topic's OutputTopic was made for
}

// Model is a pipeline's meaning for one task, without the engine.
type Model interface {
	// Feed takes the task's next record, in the order in which the task took them.
	Feed(ctx context.Context, in Input) (Outcome, error)
	// Idle moves the watermark, in ms, without a record, and returns what that leads to.
	Idle(watermark int64) []Output
	// Watermark is where the watermark stands, in ms.
	Watermark() int64
	// State is all state by name, in the form that Spec.Canonical brings the changelog into.
	State() map[string]any
}

// Topic is an input of a pipeline.
type Topic struct {
	Name  string
	Table bool // it is read to its end before the first record of the others
	// Global is a table that every task reads whole, whatever its number of partitions. How far is
	// in the task's position record, for the group has no offsets there.
	Global bool
}

func (t Topic) table() bool { return t.Table || t.Global }

// Spec is what Check has to know of a pipeline.
type Spec struct {
	Pipeline string
	Inputs   []Topic // in the order in which the pipeline declares them
	Outputs  []OutputTopic
	Windows  []string // windows with a late topic
	// NewModel returns the model of one task; r finds the schemas of its records.
	NewModel func(r *schemas.Resolver) Model
	// Canonical brings a task's state, changelog key to value, into the form of Model.State.
	Canonical func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
		watermark int64) (map[string]any, error)
}

// OutputTopic knows how to compare the values of one output topic. Make one with NewOutput.
type OutputTopic struct {
	Name string
	bind func(r *schemas.Resolver) comparer
}

// comparer tells whether data stands for want; if not, it says what data stands for.
type comparer func(ctx context.Context, want any, data []byte) (same bool, got any, err error)

// NewOutput declares an output topic of values of V.
func NewOutput[V any](name string, t schemas.Type[V]) OutputTopic {
	return OutputTopic{Name: name, bind: func(r *schemas.Resolver) comparer {
		c := &codec[V]{typ: t, resolver: r, dec: schemas.NewDecoder(t, r),
			enc: make(map[int32]*schemas.Encoder[V])}
		return c.compare
	}}
}

// codec compares values as bytes, written with one schema: two values are the same when they
// encode the same, whatever Go makes of their insides.
type codec[V any] struct {
	typ      schemas.Type[V]
	resolver *schemas.Resolver
	dec      *schemas.Decoder[V]
	enc      map[int32]*schemas.Encoder[V] // by the id under which V's own schema is registered
	want     []byte
	got      []byte
}

func (c *codec[V]) compare(ctx context.Context, want any, data []byte) (bool, any, error) {
	w, ok := want.(V)
	if !ok {
		return false, nil, fmt.Errorf("model gave a %T, topic takes %v", want, reflect.TypeFor[V]())
	}
	id, _, err := schemas.ParseHeader(data)
	if err != nil {
		return false, err.Error(), nil
	}
	enc, err := c.encoder(ctx, id)
	if errors.Is(err, schemas.ErrNotFound) {
		return false, err.Error(), nil
	}
	if err != nil {
		return false, nil, err
	}
	if c.want, err = enc.Append(c.want[:0], &w); err != nil {
		return false, nil, fmt.Errorf("encode the model's value: %w", err)
	}
	if bytes.Equal(c.want, data) {
		return true, nil, nil
	}
	var got V
	if err := c.dec.Decode(data, &got); err != nil {
		return false, err.Error(), nil
	}
	if c.got, err = enc.Append(c.got[:0], &got); err != nil {
		return false, err.Error(), nil
	}
	return bytes.Equal(c.want, c.got), got, nil
}

// encoder returns an encoder that writes V's schema as id. It claims that id is that schema only
// when the registry says so; for others the bytes can not be equal, so the values are compared.
func (c *codec[V]) encoder(ctx context.Context, id int32) (*schemas.Encoder[V], error) {
	if enc := c.enc[id]; enc != nil {
		return enc, nil
	}
	if err := c.resolver.Fetch(ctx, id); err != nil {
		return nil, err
	}
	as := id
	known, ok := c.resolver.Cached(id)
	if !ok || schemas.Fingerprint(known) != schemas.Fingerprint(c.typ.Schema()) {
		as = -1
	}
	c.enc[id] = schemas.NewEncoder(c.typ, as)
	return c.enc[id], nil
}

// Read decodes data, or gives the class of dead letter that it is.
func Read[V any](ctx context.Context, r *schemas.Resolver, dec *schemas.Decoder[V], data []byte,
	v *V,
) (exception string, err error) {
	err = dec.DecodeFetching(ctx, data, v)
	var bad *schemas.DecodeError
	switch {
	case errors.Is(err, schemas.ErrNotFound):
		return "UnknownSchema", nil
	case errors.As(err, &bad):
		return bad.Kind, nil
	}
	return "", err
}
