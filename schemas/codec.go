package schemas

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"pawl/schemas/internal/plan"
)

// Decoder turns the wire bytes of any compatible writer schema into values of V. One per
// goroutine: it is not safe for concurrent use.
type Decoder[V any] struct {
	typ      Type[V]
	resolver *Resolver
	cursor   plan.Cursor
	last     int32 // id of read, so that a run of records of one schema needs no look-up
	read     plan.ReadFunc
	known    map[int32]reading
}

// reading is what a writer schema came to: a plan, or why there is none.
type reading struct {
	read plan.ReadFunc
	err  *DecodeError
}

// NewDecoder returns a Decoder of t that finds writer schemas in r.
func NewDecoder[V any](t Type[V], r *Resolver) *Decoder[V] {
	return &Decoder[V]{typ: t, resolver: r, known: make(map[int32]reading)}
}

// Decode replaces *v, whole, by the value in data. The value owns its strings and slices: data may
// be reused afterwards. Strings of one value share one copy of its bytes. Errors are *DecodeError,
// which stay, and *UnknownIDError, which a Fetch of the id may mend. After an error *v is zero.
func (d *Decoder[V]) Decode(data []byte, v *V) error {
	var zero V
	*v = zero
	id, payload, err := ParseHeader(data)
	if err != nil {
		return err
	}
	if id != d.last || d.read == nil {
		if err := d.use(id); err != nil {
			return err
		}
	}
	d.cursor.Reset(payload)
	d.read(&d.cursor, unsafe.Pointer(v))
	if reason := d.cursor.Finish(); reason != "" {
		*v = zero
		return &DecodeError{Kind: KindDecode, ID: id, Reason: reason}
	}
	return nil
}

// DecodeFetching is Decode, but a writer schema that is not known yet is fetched: it may wait.
func (d *Decoder[V]) DecodeFetching(ctx context.Context, data []byte, v *V) error {
	err := d.Decode(data, v)
	var unknown *UnknownIDError
	if !errors.As(err, &unknown) {
		return err
	}
	if err := d.resolver.Fetch(ctx, unknown.ID); err != nil {
		return err
	}
	return d.Decode(data, v)
}

// use makes the plan of schema id the current one.
func (d *Decoder[V]) use(id int32) error {
	known, ok := d.known[id]
	if !ok {
		if err := d.typ.Err(); err != nil {
			return err
		}
		writer, ok := d.resolver.find(id)
		if !ok {
			return &UnknownIDError{ID: id}
		}
		known = d.plan(id, writer)
		d.known[id] = known
	}
	if known.err != nil {
		return known.err
	}
	d.last, d.read = id, known.read
	return nil
}

// plan resolves a writer schema to V's, once per id.
func (d *Decoder[V]) plan(id int32, writer resolved) reading {
	err := writer.err
	if err == nil {
		err = Compatible(d.typ.schema, writer.schema)
	}
	var read plan.ReadFunc
	if err == nil {
		read, err = plan.Reader(reflect.TypeFor[V](), d.typ.schema, writer.schema)
	}
	if err == nil {
		return reading{read: read}
	}
	return reading{err: &DecodeError{Kind: KindIncompatible, ID: id, Reason: err.Error(), err: err}}
}

// Encoder writes values of V in the wire format. It holds no buffer of its own, but like a
// Decoder there is one per goroutine.
type Encoder[V any] struct {
	id    int32
	name  string
	write plan.WriteFunc
	err   error
}

// NewEncoder returns an Encoder of t, whose schema is registered as id.
func NewEncoder[V any](t Type[V], id int32) *Encoder[V] {
	e := &Encoder[V]{id: id, name: t.Name(), err: t.Err()}
	if e.err == nil {
		e.write, e.err = plan.Writer(reflect.TypeFor[V](), t.schema)
	}
	return e
}

// Append appends the wire header and the Avro bytes of *v to dst. After an error dst is returned as
// it was. It allocates only when dst has to grow.
func (e *Encoder[V]) Append(dst []byte, v *V) ([]byte, error) {
	if e.err != nil {
		return dst, e.err
	}
	out, err := e.write(AppendHeader(dst, e.id), unsafe.Pointer(v))
	if err != nil {
		return dst, fmt.Errorf("encode %s: %w", e.name, err)
	}
	return out, nil
}
