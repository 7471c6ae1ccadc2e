package pageviews

import (
	"cmp"
	"strconv"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
	schema "pawl/schemas/pageviews"
)

// LoadConfig says what a Generator makes. The zero value of a field means its default; a negative
// share means none.
type LoadConfig struct {
	// Pipeline holds the settings that decide what is late, in time, absurd.
	Pipeline Config
	// Seed decides everything else: the same seed and settings give the same records.
	Seed uint64
	// Pages there are, of which two thirds are viewed at any time. Default 30, at least 3.
	Pages int
	// Skew is the exponent of Zipf's law over the pages that are viewed. Default 1; negative
	// treats all alike.
	Skew float64
	// Shift is how much event time passes until every page is a rank more popular, the most
	// popular one is not viewed any more and another one comes in as the least popular. Default an
	// eighth of the span, so that a page is quiet for longer than the span.
	Shift time.Duration
	// Users there are. Default 1,000.
	Users int
	// Start is when the first view arrives. Required for times near now.
	Start time.Time
	// Rate is how many views arrive per second of event time. Default 10.
	Rate float64
	// Disorder is the share that is delayed by up to max.out.of.orderness. Default 0.1.
	Disorder float64
	// Straggle is the share that is delayed by up to the grace besides, and still in time.
	// Default 0.01.
	Straggle float64
	// Late is the share that comes too late. Default 0.002.
	Late float64
	// Poison is the share that is broken in one of many ways. Default 0.002.
	Poison float64
	// Pauses is the share after which nothing arrives until most windows have passed: in event
	// time, so it takes load that need not keep pace with a clock. Default none.
	Pauses float64
}

// EnsureDefaults replaces zero values by their defaults.
func (c *LoadConfig) EnsureDefaults() {
	c.Pipeline.EnsureDefaults()
	c.Skew = cmp.Or(c.Skew, 1)
	loadgen.DefaultShares(&c.Disorder, &c.Straggle, &c.Late, &c.Poison)
	if c.Rate <= 0 {
		c.Rate = 10
	}
	if c.Pages <= 0 {
		c.Pages = 30
	}
	c.Pages = max(c.Pages, 3)
	if c.Shift <= 0 {
		c.Shift = c.Pipeline.Span / 8
	}
	if c.Users <= 0 {
		c.Users = 1_000
	}
}

// Generator makes page views, without end. It implements loadgen.Generator.
type Generator struct {
	cfg    LoadConfig
	rand   *loadgen.Rand
	skew   *loadgen.Skew
	views  *schemas.Encoder[schema.PageView]
	counts *schemas.Encoder[schema.PageCount]
	n      int64 // views so far
	paused int64 // ms
	slab   loadgen.Slab
}

// NewGenerator returns a Generator.
func NewGenerator(cfg LoadConfig) *Generator {
	cfg.EnsureDefaults()
	return &Generator{cfg: cfg, rand: loadgen.NewRand(cfg.Seed, 1),
		skew: loadgen.NewSkew(cfg.Pages*2/3, cfg.Skew)}
}

// Schemas implements loadgen.Generator. There are page views only; the other schema is for those
// of them that were written with a wrong one.
func (g *Generator) Schemas() []loadgen.Schema {
	return []loadgen.Schema{
		{Topic: PageViews, Text: schema.PageViewType().String()},
		{Topic: PageCounts, Text: schema.PageCountType().String()},
	}
}

// Bind implements loadgen.Generator.
func (g *Generator) Bind(ids map[string]int32) {
	g.views = schemas.NewEncoder(schema.PageViewType(), ids[PageViews])
	g.counts = schemas.NewEncoder(schema.PageCountType(), ids[PageCounts])
}

// Next implements loadgen.Generator. Bind comes first.
func (g *Generator) Next() loadgen.Record {
	arrival := g.cfg.Start.UnixMilli() + int64(float64(g.n)/g.cfg.Rate*1000) + g.paused
	g.n++
	v := schema.PageView{
		EventID:   loadgen.ID("v", g.cfg.Seed, g.n),
		Page:      g.page(arrival),
		UserID:    "user-" + strconv.Itoa(g.rand.IntN(g.cfg.Users)),
		Timestamp: time.UnixMilli(g.eventTime(arrival)),
		Referrer:  g.referrer(),
	}
	if g.rand.Float64() < g.cfg.Pauses {
		g.paused += g.pause()
	}
	if g.rand.Float64() < g.cfg.Poison {
		return g.poison(v, arrival)
	}
	return g.view(v, arrival)
}

// view is a sound record.
func (g *Generator) view(v schema.PageView, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: PageViews, Key: g.slab.Bytes(v.Page),
		Value: loadgen.Encoded(&g.slab, g.views, &v), Timestamp: arrival}
}

// page picks what is viewed now: by rank, which is another page's with every shift.
func (g *Generator) page(arrival int64) string {
	shift := max(g.cfg.Shift.Milliseconds(), 1)
	return pageName(int((arrival/shift + int64(g.skew.Draw(g.rand))) % int64(g.cfg.Pages)))
}

func pageName(n int) string { return loadgen.Name("/article/", 4, n) }

// referrer is where half of the views come from.
func (g *Generator) referrer() string {
	if g.rand.IntN(2) == 0 {
		return ""
	}
	return "https://search.example/?q=" + strconv.Itoa(g.rand.IntN(100))
}

// eventTime is when a view that arrives now happened.
func (g *Generator) eventTime(arrival int64) int64 {
	c := &g.cfg
	lag, _ := loadgen.Delays{Disorder: c.Disorder, Straggle: c.Straggle, Late: c.Late,
		MaxOutOfOrderness: c.Pipeline.MaxOutOfOrderness, Grace: c.Pipeline.Grace}.Draw(g.rand)
	at := arrival - lag
	if g.rand.IntN(8) == 0 && at == arrival && at%1000 <= c.Pipeline.disorder().Milliseconds() {
		at -= at % 1000 // the last moment of a second
	}
	return max(at, 0)
}

// pause is how long nothing arrives, in ms: about as long as a window lasts, shorter or longer.
func (g *Generator) pause() int64 {
	return g.rand.Int64N(2 * (g.cfg.Pipeline.Span + g.cfg.Pipeline.grace()).Milliseconds())
}
