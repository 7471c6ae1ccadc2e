package aggregate_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"pawl/processor/aggregate"
)

// distinct folds n different strings of one seed.
func distinct(seed uint64, n int) (d aggregate.Distinct) {
	for i := range n {
		d = d.Add(fmt.Sprintf("%d/%d", seed, i))
	}
	return d
}

func TestDistinctOfFewIsExact(t *testing.T) {
	var d aggregate.Distinct
	for i := range 384 {
		for range 2 {
			d = d.Add(fmt.Sprint(i))
		}
		if got := d.Estimate(); got != int64(i+1) {
			t.Fatalf("%d different strings are estimated as %d", i+1, got)
		}
	}
}

// TestDistinctError holds the estimate to HyperLogLog's promise, 1.04/√4096 standard error and no
// bias, over the ranges where estimators differ: the change of form, few per register, the place
// of the bias of 2007 (2.5 per register), and many.
func TestDistinctError(t *testing.T) {
	const seeds, standard = 100, 1.04 / 64
	for _, n := range []int{385, 1000, 3000, 6000, 10_240, 14_000, 60_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var sum, squares, worst float64
			for seed := range uint64(seeds) {
				e := float64(distinct(seed, n).Estimate())/float64(n) - 1
				sum += e
				squares += e * e
				worst = max(worst, math.Abs(e))
			}
			bias, deviation := sum/seeds, math.Sqrt(squares/seeds)
			t.Logf("bias %+.4f, standard error %.4f, worst %.4f", bias, deviation, worst)
			// Of 100 draws: their mean strays by σ/10, their deviation by σ/14; 4 of each.
			if math.Abs(bias) > 0.4*standard || deviation > 1.28*standard || worst > 4.5*standard {
				t.Errorf("bias %+.4f, standard error %.4f, worst %.4f; promised are 0, %.4f",
					bias, deviation, worst, standard)
			}
		})
	}
}

// TestDistinctDependsOnTheSetAlone: order, repetition and merging leave no trace in the bytes.
func TestDistinctDependsOnTheSetAlone(t *testing.T) {
	typ := aggregate.DistinctType()
	for _, n := range []int{1, 100, 383, 384, 385, 400, 5000} {
		random := rand.New(rand.NewPCG(uint64(n), 3))
		want := encode(t, typ, distinct(9, n))
		if len(want) > 3100 {
			t.Errorf("%d strings take %d bytes", n, len(want))
		}
		var shuffled aggregate.Distinct
		halves := make([]aggregate.Distinct, 2)
		for range 2 {
			for _, i := range random.Perm(n) {
				s := fmt.Sprintf("9/%d", i)
				shuffled = shuffled.Add(s)
				half := random.IntN(2)
				halves[half] = halves[half].Add(s)
			}
		}
		for name, d := range map[string]aggregate.Distinct{"shuffled": shuffled,
			"merged": halves[0].Merge(halves[1])} {
			if got := encode(t, typ, d); !bytes.Equal(got, want) {
				t.Errorf("%d strings %s: %x, want %x", n, name, got, want)
			}
		}
	}
}
