package audit

import (
	"fmt"
	"slices"
	"testing"
)

// TestSeen adds the outputs of records that led to few and to very many.
func TestSeen(t *testing.T) {
	const many = 5_000
	for _, c := range []struct {
		name    string
		missing []int64 // ordinals of offset 7, which led to many
		want    []string
	}{
		{"all there", nil, nil},
		{"the first", []int64{0}, []string{"7/0"}},
		{"two in a row", []int64{5, 6}, []string{"7/6"}},
		{"the last of few", []int64{few - 1}, []string{"7/63"}},
		{"the first of many", []int64{few}, []string{"7/64"}},
		{"one of many", []int64{3_000}, []string{"7/3000"}},
		{"the last, which nobody can miss", []int64{many - 1}, nil},
		{"one of each", []int64{3, 100}, []string{"7/3", "7/100"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s seen
			for offset, n := range map[int64]int64{7: many, 8: 1, 1 << 40: 3} {
				for ordinal := range n {
					if offset == 7 && slices.Contains(c.missing, ordinal) {
						continue
					}
					if !s.add(offset, uint64(ordinal)) {
						t.Fatalf("%d/%d was there", offset, ordinal)
					}
					if s.add(offset, uint64(ordinal)) {
						t.Fatalf("%d/%d was not there", offset, ordinal)
					}
				}
			}
			var got []string
			s.gaps(0, func(o, n int64) { got = append(got, fmt.Sprintf("%d/%d", o, n)) })
			if !slices.Equal(got, c.want) {
				t.Errorf("missing %v, want %v", got, c.want)
			}
			s.gaps(8, func(o, n int64) { t.Errorf("%d/%d is below the offset asked for", o, n) })
		})
	}
}
