package processor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pawl/statestore"
)

// TestFairShare: what is kept is the limit where there is more, all where there is not, and no
// table gets less than an equal part of it.
func TestFairShare(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		sizes := make([]int64, 1+rnd.IntN(8))
		var total int64
		for i := range sizes {
			sizes[i] = rnd.Int64N(1 + rnd.Int64N(1000))
			total += sizes[i]
		}
		limit := rnd.Int64N(2000)
		share := fairShare(slices.Clone(sizes), limit)
		var kept int64
		for _, size := range sizes {
			kept += min(size, share)
		}
		n := int64(len(sizes))
		if total <= limit && kept != total {
			t.Fatalf("share %d of %d keeps %d of %v", share, limit, kept, sizes)
		}
		if total > limit && (kept > limit || kept <= limit-n || share < limit/n) {
			t.Fatalf("share %d of %d keeps %d of %v", share, limit, kept, sizes)
		}
	}
	if share := fairShare(nil, 0); share != math.MaxInt64 {
		t.Errorf("without tables the share is %d", share)
	}
}

// TestLargeTableUsesWhatOthersLeave: a task whose state fits into its cache keeps all of it there,
// however unequal the tables are, and not a byte more than it may once it does not fit.
func TestLargeTableUsesWhatOthersLeave(t *testing.T) {
	p := New("p")
	large := Keyed(p, "large", sampleType())
	for i := range 5 {
		Keyed(p, fmt.Sprint("empty-", i), sampleType())
	}
	Input(p, "in", sampleType(), func(ctx *Context, v sample) error {
		large.Set(ctx, v)
		return nil
	})
	r := newRig(t, p, statestore.NewMem())
	const keys = 1000
	epoch := func(limit int64) (held int, bytes int64) {
		for i := range int64(keys) {
			if err := r.step(sample{fmt.Sprint("k", i), i}); err != nil {
				t.Fatal(err)
			}
		}
		r.seal()
		r.commit(limit)
		c := r.core.tables[0].(*cache[sample])
		return c.index.n, c.size
	}
	held, bytes := epoch(1 << 30)
	if held != keys {
		t.Fatalf("%d of %d keys are held without a limit", held, keys)
	}
	if held, _ := epoch(bytes); held != keys {
		t.Errorf("%d of %d keys are held in as many bytes as they take", held, keys)
	}
	if held, now := epoch(bytes / 2); now > bytes/2 || held < keys*4/10 {
		t.Errorf("%d of %d keys are held, in %d of %d bytes", held, keys, now, bytes/2)
	}
}
