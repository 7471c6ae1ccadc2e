package iot

import (
	"cmp"
	"math"
	"time"

	"pawl/internal/loadgen"
	"pawl/schemas"
	schema "pawl/schemas/iot"
)

// LoadConfig says what a Generator makes. The zero value of a field means its default; a negative
// share means none.
type LoadConfig struct {
	// Pipeline holds the settings that decide what is late, in time, an anomaly.
	Pipeline Config
	// Seed decides everything else: the same seed and settings give the same records.
	Seed uint64
	// Sensors there are. Default 10,000.
	Sensors int
	// Skew is the exponent of Zipf's law over the sensors; 0 treats all alike.
	Skew float64
	// Start is when the first reading arrives. Required for times near now.
	Start time.Time
	// Rate is how many readings arrive per second of event time. Default 5,000.
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
	// Anomalies is the share that begins an anomaly of its sensor. Default 0.002.
	Anomalies float64
	// Ties is the share that has the sensor and time of the reading before. Default 0.005.
	Ties float64
	// PauseEvery readings nothing arrives for so long that all windows end. 0: never, as event
	// time would run ahead of the clock.
	PauseEvery int
}

// EnsureDefaults replaces zero values by their defaults.
func (c *LoadConfig) EnsureDefaults() {
	c.Pipeline.EnsureDefaults()
	loadgen.DefaultShares(&c.Disorder, &c.Straggle, &c.Late, &c.Poison)
	c.Anomalies = cmp.Or(c.Anomalies, 0.002)
	c.Ties = cmp.Or(c.Ties, 0.005)
	c.Rate = cmp.Or(c.Rate, 5_000)
	if c.Sensors <= 0 {
		c.Sensors = 10_000
	}
}

// Generator makes readings, without end. It implements loadgen.Generator.
type Generator struct {
	cfg      LoadConfig
	rand     *loadgen.Rand
	skew     *loadgen.Skew
	sensors  []sensor
	readings *schemas.Encoder[schema.SensorReading]
	alerts   *schemas.Encoder[schema.SensorAlert]
	n        int64 // readings so far
	paused   int64 // ms
	before   schema.SensorReading
	slab     loadgen.Slab
}

// NewGenerator returns a Generator.
func NewGenerator(cfg LoadConfig) *Generator {
	cfg.EnsureDefaults()
	return &Generator{cfg: cfg, rand: loadgen.NewRand(cfg.Seed, 1),
		skew: loadgen.NewSkew(cfg.Sensors, cfg.Skew), sensors: make([]sensor, cfg.Sensors)}
}

// Schemas implements loadgen.Generator. Alerts are never sent there, but under their schema to the
// input, as broken readings.
func (g *Generator) Schemas() []loadgen.Schema {
	list := []loadgen.Schema{{Topic: Sensors, Text: schema.SensorReadingType().String()}}
	if g.cfg.Poison > 0 {
		list = append(list, loadgen.Schema{Topic: Alerts, Text: schema.SensorAlertType().String()})
	}
	return list
}

// Bind implements loadgen.Generator.
func (g *Generator) Bind(ids map[string]int32) {
	g.readings = schemas.NewEncoder(schema.SensorReadingType(), ids[Sensors])
	g.alerts = schemas.NewEncoder(schema.SensorAlertType(), ids[Alerts])
}

// Next implements loadgen.Generator. Bind comes first.
func (g *Generator) Next() loadgen.Record {
	if every := int64(g.cfg.PauseEvery); every > 0 && g.n > 0 && g.n%every == 0 {
		p := &g.cfg.Pipeline
		g.paused += max(p.retention(), p.quiet()) + p.MaxOutOfOrderness.Milliseconds() + 1_000 +
			g.rand.Int64N(10_000)
	}
	arrival := g.cfg.Start.UnixMilli() + g.paused + int64(float64(g.n)/g.cfg.Rate*1000)
	g.n++
	r := g.measure(g.awake(g.skew.Draw(g.rand), arrival))
	r.Timestamp = time.UnixMilli(g.eventTime(arrival))
	if g.rand.Float64() < g.cfg.Ties && g.before.SensorID != "" {
		r.SensorID, r.Location, r.Timestamp = g.before.SensorID, g.before.Location,
			g.before.Timestamp
	}
	if g.rand.Float64() < g.cfg.Poison {
		return g.poison(r, arrival)
	}
	g.before = r
	return g.reading(r, arrival)
}

