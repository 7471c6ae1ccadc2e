package pageviews

import (
	"cmp"
	"slices"
	"strings"
)

// Ranked is a page with its views.
type Ranked struct {
	Page  string `json:"page"`
	Views int64  `json:"views"`
}

// Top merges the lists of several partitions, in any order, and gives the n pages with the most
// views, the most viewed first; those with equal views stand by page. Views of a page that is in
// more than one list add up; a page without views is in no top.
func Top(counts [][]Ranked, n int) []Ranked {
	all := slices.Concat(counts...)
	slices.SortFunc(all, func(a, b Ranked) int { return strings.Compare(a.Page, b.Page) })
	pages := make([]Ranked, 0, len(all))
	for _, r := range all {
		if last := len(pages) - 1; last >= 0 && pages[last].Page == r.Page {
			pages[last].Views += r.Views
			continue
		}
		pages = append(pages, r)
	}
	pages = slices.DeleteFunc(pages, func(r Ranked) bool { return r.Views <= 0 })
	slices.SortStableFunc(pages, func(a, b Ranked) int { return cmp.Compare(b.Views, a.Views) })
	return slices.Clip(pages[:max(0, min(n, len(pages)))])
}
