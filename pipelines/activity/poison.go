package activity

import (
	"math"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/activity"
)

// poisons are the ways in which a generated event can be broken.
const (
	poisonTruncated = iota
	poisonTrailing
	poisonMagic
	poisonShort
	poisonUnknownSchema
	poisonOtherSchema
	poisonNullValue
	poisonNullKey
	poisonOtherKey
	poisonNaN
	poisonInfinite
	poisonNoID
	poisonNoAction
	poisonFuture
	poisonBeforeEpoch
	poisons
)

// poison makes a broken record of a sound event.
func (g *Generator) poison(e schema.UserEvent, arrival int64) loadgen.Record {
	kind := g.rand.IntN(poisons)
	switch kind {
	case poisonNaN:
		e.Value = math.NaN()
	case poisonInfinite:
		e.Value = math.Inf(1 - 2*g.rand.IntN(2))
	case poisonNoID:
		e.EventID = ""
	case poisonNoAction:
		e.Action = ""
	case poisonFuture:
		e.Timestamp = time.UnixMilli(arrival).Add(g.cfg.Pipeline.skew() + time.Second)
	case poisonBeforeEpoch:
		e.Timestamp = time.UnixMilli(-1 - g.rand.Int64N(1_000_000))
	}
	rec := g.record(e, arrival)
	switch kind {
	case poisonTruncated:
		rec.Value = rec.Value[:5+g.rand.IntN(len(rec.Value)-5)]
	case poisonTrailing:
		rec.Value = append(rec.Value, 0)
	case poisonMagic:
		rec.Value[0] = 1
	case poisonShort:
		rec.Value = rec.Value[:g.rand.IntN(5)]
	case poisonUnknownSchema:
		copy(rec.Value[1:5], []byte{0x7f, 0xff, 0xff, 0x00})
	case poisonOtherSchema:
		rec.Value = loadgen.Encoded(&g.slab, g.others,
			&schema.UserAggregate{UserID: e.UserID, EventCount: 1})
	case poisonNullValue:
		rec.Value = nil
	case poisonNullKey:
		rec.Key = nil
	case poisonOtherKey:
		rec.Key = g.slab.Bytes(e.UserID + "x")
	}
	return rec
}
