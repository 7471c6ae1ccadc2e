package aggregate

import (
	"math"

	"pawl/schemas"
)

// Number is what is summed up: scores and sums are of either type.
type Number interface{ int64 | float64 }

// one returns x, or the one not-a-number that is stored: which one a processor makes up depends
// on its kind.
func one[S Number](x S) S {
	if x != x {
		return S(math.NaN())
	}
	return x
}

// Count is how many values there were.
type Count struct {
	Count int64 `avro:"count"`
}

const countSchema = `{"type": "record", "name": "Count", "namespace": "pawl.aggregate",
	"fields": [{"name": "count", "type": "long"}]}`

// CountType returns how a Count is written and read.
func CountType() schemas.Type[Count] { return schemas.Avro[Count](countSchema) }

// CountOf counts values of any type.
func CountOf[V any]() func(Count, V) Count {
	return func(c Count, _ V) Count { return Count{Count: c.Count + 1} }
}

// Merge is the count of both.
func (c Count) Merge(later Count) Count { return Count{Count: c.Count + later.Count} }

// Stats sums up float64 values. Once there is a not-a-number, sum, minimum and maximum are that.
type Stats struct {
	Count int64   `avro:"count"`
	Sum   float64 `avro:"sum"` // plain additions, in order of arrival
	Min   float64 `avro:"min"` // 0 when there were no values, as is Max
	Max   float64 `avro:"max"`
}

const statsSchema = `{"type": "record", "name": "Stats", "namespace": "pawl.aggregate",
	"fields": [{"name": "count", "type": "long"}, {"name": "sum", "type": "double"},
		{"name": "min", "type": "double"}, {"name": "max", "type": "double"}]}`

// StatsType returns how Stats are written and read.
func StatsType() schemas.Type[Stats] { return schemas.Avro[Stats](statsSchema) }

// StatsOf sums up what of takes from each value.
func StatsOf[V any](of func(V) float64) func(Stats, V) Stats {
	return func(s Stats, v V) Stats { return s.Add(of(v)) }
}

// Add is s with one value more.
func (s Stats) Add(x float64) Stats {
	return s.Merge(Stats{Count: 1, Sum: x, Min: x, Max: x})
}

// Merge is the Stats of both.
func (s Stats) Merge(later Stats) Stats {
	switch {
	case later.Count == 0:
		return s
	case s.Count == 0:
		s.Min, s.Max = later.Min, later.Max
	}
	return Stats{
		Count: s.Count + later.Count,
		Sum:   one(s.Sum + later.Sum),
		Min:   one(min(s.Min, later.Min)),
		Max:   one(max(s.Max, later.Max)),
	}
}

// Avg is the mean, 0 of no values.
func (s Stats) Avg() float64 {
	if s.Count == 0 {
		return 0
	}
	return s.Sum / float64(s.Count)
}

// IntStats sums up int64 values. A sum beyond int64 wraps around, as in Go.
type IntStats struct {
	Count int64 `avro:"count"`
	Sum   int64 `avro:"sum"`
	Min   int64 `avro:"min"` // 0 when there were no values, as is Max
	Max   int64 `avro:"max"`
}

const intStatsSchema = `{"type": "record", "name": "IntStats", "namespace": "pawl.aggregate",
	"fields": [{"name": "count", "type": "long"}, {"name": "sum", "type": "long"},
		{"name": "min", "type": "long"}, {"name": "max", "type": "long"}]}`

// IntStatsType returns how IntStats are written and read.
func IntStatsType() schemas.Type[IntStats] { return schemas.Avro[IntStats](intStatsSchema) }

// IntStatsOf sums up what of takes from each value.
func IntStatsOf[V any](of func(V) int64) func(IntStats, V) IntStats {
	return func(s IntStats, v V) IntStats { return s.Add(of(v)) }
}

// Add is s with one value more.
func (s IntStats) Add(x int64) IntStats {
	return s.Merge(IntStats{Count: 1, Sum: x, Min: x, Max: x})
}

// Merge is the IntStats of both.
func (s IntStats) Merge(later IntStats) IntStats {
	switch {
	case later.Count == 0:
		return s
	case s.Count == 0:
		s.Min, s.Max = later.Min, later.Max
	}
	return IntStats{
		Count: s.Count + later.Count,
		Sum:   s.Sum + later.Sum,
		Min:   min(s.Min, later.Min),
		Max:   max(s.Max, later.Max),
	}
}

// Avg is the mean, 0 of no values.
func (s IntStats) Avg() float64 {
	if s.Count == 0 {
		return 0
	}
	return float64(s.Sum) / float64(s.Count)
}
