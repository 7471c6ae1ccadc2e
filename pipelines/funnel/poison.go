package funnel

import (
	"math"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/funnel"
)

// The ways in which any generated record can be broken.
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
	poisonFuture
	poisonBeforeEpoch
	poisonNoID
	poisons
)

// The ways of a click alone.
const (
	poisonNoCampaign = poisons + iota
	clickPoisons
)

// The ways of an event alone.
const (
	poisonAction = poisons + iota
	poisonNaN
	poisonInf
	eventPoisons
)

// poisonEvent makes a broken record of a sound event.
func (g *Generator) poisonEvent(e schema.UserEvent, arrival int64) loadgen.Record {
	kind := g.rand.IntN(eventPoisons)
	switch kind {
	case poisonNoID:
		e.EventID = ""
	case poisonAction:
		e.Action = [...]string{"", "teleport", "VIEW", "purchase "}[g.rand.IntN(4)]
	case poisonNaN:
		e.Value = math.NaN()
	case poisonInf:
		e.Value = math.Inf(1 - 2*g.rand.IntN(2))
	}
	e.Timestamp = g.absurd(kind, e.Timestamp, arrival)
	rec := g.soundEvent(e, arrival)
	if kind == poisonOtherSchema {
		rec.Value = loadgen.Encoded(&g.slab, g.clicks,
			&schema.AdClick{ClickID: e.EventID, UserID: e.UserID})
	}
	return g.spoil(kind, rec, e.UserID)
}

// poisonClick makes a broken record of a sound click.
func (g *Generator) poisonClick(c schema.AdClick, arrival int64) loadgen.Record {
	kind := g.rand.IntN(clickPoisons)
	switch kind {
	case poisonNoID:
		c.ClickID = ""
	case poisonNoCampaign:
		c.Campaign = ""
	}
	c.Timestamp = g.absurd(kind, c.Timestamp, arrival)
	rec := g.soundClick(c, arrival)
	if kind == poisonOtherSchema {
		rec.Value = loadgen.Encoded(&g.slab, g.events,
			&schema.UserEvent{EventID: c.ClickID, UserID: c.UserID})
	}
	return g.spoil(kind, rec, c.UserID)
}

// absurd is a time that no record has, when that is the kind of poison.
func (g *Generator) absurd(kind int, at time.Time, arrival int64) time.Time {
	switch kind {
	case poisonFuture:
		return time.UnixMilli(arrival).Add(g.cfg.Pipeline.skew() + time.Second)
	case poisonBeforeEpoch:
		return time.UnixMilli(-1 - g.rand.Int64N(1_000_000))
	}
	return at
}

// spoil breaks the bytes of a record.
func (g *Generator) spoil(kind int, rec loadgen.Record, user string) loadgen.Record {
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
	case poisonNullValue:
		rec.Value = nil
	case poisonNullKey:
		rec.Key = nil
	case poisonOtherKey:
		rec.Key = g.slab.Bytes(user + "x")
	}
	return rec
}
