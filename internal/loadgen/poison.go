package loadgen

import "time"

// The ways in which any record can be broken.
const (
	truncated = iota
	trailing
	wrongMagic
	short
	unknownSchema
	otherSchema
	nullValue
	nullKey
	otherKey
	ways
)

// Poison makes a record that is broken in one of many ways: those of any record, and those of the
// generator's own, of which each changes what sound then makes a record of. other is the value of
// another schema.
func (s *Slab) Poison(r *Rand, own []func(), sound func() Record, other func() []byte) Record {
	kind := r.IntN(ways + len(own))
	if kind >= ways {
		own[kind-ways]()
	}
	rec := sound()
	switch kind {
	case truncated:
		rec.Value = rec.Value[:5+r.IntN(len(rec.Value)-5)]
	case trailing:
		rec.Value = append(rec.Value, 0)
	case wrongMagic:
		rec.Value[0] = 1
	case short:
		rec.Value = rec.Value[:r.IntN(5)]
	case unknownSchema:
		copy(rec.Value[1:5], []byte{0x7f, 0xff, 0xff, 0x00})
	case otherSchema:
		rec.Value = other()
	case nullValue:
		rec.Value = nil
	case nullKey:
		rec.Key = nil
	case otherKey:
		rec.Key = s.Bytes(string(rec.Key) + "x")
	}
	return rec
}

// Future is an event time further ahead of the arrival, in ms, than any record may be.
func Future(arrival int64, maxSkew time.Duration) time.Time {
	return time.UnixMilli(arrival).Add(maxSkew + time.Second)
}

// BeforeEpoch is an event time that is negative.
func BeforeEpoch(r *Rand) time.Time { return time.UnixMilli(-1 - r.Int64N(1_000_000)) }
