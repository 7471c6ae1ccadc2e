package fraud

import (
	"cmp"
	"math"
	"strconv"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// LoadConfig says what a Generator makes. The zero value of a field means its default; a negative
// share means none.
type LoadConfig struct {
	// Pipeline holds the settings that decide what is late, in time, absurd.
	Pipeline Config
	// Seed decides everything else: the same seed and settings give the same records.
	Seed uint64
	// Users there are. Default 100,000.
	Users int
	// Skew is the exponent of Zipf's law over the users; 0 treats all alike.
	Skew float64
	// Start is when the first transaction arrives. Required for times near now.
	Start time.Time
	// Rate is how many transactions arrive per second of event time. Default 5,000.
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
	// Bursts is the share that begins a burst of one user's transactions. Default 0.001.
	Bursts float64
	// LimitsEvery transactions a user's own limits change. Default 500; negative: never.
	LimitsEvery int
	// Hot is the share that one user makes, besides that user's part of the others. Default 0.
	Hot float64
	// Padding is how many letters, drawn like the rest, stand behind each merchant's name, so that
	// records are larger. Default 0.
	Padding int
}

// EnsureDefaults replaces zero values by their defaults.
func (c *LoadConfig) EnsureDefaults() {
	c.Pipeline.EnsureDefaults()
	loadgen.DefaultShares(&c.Disorder, &c.Straggle, &c.Late, &c.Poison)
	c.Bursts = cmp.Or(c.Bursts, 0.001)
	c.Rate = cmp.Or(c.Rate, 5_000)
	if c.Users <= 0 {
		c.Users = 100_000
	}
	if c.LimitsEvery == 0 {
		c.LimitsEvery = 500
	}
}

// Generator makes transactions and limits, without end. It implements loadgen.Generator.
type Generator struct {
	cfg    LoadConfig
	rand   *loadgen.Rand
	skew   *loadgen.Skew
	txs    *schemas.Encoder[schema.Transaction]
	limits *schemas.Encoder[schema.Limits]
	n      int64 // transactions so far
	owed   bool  // limits come next
	burst  string
	left   int // of the burst
	slab   loadgen.Slab
}

// NewGenerator returns a Generator.
func NewGenerator(cfg LoadConfig) *Generator {
	cfg.EnsureDefaults()
	return &Generator{cfg: cfg, rand: loadgen.NewRand(cfg.Seed, 1), owed: cfg.LimitsEvery > 0,
		skew: loadgen.NewSkew(cfg.Users, cfg.Skew)}
}

// Schemas implements loadgen.Generator.
func (g *Generator) Schemas() []loadgen.Schema {
	return []loadgen.Schema{
		{Topic: Transactions, Text: schema.TransactionType().String()},
		{Topic: LimitsTopic, Text: schema.LimitsType().String()},
	}
}

// Bind implements loadgen.Generator.
func (g *Generator) Bind(ids map[string]int32) {
	g.txs = schemas.NewEncoder(schema.TransactionType(), ids[Transactions])
	g.limits = schemas.NewEncoder(schema.LimitsType(), ids[LimitsTopic])
}

// Next implements loadgen.Generator. Bind comes first.
func (g *Generator) Next() loadgen.Record {
	arrival := g.cfg.Start.UnixMilli() + int64(float64(g.n)/g.cfg.Rate*1000)
	if g.owed {
		g.owed = false
		return g.nextLimits(arrival)
	}
	g.n++
	g.owed = g.cfg.LimitsEvery > 0 && g.n%int64(g.cfg.LimitsEvery) == 0
	tx := schema.Transaction{
		TransactionID: loadgen.ID("t", g.cfg.Seed, g.n),
		UserID:        g.user(),
		AmountCents:   g.amount(),
		Timestamp:     time.UnixMilli(g.eventTime(arrival)),
		Merchant:      "merchant-" + strconv.Itoa(g.rand.IntN(1000)) + g.padding(),
	}
	if g.rand.Float64() < g.cfg.Poison {
		return g.poison(tx, arrival)
	}
	return g.transaction(tx, arrival)
}

// transaction is a sound record.
func (g *Generator) transaction(tx schema.Transaction, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: Transactions, Key: g.slab.Bytes(tx.UserID),
		Value: loadgen.Encoded(&g.slab, g.txs, &tx), Timestamp: arrival}
}

// user picks who pays: one user after another, or half of the time the one of a burst.
func (g *Generator) user() string {
	if g.cfg.Hot > 0 && g.rand.Float64() < g.cfg.Hot {
		return userName(0)
	}
	if g.left > 0 && g.rand.IntN(2) == 0 {
		g.left--
		return g.burst
	}
	user := userName(g.skew.Draw(g.rand))
	if g.rand.Float64() < g.cfg.Bursts {
		g.burst, g.left = user, 4+g.rand.IntN(12)
	}
	return user
}

func userName(n int) string { return loadgen.Name("user-", 7, n) }

// padding is text that no compression makes much smaller.
func (g *Generator) padding() string {
	if g.cfg.Padding <= 0 {
		return ""
	}
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	text := make([]byte, g.cfg.Padding)
	for i := 0; i < len(text); {
		for bits, n := g.rand.Uint64(), 0; n < 10 && i < len(text); n++ {
			text[i] = letters[bits&63]
			bits >>= 6
			i++
		}
	}
	return string(text)
}

// amount is some dollars, now and then thousands of them.
func (g *Generator) amount() int64 {
	if g.rand.IntN(50) == 0 {
		return g.rand.Int64N(900_000)
	}
	return int64(math.Exp(g.rand.NormFloat64()+8)) % 200_000
}

// eventTime is when a transaction that arrives now happened.
func (g *Generator) eventTime(arrival int64) int64 {
	c := &g.cfg
	lag, _ := loadgen.Delays{Disorder: c.Disorder, Straggle: c.Straggle, Late: c.Late,
		MaxOutOfOrderness: c.Pipeline.MaxOutOfOrderness, Grace: c.Pipeline.Grace}.Draw(g.rand)
	return max(arrival-lag, 0)
}

// nextLimits changes some user's limits, or gives the defaults back.
func (g *Generator) nextLimits(arrival int64) loadgen.Record {
	l := schema.Limits{UserID: userName(g.skew.Draw(g.rand)), MaxCount: 1 + g.rand.IntN(30),
		MaxTotalCents: 1_000 + g.rand.Int64N(3_000_000)}
	rec := loadgen.Record{Topic: LimitsTopic, Key: g.slab.Bytes(l.UserID), Timestamp: arrival}
	kind := g.rand.IntN(4)
	if kind == 0 {
		return rec // a tombstone
	}
	rec.Value = loadgen.Encoded(&g.slab, g.limits, &l)
	if g.rand.Float64() < g.cfg.Poison {
		rec.Key = g.slab.Bytes(l.UserID + "x")
	}
	return rec
}
