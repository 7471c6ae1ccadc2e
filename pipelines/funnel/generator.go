package funnel

import (
	"cmp"
	"math"
	"strconv"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

// LoadConfig says what a Generator makes. The zero value of a field means its default; a negative
// share means none.
type LoadConfig struct {
	// Pipeline holds the settings that decide what is late, and when sessions end.
	Pipeline Config
	// Seed decides everything else: the same seed and settings give the same records.
	Seed uint64
	// Users there are. Default 100,000.
	Users int
	// Skew is the exponent of Zipf's law over the users; 0 treats all alike.
	Skew float64
	// Visitors is how many visits go on at once. Default 500.
	Visitors int
	// Start is when the first event arrives. Required for times near now.
	Start time.Time
	// Rate is how many events arrive per second of event time. Default 5,000.
	Rate float64
	// Grain rounds event times down, and puts some of them a millisecond beside, so that ties and
	// both sides of the edges of windows are hit often. Default 1ms: neither.
	Grain time.Duration
	// Disorder is the share that is delayed by up to max.out.of.orderness. Default 0.1.
	Disorder float64
	// Straggle is the share that is delayed by up to the grace besides, and still in time.
	// Default 0.01.
	Straggle float64
	// Late is the share that comes too late to be attributed, half of it for its session too.
	// Default 0.002.
	Late float64
	// Poison is the share that is broken in one of many ways. Default 0.002.
	Poison float64
	// Clicks is the share of visits that an ad click leads to. Default 0.3.
	Clicks float64
	// PauseEvery events nothing arrives for Pause of event time. Default 50,000; negative: never.
	PauseEvery int64
	// Pause is how far event time moves on in a pause. Default: so far that all sessions close. The
	// records' timestamps move on with it: Start must lie so far back that a broker does not refuse
	// them for being ahead of its clock.
	Pause time.Duration
}

// EnsureDefaults replaces zero values by their defaults.
func (c *LoadConfig) EnsureDefaults() {
	c.Pipeline.EnsureDefaults()
	loadgen.DefaultShares(&c.Disorder, &c.Straggle, &c.Late, &c.Poison)
	c.Clicks = cmp.Or(c.Clicks, 0.3)
	c.Rate = cmp.Or(c.Rate, 5_000)
	count := func(v *int, def int) {
		if *v <= 0 {
			*v = def
		}
	}
	count(&c.Users, 100_000)
	count(&c.Visitors, 500)
	c.Grain = max(c.Grain, time.Millisecond)
	if c.PauseEvery == 0 {
		c.PauseEvery = 50_000
	}
	if c.Pause <= 0 {
		c.Pause = c.Pipeline.Gap + c.Pipeline.grace() + c.Pipeline.disorder() + time.Second
	}
}

// Generator makes events and clicks of users on their visits, without end. It implements
// loadgen.Generator.
type Generator struct {
	cfg    LoadConfig
	rand   *loadgen.Rand
	skew   *loadgen.Skew
	events *schemas.Encoder[schema.UserEvent]
	clicks *schemas.Encoder[schema.AdClick]
	visits []visit
	n      int64 // events so far
	made   int64 // visits and clicks so far
	slab   loadgen.Slab
}

// visit is what one user still will do.
type visit struct {
	user, session string
	script        []string // actions, and adClick
}

// adClick stands for a click in a visit's script.
const adClick = ""

// NewGenerator returns a Generator.
func NewGenerator(cfg LoadConfig) *Generator {
	cfg.EnsureDefaults()
	return &Generator{cfg: cfg, rand: loadgen.NewRand(cfg.Seed, 1),
		skew: loadgen.NewSkew(cfg.Users, cfg.Skew), visits: make([]visit, cfg.Visitors)}
}

// Schemas implements loadgen.Generator.
func (g *Generator) Schemas() []loadgen.Schema {
	return []loadgen.Schema{
		{Topic: UserEvents, Text: schema.UserEventType().String()},
		{Topic: AdClicks, Text: schema.AdClickType().String()},
	}
}

// Bind implements loadgen.Generator.
func (g *Generator) Bind(ids map[string]int32) {
	g.events = schemas.NewEncoder(schema.UserEventType(), ids[UserEvents])
	g.clicks = schemas.NewEncoder(schema.AdClickType(), ids[AdClicks])
}

// Next implements loadgen.Generator. Bind comes first.
func (g *Generator) Next() loadgen.Record {
	arrival := g.arrival()
	v := &g.visits[g.rand.IntN(len(g.visits))]
	if len(v.script) == 0 {
		*v = g.visit()
	}
	action := v.script[0]
	v.script = v.script[1:]
	at := time.UnixMilli(g.eventTime(arrival))
	if action == adClick {
		id := loadgen.ID("c", g.cfg.Seed, g.count(&g.made))
		return g.click(schema.AdClick{ClickID: id, UserID: v.user,
			Campaign: "campaign-" + strconv.Itoa(g.rand.IntN(50)), Timestamp: at}, arrival)
	}
	id := loadgen.ID("e", g.cfg.Seed, g.count(&g.n))
	return g.event(schema.UserEvent{EventID: id, UserID: v.user, Timestamp: at, Action: action,
		Value: g.value(action), SessionID: v.session}, arrival)
}

// arrival is when the next record arrives.
func (g *Generator) arrival() int64 {
	at := g.cfg.Start.UnixMilli() + int64(float64(g.n)/g.cfg.Rate*1000)
	if g.cfg.PauseEvery > 0 {
		at += g.n / g.cfg.PauseEvery * g.cfg.Pause.Milliseconds()
	}
	return at
}

func (g *Generator) count(n *int64) int64 { *n++; return *n }

// event is a record of user-events, broken now and then.
func (g *Generator) event(e schema.UserEvent, arrival int64) loadgen.Record {
	if g.rand.Float64() < g.cfg.Poison {
		return g.poisonEvent(e, arrival)
	}
	return g.soundEvent(e, arrival)
}

func (g *Generator) soundEvent(e schema.UserEvent, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: UserEvents, Key: g.slab.Bytes(e.UserID),
		Value: loadgen.Encoded(&g.slab, g.events, &e), Timestamp: arrival}
}

