package pageviews

import (
	"strings"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/pageviews"
)

// poisons are the ways in which a generated view can be broken.
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
	poisonNoEvent
	poisonNoUser
	poisonLongPage
	poisonFuture
	poisonBeforeEpoch
	poisonEndOfTime
	poisons
)

// poison makes a broken record of a sound view.
func (g *Generator) poison(v schema.PageView, arrival int64) loadgen.Record {
	kind := g.rand.IntN(poisons)
	switch kind {
	case poisonNoEvent:
		v.EventID = ""
	case poisonNoUser:
		v.UserID = ""
	case poisonLongPage:
		v.Page += strings.Repeat("/a", maxPage/2)
	case poisonFuture:
		v.Timestamp = time.UnixMilli(arrival).Add(g.cfg.Pipeline.skew() + time.Second)
	case poisonBeforeEpoch:
		v.Timestamp = time.UnixMilli(-1 - g.rand.Int64N(1_000_000))
	case poisonEndOfTime:
		v.Timestamp = time.UnixMilli(endOfTime + g.rand.Int64N(1_000_000))
	}
	rec := g.view(v, arrival)
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
		rec.Value = loadgen.Encoded(&g.slab, g.counts,
			&schema.PageCount{Page: v.Page, WindowStart: v.Timestamp,
				WindowEnd: v.Timestamp, Views: 1})
	case poisonNullValue:
		rec.Value = nil
	case poisonNullKey:
		rec.Key = nil
	case poisonOtherKey:
		rec.Key = g.slab.Bytes(v.Page + "x")
	}
	return rec
}
