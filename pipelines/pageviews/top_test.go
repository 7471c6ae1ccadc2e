package pageviews_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pawl/pipelines/pageviews"
)

func TestTop(t *testing.T) {
	t.Parallel()
	type list = []pageviews.Ranked
	a, b, c := pageviews.Ranked{Page: "a", Views: 5}, pageviews.Ranked{Page: "b", Views: 5},
		pageviews.Ranked{Page: "c", Views: 9}
	for _, test := range []struct {
		name   string
		counts []list
		n      int
		want   list
	}{
		{"nothing", nil, 10, list{}},
		{"no lists", []list{nil, {}}, 10, list{}},
		{"the most viewed first", []list{{a, c}}, 10, list{c, a}},
		{"ties by page", []list{{b}, {a}}, 10, list{a, b}},
		{"the cut goes through a tie", []list{{b, c}, {a}}, 2, list{c, a}},
		{"exactly n", []list{{b, c}, {a}}, 3, list{c, a, b}},
		{"one", []list{{b, c}, {a}}, 1, list{c}},
		{"none asked for", []list{{a}}, 0, list{}},
		{"less than none", []list{{a}}, -1, list{}},
		{"a page on two partitions", []list{{a, c}, {{Page: "a", Views: 5}}}, 2,
			list{{Page: "a", Views: 10}, c}},
		{"no views", []list{{{Page: "z"}, a}}, 10, list{a}},
		{"bytes, not letters", []list{{{Page: "é", Views: 1}, {Page: "z", Views: 1},
			{Page: "Z", Views: 1}}}, 3,
			list{{Page: "Z", Views: 1}, {Page: "z", Views: 1}, {Page: "é", Views: 1}}},
	} {
		before := fmt.Sprint(test.counts)
		got := pageviews.Top(test.counts, test.n)
		if got == nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
		if after := fmt.Sprint(test.counts); after != before {
			t.Errorf("%s: the lists were %s, are %s", test.name, before, after)
		}
	}
}

// TestTopIsTheModel compares with picking the best again and again, however pages are dealt out.
func TestTopIsTheModel(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var all []pageviews.Ranked
		counts := make([][]pageviews.Ranked, 1+r.IntN(5))
		for i := range r.IntN(40) {
			p := pageviews.Ranked{Page: fmt.Sprint("p", i), Views: r.Int64N(6)}
			at := r.IntN(len(counts))
			counts[at] = append(counts[at], p)
			all = append(all, p)
		}
		n := r.IntN(30)
		want := []pageviews.Ranked{}
		for len(want) < n {
			all = slices.DeleteFunc(all, func(p pageviews.Ranked) bool { return p.Views == 0 })
			if len(all) == 0 {
				break
			}
			best := slices.MinFunc(all, func(a, b pageviews.Ranked) int {
				return cmp.Or(cmp.Compare(b.Views, a.Views), cmp.Compare(a.Page, b.Page))
			})
			want = append(want, best)
			all = slices.Delete(all, slices.Index(all, best), slices.Index(all, best)+1)
		}
		if got := pageviews.Top(counts, n); !slices.Equal(got, want) {
			t.Fatalf("top %d of %v:\ngot  %v\nwant %v", n, counts, got, want)
		}
	}
}
