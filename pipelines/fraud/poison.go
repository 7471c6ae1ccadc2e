package fraud

import (
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/fraud"
)

// poisons are the ways in which a generated transaction can be broken.
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
	poisonNegativeAmount
	poisonAbsurdAmount
	poisonFuture
	poisonBeforeEpoch
	poisons
)

// poison makes a broken record of a sound transaction.
func (g *Generator) poison(tx schema.Transaction, arrival int64) loadgen.Record {
	kind := g.rand.IntN(poisons)
	switch kind {
	case poisonNegativeAmount:
		tx.AmountCents = -1 - tx.AmountCents
	case poisonAbsurdAmount:
		tx.AmountCents = g.cfg.Pipeline.AmountMaxCents + 1 + tx.AmountCents
	case poisonFuture:
		tx.Timestamp = time.UnixMilli(arrival).Add(g.cfg.Pipeline.skew() + time.Second)
	case poisonBeforeEpoch:
		tx.Timestamp = time.UnixMilli(-1 - g.rand.Int64N(1_000_000))
	}
	rec := g.transaction(tx, arrival)
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
		rec.Value = loadgen.Encoded(&g.slab, g.limits,
			&schema.Limits{UserID: tx.UserID, MaxCount: 1})
	case poisonNullValue:
		rec.Value = nil
	case poisonNullKey:
		rec.Key = nil
	case poisonOtherKey:
		rec.Key = g.slab.Bytes(tx.UserID + "x")
	}
	return rec
}
