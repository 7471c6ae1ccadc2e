package loadgen

import (
	"math"
	"math/rand/v2"
	"sort"
)

// Rand is a source of seeded numbers.
type Rand = rand.Rand

// NewRand returns the numbers of a seed; streams of one seed are independent of each other.
func NewRand(seed, stream uint64) *Rand { return rand.New(rand.NewPCG(seed, stream)) }

// Skew draws numbers from 0 to n−1 so that k is drawn in proportion to 1/(k+1)^s (Zipf, 1949): all
// alike with s = 0, more and more for 0 as s grows.
type Skew struct {
	n      int
	bounds []float64 // share of all draws up to and with k; nil when all are alike
}

// NewSkew returns a Skew over n ≥ 1 numbers.
func NewSkew(n int, s float64) *Skew {
	k := &Skew{n: n}
	if s <= 0 {
		return k
	}
	k.bounds = make([]float64, n)
	sum := 0.0
	for i := range k.bounds {
		sum += math.Pow(float64(i+1), -s)
		k.bounds[i] = sum
	}
	for i := range k.bounds {
		k.bounds[i] /= sum
	}
	return k
}

// Draw returns the next number.
func (k *Skew) Draw(r *Rand) int {
	if k.bounds == nil {
		return r.IntN(k.n)
	}
	return min(sort.SearchFloat64s(k.bounds, r.Float64()), k.n-1)
}
