package loadgen

import (
	"cmp"
	"strconv"
	"time"
)

// DefaultShares gives the shares that generators have in common their defaults.
func DefaultShares(disorder, straggle, late, poison *float64) {
	*disorder = cmp.Or(*disorder, 0.1)
	*straggle = cmp.Or(*straggle, 0.01)
	*late = cmp.Or(*late, 0.002)
	*poison = cmp.Or(*poison, 0.002)
}

// Delays say how far a generator's records lag behind their arrival. Watermarks are at least
// MaxOutOfOrderness below the arrivals so far. Negative shares and durations stand for none.
type Delays struct {
	// Disorder is the share that is delayed by up to MaxOutOfOrderness.
	Disorder float64
	// Straggle is the share that is delayed by up to Grace besides, and still in time.
	Straggle float64
	// Late is the share that comes too late, by Beyond to Beyond + Spread.
	Late              float64
	MaxOutOfOrderness time.Duration
	Grace             time.Duration
	// Beyond is 1s when it is 0.
	Beyond time.Duration
	// Spread is 1m when it is 0.
	Spread time.Duration
}

// Draw is the lag of the next record, in ms, and whether it is one that comes too late.
func (d Delays) Draw(r *Rand) (lag int64, late bool) {
	disorder := max(d.MaxOutOfOrderness, 0).Milliseconds()
	grace := max(d.Grace, 0).Milliseconds()
	beyond := cmp.Or(d.Beyond, time.Second).Milliseconds()
	spread := cmp.Or(d.Spread, time.Minute).Milliseconds()
	tooLate := max(d.Late, 0)
	straggle := tooLate + max(d.Straggle, 0)
	switch share := r.Float64(); {
	case share < tooLate:
		return disorder + grace + beyond + r.Int64N(spread), true
	case share < straggle:
		return disorder + r.Int64N(grace+1), false
	case share < straggle+max(d.Disorder, 0):
		return r.Int64N(disorder + 1), false
	}
	return 0, false
}

// Name is that of the n-th user, page or sensor: prefix, then n with zeros before it.
func Name(prefix string, digits, n int) string {
	const zeros = "0000000000"
	s := strconv.Itoa(n)
	return prefix + zeros[:min(max(digits-len(s), 0), len(zeros))] + s
}

// ID is the id of the n-th record of a kind, unique among all seeds.
func ID(kind string, seed uint64, n int64) string {
	return kind + strconv.FormatUint(seed, 36) + "-" + strconv.FormatInt(n, 10)
}
