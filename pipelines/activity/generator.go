package activity

import (
	"cmp"
	"math"
	"strconv"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

// LoadConfig says what a Generator makes. The zero value of a field means its default; a negative
// share or duration means none.
type LoadConfig struct {
	// Pipeline holds the settings that decide what is late, in time, a duplicate.
	Pipeline Config
	// Seed decides everything else: the same seed and settings give the same records.
	Seed uint64
	// Users there are. Default 100,000.
	Users int
	// Skew is the exponent of Zipf's law over the users; 0 treats all alike.
	Skew float64
	// Start is when the first event arrives. Required for times near now.
	Start time.Time
	// Rate is how many events arrive per second of event time, pauses included. Default 5,000.
	Rate float64
	// Disorder is the share that is delayed by up to max.out.of.orderness. Default 0.1.
	Disorder float64
	// Straggle is the share that is delayed by up to the grace besides, and still in time.
	// Default 0.01.
	Straggle float64
	// Late is the share that comes too late for its minute, or for its five minutes too. Default
	// 0.002.
	Late float64
	// Poison is the share that is broken in one of many ways. Default 0.002.
	Poison float64
	// Duplicates is the share that has an id sent before: a while ago, or so long ago that it is
	// forgotten. Default 0.01.
	Duplicates float64
	// PauseEvery says how often the events stop for Pause, so that all windows close at once.
	// Default 4m.
	PauseEvery time.Duration
	// Pause is how long they stop. What did not come in it came faster before: at no time are
	// there more events than Rate gives. Default 90s, at most 3/4 of PauseEvery.
	Pause time.Duration
}

// EnsureDefaults replaces zero values by their defaults.
func (c *LoadConfig) EnsureDefaults() {
	c.Pipeline.EnsureDefaults()
	loadgen.DefaultShares(&c.Disorder, &c.Straggle, &c.Late, &c.Poison)
	c.Duplicates = cmp.Or(c.Duplicates, 0.01)
	c.Rate = cmp.Or(c.Rate, 5_000)
	if c.Users <= 0 {
		c.Users = 100_000
	}
	if c.PauseEvery == 0 {
		c.PauseEvery = 4 * time.Minute
	}
	if c.Pause == 0 {
		c.Pause = 90 * time.Second
	}
	c.PauseEvery = max(c.PauseEvery, 0)
	c.Pause = min(max(c.Pause, 0), c.PauseEvery/4*3)
}

// Generator makes events, without end. It implements loadgen.Generator.
type Generator struct {
	cfg    LoadConfig
	rand   *loadgen.Rand
	skew   *loadgen.Skew
	events *schemas.Encoder[schema.UserEvent]
	others *schemas.Encoder[schema.UserAggregate] // for events of a schema that is none of theirs
	past   *history
	n      int64 // events so far
	slab   loadgen.Slab
}

// NewGenerator returns a Generator.
func NewGenerator(cfg LoadConfig) *Generator {
	cfg.EnsureDefaults()
	return &Generator{cfg: cfg, rand: loadgen.NewRand(cfg.Seed, 1),
		skew: loadgen.NewSkew(cfg.Users, cfg.Skew), past: newHistory(cfg.Pipeline.DedupeHorizon)}
}

// Schemas implements loadgen.Generator. No record goes to the second topic, but its schema has to
// have an id for poison.
func (g *Generator) Schemas() []loadgen.Schema {
	list := []loadgen.Schema{{Topic: UserEvents, Text: schema.UserEventType().String()}}
	if g.cfg.Poison > 0 {
		list = append(list, loadgen.Schema{Topic: ProcessedEvents,
			Text: schema.UserAggregateType().String()})
	}
	return list
}

// Bind implements loadgen.Generator.
func (g *Generator) Bind(ids map[string]int32) {
	g.events = schemas.NewEncoder(schema.UserEventType(), ids[UserEvents])
	g.others = schemas.NewEncoder(schema.UserAggregateType(), ids[ProcessedEvents])
}

// Next implements loadgen.Generator. Bind comes first.
func (g *Generator) Next() loadgen.Record {
	arrival := g.arrival()
	g.n++
	if g.rand.Float64() < g.cfg.Duplicates {
		if e, ok := g.past.draw(g.rand); ok {
			if g.rand.IntN(2) == 0 { // sent again as something new
				e.Timestamp = time.UnixMilli(g.eventTime(arrival))
				e.Value = g.value()
			}
			return g.record(e, arrival)
		}
	}
	e := schema.UserEvent{
		EventID:   loadgen.ID("e", g.cfg.Seed, g.n),
		UserID:    userName(g.skew.Draw(g.rand)),
		Timestamp: time.UnixMilli(g.eventTime(arrival)),
		Action:    g.action(),
		Value:     g.value(),
		SessionID: "s" + strconv.Itoa(g.rand.IntN(1000)),
	}
	if g.rand.Float64() < g.cfg.Poison {
		return g.poison(e, arrival)
	}
	g.past.add(e, arrival)
	return g.record(e, arrival)
}

// arrival is when the next event arrives, in ms: the time that passes at the rate, with what
// happens in each PauseEvery squeezed into its beginning.
func (g *Generator) arrival() int64 {
	at := float64(g.n) / g.cfg.Rate * 1000
	if every := float64(g.cfg.PauseEvery.Milliseconds()); every > 0 {
		busy := every - float64(g.cfg.Pause.Milliseconds())
		whole := math.Floor(at/every) * every
		at = whole + (at-whole)*busy/every
	}
	return g.cfg.Start.UnixMilli() + int64(at)
}

// record is a sound record.
func (g *Generator) record(e schema.UserEvent, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: UserEvents, Key: g.slab.Bytes(e.UserID),
		Value: loadgen.Encoded(&g.slab, g.events, &e), Timestamp: arrival}
}

func userName(n int) string { return loadgen.Name("user-", 7, n) }

// action is mostly one that everybody knows.
func (g *Generator) action() string {
	known := [...]string{"login", "view", "search", "click", "add_cart", "purchase", "logout"}
	if g.rand.IntN(50) == 0 {
		return "action-" + strconv.Itoa(g.rand.IntN(10))
	}
	return known[g.rand.IntN(len(known))]
}

// value is one of those whose sum depends on the order, now and then a lot.
func (g *Generator) value() float64 {
	switch g.rand.IntN(40) {
	case 0:
		return 0
	case 1:
		return g.rand.NormFloat64() * 1e15
	}
	return g.rand.NormFloat64() * 100
}

// eventTime is when an event that arrives now happened.
func (g *Generator) eventTime(arrival int64) int64 {
	c := &g.cfg
	lag, _ := loadgen.Delays{Disorder: c.Disorder, Straggle: c.Straggle, Late: c.Late,
		MaxOutOfOrderness: c.Pipeline.MaxOutOfOrderness, Grace: c.Pipeline.Grace,
		Beyond: 61 * time.Second, Spread: 4 * time.Minute}.Draw(g.rand)
	return max(arrival-lag, 0)
}
