package statestore_test

import (
	"math/rand/v2"
	"testing"

	"pawl/statestore"
)

// TestCrashDiskKeepsWhatWasFlushed cuts the power after a flush and one more epoch.
func TestCrashDiskKeepsWhatWasFlushed(t *testing.T) {
	t.Parallel()
	chance := rand.New(rand.NewPCG(1, 2))
	d := statestore.NewCrashDisk()
	var flushed int64
	applied, lost := int64(0), 0
	for n := int64(1); n <= 30; n++ {
		s, err := d.Open()
		if err != nil {
			t.Fatal(err)
		}
		if at := s.Mark().Offset; at < flushed {
			t.Fatalf("mark %d was flushed, the disk has %d", flushed, at)
		} else if at < applied {
			lost++
		}
		for _, m := range []int64{n * 10, n*10 + 1} {
			if err := s.Apply(nil, statestore.Mark{Offset: m}); err != nil {
				t.Fatal(err)
			}
			applied = m
			if m == n*10 && n%2 == 0 {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
				flushed = m
			}
		}
		if err := d.Crash(chance); err != nil {
			t.Fatal(err)
		}
	}
	if lost == 0 {
		t.Error("no crash lost what was not flushed")
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
