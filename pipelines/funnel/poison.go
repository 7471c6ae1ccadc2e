package funnel

import (
	"math"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/funnel"
)

// poisonEvent makes a broken record of a sound event.
func (g *Generator) poisonEvent(e schema.UserEvent, arrival int64) loadgen.Record {
	own := append(g.absurd(&e.Timestamp, arrival),
		func() { e.EventID = "" },
		func() { e.Action = [...]string{"", "teleport", "VIEW", "purchase "}[g.rand.IntN(4)] },
		func() { e.Value = math.NaN() },
		func() { e.Value = math.Inf(1 - 2*g.rand.IntN(2)) })
	sound := func() loadgen.Record { return g.soundEvent(e, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.clicks,
			&schema.AdClick{ClickID: e.EventID, UserID: e.UserID})
	})
}

// poisonClick makes a broken record of a sound click.
func (g *Generator) poisonClick(c schema.AdClick, arrival int64) loadgen.Record {
	own := append(g.absurd(&c.Timestamp, arrival),
		func() { c.ClickID = "" },
		func() { c.Campaign = "" })
	sound := func() loadgen.Record { return g.soundClick(c, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.events,
			&schema.UserEvent{EventID: c.ClickID, UserID: c.UserID})
	})
}

// absurd are times that no record has.
func (g *Generator) absurd(at *time.Time, arrival int64) []func() {
	return []func(){
		func() { *at = loadgen.Future(arrival, g.cfg.Pipeline.skew()) },
		func() { *at = loadgen.BeforeEpoch(g.rand) },
	}
}
