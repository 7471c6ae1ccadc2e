package fraud

import (
	"pawl/internal/loadgen"
	schema "pawl/schemas/fraud"
)

// poison makes a broken record of a sound transaction.
func (g *Generator) poison(tx schema.Transaction, arrival int64) loadgen.Record {
	own := []func(){
		func() { tx.AmountCents = -1 - tx.AmountCents },
		func() { tx.AmountCents += g.cfg.Pipeline.AmountMaxCents + 1 },
		func() { tx.Timestamp = loadgen.Future(arrival, g.cfg.Pipeline.skew()) },
		func() { tx.Timestamp = loadgen.BeforeEpoch(g.rand) },
	}
	sound := func() loadgen.Record { return g.transaction(tx, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.limits, &schema.Limits{UserID: tx.UserID, MaxCount: 1})
	})
}
