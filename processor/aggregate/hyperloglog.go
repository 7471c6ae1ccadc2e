package aggregate

import (
	"math"
	"math/bits"
)

const (
	indexBits     = 12
	registerCount = 1 << indexBits // standard error 1.04 / √4096
	registerBits  = 6
	registersSize = registerCount * registerBits / 8
	rankMax       = 64 - indexBits + 1
)

// registers are those of a HyperLogLog (Flajolet, Fusy, Gandouet, Meunier, 2007) with 64-bit hashes
// (Heule, Nunkesser, Hall, 2013): four in three bytes, low bits first.
type registers []byte

func (r registers) get(i int) int {
	b := r[i/4*3:]
	four := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	return int(four >> (i % 4 * registerBits) & (1<<registerBits - 1))
}

// raise makes register i at least rank.
func (r registers) raise(i, rank int) {
	if r.get(i) >= rank {
		return
	}
	b, shift := r[i/4*3:], i%4*registerBits
	four := uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	four = four&^(uint32(1<<registerBits-1)<<shift) | uint32(rank)<<shift
	b[0], b[1], b[2] = byte(four), byte(four>>8), byte(four>>16)
}

// add keeps, per register, the highest position of the first 1 in the rest of the hashes.
func (r registers) add(hash uint64) {
	rest := hash<<indexBits | 1<<(indexBits-1) // ends the search
	r.raise(int(hash>>(64-indexBits)), bits.LeadingZeros64(rest)+1)
}

func (r registers) merge(other registers) {
	for i := range registerCount {
		r.raise(i, other.get(i))
	}
}

// estimate is Ertl's improved raw estimator (New cardinality estimation algorithms for HyperLogLog
// sketches, 2017, section 4): unlike that of 2007 it is without bias over the whole range, and
// needs no measured table of corrections as HyperLogLog++ does.
func (r registers) estimate() int64 {
	const m = float64(registerCount)
	var count [rankMax + 1]int // registers by their rank
	for i := range registerCount {
		count[r.get(i)]++
	}
	z := 0.0 // registers at their limit would add something from 2^60 strings on
	for rank := rankMax - 1; rank >= 1; rank-- {
		z = 0.5 * (z + float64(count[rank]))
	}
	z += float64(m * sigma(float64(count[0])/m))
	return int64(min(math.Round(m*m/(2*math.Ln2*z)), 1<<62)) // z is 0 when all are at their limit
}

// sigma accounts for the registers that nothing has reached: x + Σ 2^(k-1) x^(2^k).
func sigma(x float64) float64 {
	if x == 1 {
		return math.Inf(1)
	}
	y, z := 1.0, x
	for before := math.NaN(); z != before; y += y {
		x *= x
		before = z
		z += float64(x * y) // a conversion keeps processors from fusing the two operations
	}
	return z
}
