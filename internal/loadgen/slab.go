package loadgen

import "pawl/schemas"

// Slab holds the keys and values that a generator hands out, many in one piece of memory.
type Slab struct{ buf []byte }

const slabSize = 64 << 10

// Bytes is text, cut from the slab.
func (s *Slab) Bytes(text string) []byte {
	s.room(len(text))
	return s.keep(append(s.buf, text...))
}

// Encoded is v in wire format, cut from the slab. A value that does not fit its schema is a fault
// of the generator itself, and panics.
func Encoded[V any](s *Slab, enc *schemas.Encoder[V], v *V) []byte {
	s.room(512)
	b, err := enc.Append(s.buf, v)
	if err != nil {
		panic("encode a generated record: " + err.Error())
	}
	return s.keep(b)
}

func (s *Slab) room(n int) {
	if cap(s.buf)-len(s.buf) < n {
		s.buf = make([]byte, 0, max(slabSize, n))
	}
}

// keep makes grown, the slab with something appended, the slab.
func (s *Slab) keep(grown []byte) []byte {
	part := grown[len(s.buf):len(grown):len(grown)]
	s.buf = grown
	return part
}
