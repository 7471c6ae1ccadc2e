package activity

import (
	"math"

	"pawl/internal/loadgen"
	schema "pawl/schemas/activity"
)

// poison makes a broken record of a sound event.
func (g *Generator) poison(e schema.UserEvent, arrival int64) loadgen.Record {
	own := []func(){
		func() { e.Value = math.NaN() },
		func() { e.Value = math.Inf(1 - 2*g.rand.IntN(2)) },
		func() { e.EventID = "" },
		func() { e.Action = "" },
		func() { e.Timestamp = loadgen.Future(arrival, g.cfg.Pipeline.skew()) },
		func() { e.Timestamp = loadgen.BeforeEpoch(g.rand) },
	}
	sound := func() loadgen.Record { return g.record(e, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.others,
			&schema.UserAggregate{UserID: e.UserID, EventCount: 1})
	})
}
