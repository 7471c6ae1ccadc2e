package schemas

import "sync"

// Decoders decodes values of V for many goroutines, and for several Resolvers one after the other.
type Decoders[V any] struct {
	typ  Type[V]
	idle sync.Pool // of *Decoder[V]
}

// NewDecoders returns Decoders of t.
func NewDecoders[V any](t Type[V]) *Decoders[V] { return &Decoders[V]{typ: t} }

// Decode is Decoder.Decode, with writer schemas from r.
func (d *Decoders[V]) Decode(data []byte, r *Resolver, v *V) error {
	one, ok := d.idle.Get().(*Decoder[V])
	if !ok || one.resolver != r {
		one = NewDecoder(d.typ, r)
	}
	defer d.idle.Put(one)
	return one.Decode(data, v)
}
