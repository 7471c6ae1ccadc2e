package main

import "math"

// What causes cost, by name. The first ones are counted in a window, or planned from what a
// deployer knows.
const (
	perEvent       = "million events"
	perChange      = "million state changes"
	perSlot        = "million transactions in changed windows"
	perTransaction = "thousand transactions"
	perTaskEpoch   = "thousand partitions in transactions"
	perLoaded      = "million events produced to the input"
	perPaddedGB    = "GB of larger records"
	perMiss        = "million events whose state is not cached"
	perInstance    = "instance"
	perPartition   = "partition"
	perCachedMB    = "MB of decoded state"
	perFullSpeed   = "instance at full speed"
)

// drivers are how much there is of each cause.
type drivers map[string]float64

const (
	// spanSeconds is how long a transaction stays in its user's window: span and grace.
	spanSeconds = 310
	// slotsMax is how many slots a user's entry has at most; with more transactions it is a tree.
	slotsMax = 96
	// cachedShare of memory.max is for decoded state.
	cachedShare = 0.25
	// entryBytes is what an entry takes in the cache, as measured with a few transactions in it.
	entryBytes = 420
)

// counted are the drivers of a window as they were measured.
func counted(r *Result) drivers {
	d := fixed(r.Point, float64(r.Events))
	d[perChange] = float64(r.StateChanges) / 1e6
	d[perTransaction] = float64(r.Epochs) / 1e3
	d[perTaskEpoch] = float64(r.TaskEpochs) / 1e3
	d[perLoaded] = float64(r.Loaded) / 1e6
	d[perSlot] = max(d[perChange]-first(r.Point)*float64(r.Events)/1e6, 0) * slots(r.Point)
	return d
}

// planned are the drivers of so many events at a rate, as they follow from what a deployer knows.
// cycle is how long a transaction takes where nothing else bounds their number.
func planned(p Point, events, rate, cycle float64) drivers {
	d := fixed(p, events)
	interval := float64(p.IntervalMS) / 1e3
	if p.Rate > 0 {
		interval = float64(p.LingerMS) / 1e3 // at 0, one follows as soon as it can
	}
	transactions := events / rate / max(interval, cycle)
	each := rate * max(interval, cycle) // events in a transaction
	d[perTransaction] = transactions / 1e3
	d[perTaskEpoch] = transactions * taking(p, each) / 1e3
	d[perChange] = events / 1e6 * (changesPerEvent(p, each) + first(p))
	d[perSlot] = events / 1e6 * changesPerEvent(p, each) * slots(p)
	if p.Rate > 0 {
		d[perLoaded] = events / 1e6
	}
	return d
}

// fixed are the drivers that are known without a measurement.
func fixed(p Point, events float64) drivers {
	d := drivers{perEvent: events / 1e6, perInstance: 1, perPartition: float64(p.Partitions)}
	d[perPaddedGB] = events * float64(p.Padding) / 1e9
	state := float64(p.Keys) * entryBytes / 1e6
	cache := float64(p.MemoryMB) * cachedShare * 1.048576
	d[perCachedMB] = min(state, cache)
	d[perMiss] = events / 1e6 * (1 - p.Hot) * max(1-cache/state, 0)
	if p.Rate == 0 {
		d[perFullSpeed] = 1
	}
	return d
}

// taking is how many of the partitions have something in a transaction of so many events.
func taking(p Point, events float64) float64 {
	n := float64(p.Partitions)
	return n * (1 - math.Exp(-events/n))
}

// changesPerEvent is how many entries change for each event, when so many are in a transaction: a
// key that comes several times changes once. A key with a tree changes a node besides.
func changesPerEvent(p Point, events float64) float64 {
	keys, others := float64(p.Keys), events*(1-p.Hot)
	changed := keys * (1 - math.Exp(-others/keys))
	changed += others * trees(p)
	if p.Hot > 0 {
		changed += min(1, events*p.Hot)
	}
	return changed / events
}

// began is the share of a point's events that come before what counts.
func began(p Point) float64 {
	if p.Rate == 0 {
		return 0
	}
	return pacedFrom
}

// first is the share of the events that count which are a key's first ones: they set a timer, which
// is a change besides.
func first(p Point) float64 {
	keys, all := float64(p.Keys), float64(p.Events)
	unseen := func(after float64) float64 { return math.Exp(-(1 - p.Hot) * after / keys) }
	return keys * (unseen(began(p)*all) - unseen(all)) / (all * (1 - began(p)))
}

// filled is how many events fill the windows: those of a span.
func filled(p Point) float64 {
	pace := float64(calmPace)
	if p.Rate > 0 {
		pace = float64(p.Rate)
	}
	return pace * spanSeconds
}

// slots is how many slots an entry has that changes, on average over the events that count.
func slots(p Point) float64 {
	so := float64(p.Events) * (began(p) + 1) / 2 // that came so far
	return min((1-p.Hot)*min(filled(p), so)/float64(p.Keys), slotsMax)
}

// trees is for which share of the events that count a key that is not hot has a tree.
func trees(p Point) float64 {
	needed := slotsMax * float64(p.Keys) / (1 - p.Hot) // events until keys have so many slots
	if needed > filled(p) {
		return 0
	}
	return max(1-max(needed/float64(p.Events), began(p)), 0) / (1 - began(p))
}
