package pageviews

import (
	"slices"

	schema "pawl/schemas/pageviews"
)

const (
	secondMs      = 1000
	minuteSeconds = 60
)

// secondOf is the second that a view at ms ≥ 0 belongs to: second s stands for (s − 1, s].
func secondOf(ms int64) int64 {
	s := ms / secondMs
	if ms%secondMs != 0 {
		s++
	}
	return s
}

// minuteOf is the minute that a second ≥ 0 is kept in.
func minuteOf(second int64) int64 { return second / minuteSeconds }

// add counts a view in a second of the minute, and reports whether it is the second's first.
func add(m *schema.PageMinute, second int64) bool {
	second %= minuteSeconds
	switch n := int64(len(m.Counts)); {
	case n == 0:
		m.First, m.Counts = second, append(m.Counts, 0)
	case second < m.First:
		m.Counts = slices.Insert(m.Counts, 0, make([]int64, m.First-second)...)
		m.First = second
	case second >= m.First+n:
		m.Counts = append(m.Counts, make([]int64, second-m.First-n+1)...)
	}
	count := &m.Counts[second-m.First]
	*count++
	return *count == 1
}

// stretch is what there is between two seconds.
type stretch struct {
	views int64
	first int64 // second of the first of them, when there are any
}

// plus adds the views from second from to second to, both included, of a minute that comes after
// what s has seen.
func (s stretch) plus(minute int64, m *schema.PageMinute, from, to int64) stretch {
	base := minute*minuteSeconds + m.First
	first := max(from-base, 0)
	end := min(to-base+1, int64(len(m.Counts)))
	for i := first; i < end; i++ {
		if n := m.Counts[i]; n > 0 {
			if s.views == 0 {
				s.first = base + i
			}
			s.views += n
		}
	}
	return s
}

// last is the last second with views of a minute that has some.
func last(minute int64, m *schema.PageMinute) int64 {
	return minute*minuteSeconds + m.First + int64(len(m.Counts)) - 1
}