// click is a record of ad-clicks, broken now and then.
func (g *Generator) click(c schema.AdClick, arrival int64) loadgen.Record {
	if g.rand.Float64() < g.cfg.Poison {
		return g.poisonClick(c, arrival)
	}
	return g.soundClick(c, arrival)
}

func (g *Generator) soundClick(c schema.AdClick, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: AdClicks, Key: g.slab.Bytes(c.UserID),
		Value: loadgen.Encoded(&g.slab, g.clicks, &c), Timestamp: arrival}
}

// visit is a new one, of some user: most look around, some buy.
func (g *Generator) visit() visit {
	v := visit{user: loadgen.Name("user-", 7, g.skew.Draw(g.rand)),
		session: loadgen.ID("s", g.cfg.Seed, g.count(&g.made))}
	often := func(share float64, times int, action string) {
		for range times {
			if g.rand.Float64() < share {
				v.script = append(v.script, action)
			}
		}
	}
	often(g.cfg.Clicks, 1, adClick)
	often(0.1, 1, "login")
	for again := true; again; again = g.rand.IntN(5) == 0 {
		often(0.3, 1, "search")
		often(0.7, 3, ActionView)
		often(0.6, 1, ActionAddCart)
		often(0.1, 1, adClick)
		often(0.1, 1, "remove_cart")
		often(0.6, 1, ActionPurchase)
		often(0.05, 1, ActionPurchase)
	}
	often(0.1, 1, "logout")
	if g.rand.IntN(10) == 0 { // not everybody is a model customer
		g.rand.Shuffle(len(v.script), func(i, j int) {
			v.script[i], v.script[j] = v.script[j], v.script[i]
		})
	}
	if len(v.script) == 0 {
		v.script = append(v.script, ActionView)
	}
	return v
}

// value is some dollars where there is something to pay.
func (g *Generator) value(action string) float64 {
	if action != ActionAddCart && action != ActionPurchase {
		return 0
	}
	return math.Round(math.Exp(g.rand.NormFloat64()+8)) / 100
}

// eventTime is when something that arrives now happened.
func (g *Generator) eventTime(arrival int64) int64 {
	c := &g.cfg
	lag, late := loadgen.Delays{Disorder: c.Disorder, Straggle: c.Straggle, Late: c.Late,
		MaxOutOfOrderness: c.Pipeline.MaxOutOfOrderness, Grace: c.Pipeline.Grace}.Draw(g.rand)
	at := arrival - lag
	if late && g.rand.IntN(2) == 0 {
		at -= c.Pipeline.Gap.Milliseconds()
	}
	if grain := c.Grain.Milliseconds(); grain > 1 {
		at -= at % grain
		switch g.rand.IntN(10) {
		case 0:
			at--
		case 1:
			at++
		}
	}
	return max(at, 0)
}
