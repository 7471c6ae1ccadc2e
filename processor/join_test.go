package processor

import (
	"fmt"
	"slices"
	"testing"
)

// sides sends records of kind 0 to the left and those of kind 1 to the right.
func sides(left, right Handler[sample]) Handler[sample] {
	is := func(kind int64) func(sample) bool {
		return func(v sample) bool { return v.At%10 == kind }
	}
	return Branch(Filter(is(0), left), Filter(is(1), right))
}

// side is one stream of a join in a model: the times of each key's records, in order of time.
type side map[string][]int64

func (s side) add(key string, at int64) {
	s[key] = append(s[key], at)
	slices.Sort(s[key])
}

// within lists the key's times from first to last, both included.
func (s side) within(key string, first, last int64) (list []int64) {
	for _, at := range s[key] {
		if at >= first && at <= last {
			list = append(list, at)
		}
	}
	return list
}

// TestJoin pairs two streams, with and without left records that find no partner.
func TestJoin(t *testing.T) {
	const before, after, grace = 40, 15, 10
	in := Interval{millis(before), millis(after), millis(grace)}
	for _, outer := range []bool{false, true} {
		left := map[string]int{"j-left": 1, "timers-j-left": 1, "timers-j-left-next": 1,
			"j-open": 1, "timers-j": 1}
		compareLogs(t, 2, 60, 8, left,
			func(p *Pipeline, say func(string, ...any)) Handler[sample] {
				give := func(ctx *Context, l, r sample, ok bool) {
					say("%s %d %d %v at %d", ctx.Key(), l.At/10, r.At/10, ok,
						ctx.Time().UnixMilli())
				}
				if outer {
					return sides(LeftJoin(p, "j", in, sampleType(), sampleType(), give))
				}
				return sides(Join(p, "j", in, sampleType(), sampleType(),
					func(ctx *Context, l, r sample) { give(ctx, l, r, true) }))
			},
			func(m *model, records []sample) []string {
				lefts, rights := side{}, side{}
				alone := map[string]map[int64]int{}
				return m.run(records, func(key string, at, kind int64) {
					if m.before != noWatermark && at < m.before-grace {
						m.say("app-j-late %s %d", key, at)
						return
					}
					if kind == 1 {
						rights.add(key, at)
						for _, l := range lefts.within(key, at-after, at+before) {
							m.say("%s %d %d true at %d", key, l, at, max(l, at))
							delete(alone[key], l)
						}
					} else {
						lefts.add(key, at)
						partners := rights.within(key, at-before, at+after)
						for _, r := range partners {
							m.say("%s %d %d true at %d", key, at, r, max(at, r))
						}
						if alone[key] == nil {
							alone[key] = map[int64]int{}
						}
						if len(partners) == 0 {
							alone[key][at]++
						}
					}
					if outer {
						m.pending = nil
						for key, list := range alone {
							for l, n := range list {
								for range n {
									m.pending = append(m.pending, said{l + after + grace + 1, key,
										fmt.Sprintf("%s %d 0 false at %d", key, l, l)})
								}
								if l+after+grace+1 <= m.now {
									delete(list, l)
								}
							}
						}
					}
				})
			})
	}
}

// TestAsOf finds the latest right record before each left one, whatever order they arrive in.
func TestAsOf(t *testing.T) {
	const within, grace = 50, 10
	compareLogs(t, 2, 60, 8, map[string]int{"a-left": 1, "timers-a": 1, "a-right": 1,
		"timers-a-right": 1, "timers-a-right-next": 1},
		func(p *Pipeline, say func(string, ...any)) Handler[sample] {
			return sides(AsOf(p, "a", millis(within), millis(grace), sampleType(), sampleType(),
				func(ctx *Context, l, r sample, ok bool) {
					say("%s %d %d %v at %d", ctx.Key(), l.At/10, r.At/10, ok,
						ctx.Time().UnixMilli())
				}))
		},
		func(m *model, records []sample) []string {
			rights := side{}
			var waiting []said // text is left empty until it is decided
			return m.run(records, func(key string, at, kind int64) {
				if m.before != noWatermark && at < m.before-grace {
					m.say("app-a-late %s %d", key, at)
					return
				}
				if kind == 1 {
					rights.add(key, at)
				} else {
					waiting = append(waiting, said{at + grace + 1, key, ""})
				}
				m.pending = nil
				waiting = slices.DeleteFunc(waiting, func(w said) bool {
					if w.due > m.now {
						return false
					}
					l := w.due - grace - 1
					w.text = fmt.Sprintf("%s %d 0 false at %d", w.key, l, l)
					if list := rights.within(w.key, l-within, l); len(list) > 0 {
						w.text = fmt.Sprintf("%s %d %d true at %d", w.key, l, list[len(list)-1], l)
					}
					m.pending = append(m.pending, w)
					return true
				})
			})
		})
}

// TestPattern looks for three steps among events of four kinds.
func TestPattern(t *testing.T) {
	const gap, grace = 25, 10
	type event struct{ at, kind int64 }
	step := func(kind int64) Step[sample] {
		return Step[sample]{Name: fmt.Sprint(kind), Match: func(v sample) bool {
			return v.At%10 == kind
		}}
	}
	compareLogs(t, 4, 60, 12, map[string]int{"p": 1, "p-sessions": 1, "timers-p": 1},
		func(p *Pipeline, say func(string, ...any)) Handler[sample] {
			return Pattern(p, "p", SessionGap(millis(gap)).Grace(millis(grace)), sampleType(),
				[]Step[sample]{step(0), step(1), step(2)}, func(ctx *Context, m Match[sample]) {
					text := fmt.Sprintf("%s [%d,%d] %v", ctx.Key(), m.Span.Start.UnixMilli(),
						m.Span.End.UnixMilli(), m.Complete)
					for i, at := range m.Times {
						text += fmt.Sprintf(" %d/%d", at.UnixMilli(), m.Events[i].At%10)
					}
					say("%s", text)
				})
		},
		func(m *model, records []sample) []string {
			open := map[string][]event{} // each key's events, in order of time
			return m.run(records, func(key string, at, kind int64) {
				near := slices.ContainsFunc(open[key], func(e event) bool {
					return e.at-at <= gap && at-e.at <= gap
				})
				if !near && m.closed(at+gap+grace+1) {
					m.say("app-p-late %s %d", key, at)
					return
				}
				open[key] = append(open[key], event{at, kind})
				slices.SortStableFunc(open[key], func(a, b event) int {
					return int(a.at - b.at)
				})
				m.pending = nil
				for key, list := range open {
					for len(list) > 0 {
						n := 1
						for n < len(list) && list[n].at-list[n-1].at <= gap {
							n++
						}
						session := list[:n]
						due := session[n-1].at + gap + grace + 1
						if due > m.now {
							break
						}
						head := fmt.Sprintf("%s [%d,%d]", key, session[0].at, session[n-1].at)
						found, steps := "", int64(0)
						for _, e := range session {
							if e.kind != steps {
								continue
							}
							found += fmt.Sprintf(" %d/%d", e.at, e.kind)
							if steps++; steps == 3 {
								text := head + " true" + found
								m.pending = append(m.pending, said{due, key, text})
								found, steps = "", 0
							}
						}
						if steps > 0 {
							m.pending = append(m.pending, said{due, key, head + " false" + found})
						}
						list = list[n:]
					}
					open[key] = list
				}
			})
		})
}
