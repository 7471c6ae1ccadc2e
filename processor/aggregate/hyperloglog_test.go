package aggregate

import (
	"math/rand/v2"
	"testing"
)

// TestRegistersArePacked compares the packed registers with plain ones, over every rank.
func TestRegistersArePacked(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 4))
	r := make(registers, registersSize)
	var plain [registerCount]int
	for range 200_000 {
		i, rank := random.IntN(registerCount), random.IntN(rankMax+1)
		r.raise(i, rank)
		plain[i] = max(plain[i], rank)
	}
	for i, want := range plain {
		if got := r.get(i); got != want {
			t.Fatalf("register %d is %d, want %d", i, got, want)
		}
	}
}

func TestRanks(t *testing.T) {
	for _, c := range []struct {
		hash        uint64
		index, rank int
	}{
		{0, 0, rankMax},
		{1, 0, rankMax - 1},
		{1 << 51, 0, 1},
		{1 << 50, 0, 2},
		{1 << 52, 1, rankMax},
		{1<<64 - 1, registerCount - 1, 1},
	} {
		r := make(registers, registersSize)
		r.add(c.hash)
		if got := r.get(c.index); got != c.rank {
			t.Errorf("hash %x: register %d is %d, want %d", c.hash, c.index, got, c.rank)
		}
	}
}

// TestEstimateAtTheEnds: no hash at all, and all registers at their limit.
func TestEstimateAtTheEnds(t *testing.T) {
	r := make(registers, registersSize)
	if got := r.estimate(); got != 0 {
		t.Errorf("nothing is estimated as %d", got)
	}
	for i := range registerCount {
		r.raise(i, rankMax)
	}
	if got := r.estimate(); got < 1<<60 {
		t.Errorf("more than can be told is estimated as %d", got)
	}
}