// reading is a sound record.
func (g *Generator) reading(r schema.SensorReading, arrival int64) loadgen.Record {
	return loadgen.Record{Topic: Sensors, Key: g.slab.Bytes(r.SensorID),
		Value: loadgen.Encoded(&g.slab, g.readings, &r), Timestamp: arrival}
}

// groups of sensors take turns in being silent, so that windows end while others go on.
const groups = 8

// awake is sensor n, or the next one where n is silent.
func (g *Generator) awake(n int, arrival int64) int {
	turn := 2 * g.cfg.Pipeline.retention()
	if int64(n%groups) == arrival/turn%groups {
		n = (n + 1) % g.cfg.Sensors
	}
	return n
}

// sensor is what a sensor goes on from.
type sensor struct {
	known       bool
	temperature float64
	toward      float64 // temperature that it moves to
	humidity    float64
	pressure    float64
	battery     float64
	drain       float64 // of the battery, per reading
	anomaly     int     // kind
	left        int     // readings that the anomaly goes on for
}

// Kinds of anomaly.
const (
	anomalyHot = iota
	anomalyCold
	anomalyHumid
	anomalyBattery
	anomalies
)

// measure takes sensor n's next reading.
func (g *Generator) measure(n int) schema.SensorReading {
	s := &g.sensors[n]
	uniform := func(low, high float64) float64 { return low + g.rand.Float64()*(high-low) }
	if !s.known {
		*s = sensor{known: true, temperature: uniform(18, 35), humidity: uniform(30, 80),
			pressure: uniform(1000, 1020), battery: uniform(0.15, 1), drain: uniform(0, 0.002)}
		s.toward = s.temperature
	}
	if g.rand.IntN(100) == 0 {
		s.toward = uniform(18, 35)
	}
	drift := func(v, by, low, high float64) float64 {
		return min(max(v+uniform(-by, by), low), high)
	}
	s.temperature = drift(s.temperature+(s.toward-s.temperature)/20, 0.1, 18, 35)
	s.humidity = drift(s.humidity, 1, 30, 80)
	s.pressure = drift(s.pressure, 0.2, 1000, 1020)
	if s.battery -= s.drain; s.battery < 0.02 {
		s.battery = 1 // someone came by
	}
	r := schema.SensorReading{SensorID: sensorName(n), Temperature: tenth(s.temperature),
		Humidity: tenth(s.humidity), Pressure: tenth(s.pressure), Location: place(n),
		BatteryLevel: math.Round(s.battery*1000) / 1000}
	g.disturb(s, &r)
	return r
}

// disturb begins or goes on with an anomaly.
func (g *Generator) disturb(s *sensor, r *schema.SensorReading) {
	if s.left == 0 && g.rand.Float64() < g.cfg.Anomalies {
		s.anomaly, s.left = g.rand.IntN(anomalies), 1+g.rand.IntN(20)
	}
	if s.left == 0 {
		return
	}
	s.left--
	l, by := &g.cfg.Pipeline.Limits, g.rand.Float64()
	switch s.anomaly {
	case anomalyHot:
		r.Temperature = l.TemperatureMax + by*min(20, temperatureHigh-l.TemperatureMax)
	case anomalyCold:
		r.Temperature = l.TemperatureMin - by*min(20, l.TemperatureMin-temperatureLow)
	case anomalyHumid:
		r.Humidity = l.HumidityMax + by*(humidityHigh-l.HumidityMax)
	case anomalyBattery:
		r.BatteryLevel = l.BatteryMin * by
	}
}

func tenth(v float64) float64 { return math.Round(v*10) / 10 }

func sensorName(n int) string { return loadgen.Name("sensor-", 6, n) }

// place is where sensor n stands: on a grid of cities.
func place(n int) schema.Location {
	return schema.Location{Latitude: float64(n%120) - 60, Longitude: float64(n/120%340) - 170}
}

// eventTime is when a reading that arrives now was taken.
func (g *Generator) eventTime(arrival int64) int64 {
	c := &g.cfg
	lag, _ := loadgen.Delays{Disorder: c.Disorder, Straggle: c.Straggle, Late: c.Late,
		MaxOutOfOrderness: c.Pipeline.MaxOutOfOrderness, Grace: c.Pipeline.Grace}.Draw(g.rand)
	return max(arrival-lag, 0)
}
