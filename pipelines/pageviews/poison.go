package pageviews

import (
	"strings"
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/pageviews"
)

// poison makes a broken record of a sound view.
func (g *Generator) poison(v schema.PageView, arrival int64) loadgen.Record {
	own := []func(){
		func() { v.EventID = "" },
		func() { v.UserID = "" },
		func() { v.Page += strings.Repeat("/a", maxPage/2) },
		func() { v.Timestamp = loadgen.Future(arrival, g.cfg.Pipeline.skew()) },
		func() { v.Timestamp = loadgen.BeforeEpoch(g.rand) },
		func() { v.Timestamp = time.UnixMilli(endOfTime + g.rand.Int64N(1_000_000)) },
	}
	sound := func() loadgen.Record { return g.view(v, arrival) }
	return g.slab.Poison(g.rand, own, sound, func() []byte {
		return loadgen.Encoded(&g.slab, g.counts, &schema.PageCount{Page: v.Page,
			WindowStart: v.Timestamp, WindowEnd: v.Timestamp, Views: 1})
	})
}
