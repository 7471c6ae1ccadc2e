package pageviews

import (
	"math/rand/v2"
	"testing"

	schema "pawl/schemas/pageviews"
)

// TestSeconds: second s stands for (s − 1, s].
func TestSeconds(t *testing.T) {
	t.Parallel()
	for ms, want := range map[int64]int64{0: 0, 1: 1, 999: 1, 1000: 1, 1001: 2,
		1_790_000_000_000: 1_790_000_000, 1_790_000_000_001: 1_790_000_001,
		endOfTime - 1: endOfTime / 1000} {
		if got := secondOf(ms); got != want {
			t.Errorf("%d ms belongs to second %d, want %d", ms, got, want)
		}
	}
}

// TestMinuteIsTheModel counts views in the seconds of one minute in any order, and asks for
// stretches that begin and end anywhere around it.
func TestMinuteIsTheModel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	for range 300 {
		const minute = 29_833_333
		var m schema.PageMinute
		model := make(map[int64]int64)
		for range 1 + r.IntN(80) {
			second := minute*60 + r.Int64N(60)
			model[second]++
			if first := add(&m, second); first != (model[second] == 1) {
				t.Fatalf("second %d: first %v with %d views", second, first, model[second])
			}
		}
		newest := int64(0)
		for second := range model {
			newest = max(newest, second)
		}
		if n := len(m.Counts); n > 60 || m.Counts[0] == 0 || last(minute, &m) != newest {
			t.Fatalf("%+v ends at %d, want %d", m, last(minute, &m), newest)
		}
		for range 50 {
			from := minute*60 - 70 + r.Int64N(140)
			to := from - 1 + r.Int64N(140)
			var want stretch
			for second := from; second <= to; second++ {
				if n := model[second]; n > 0 {
					if want.views == 0 {
						want.first = second
					}
					want.views += n
				}
			}
			if got := (stretch{}).plus(minute, &m, from, to); got != want {
				t.Fatalf("%d to %d of %+v: %+v, want %+v", from, to, m, got, want)
			}
		}
	}
}
