package processor

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pawl/statestore"
)

// play runs an operator over records, one key and time each, in random epochs, some of which are
// dropped and done again. It returns what the operator said, late records included, and the state
// that is left.
func play(t *testing.T, seed uint64, disorder int64, records []sample,
	build func(p *Pipeline, say func(format string, args ...any)) Handler[sample]) (
	[]string, map[string]int) {
	t.Helper()
	rnd := rand.New(rand.NewPCG(seed, 1))
	p := New("p")
	var log []string
	h := build(p, func(format string, args ...any) {
		log = append(log, fmt.Sprintf(format, args...))
	})
	Input(p, "in", sampleType(), h).
		EventTime(func(v sample) time.Time { return time.UnixMilli(v.At / 10) })
	store := statestore.NewMem()
	r := newRig(t, p, store)
	r.core.bind.disorder = disorder
	sealedLog, savedLog := 0, 0
	for r.offset < int64(len(records)) || r.sealed != nil {
		switch n := rnd.IntN(10); {
		case n < 7 && r.offset < int64(len(records)):
			v := records[r.offset]
			outputs := len(r.core.fx.Outputs)
			if err := r.step(v); err != nil {
				t.Fatal(err)
			}
			for _, out := range r.core.fx.Outputs[outputs:] {
				log = append(log, fmt.Sprintf("%s %s %d", out.Topic, v.Key, v.At/10))
			}
		case n == 7 && rnd.IntN(4) == 0:
			r.rewind()
			log = log[:savedLog]
		case r.sealed == nil:
			r.seal()
			sealedLog = len(log)
		default:
			r.commit(int64(rnd.IntN(2) * 1000))
			savedLog = sealedLog
		}
	}
	r.seal()
	r.commit(0)
	left := map[string]int{}
	err := store.Scan([]byte{1}, []byte{255}, func(key, _ []byte) bool {
		parts, err := statestore.DecodeKey(key)
		if err != nil {
			t.Fatal(err)
		}
		left[parts[0].(string)]++
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return log, left
}

// disordered gives records of a few keys whose times go up with jumps to and fro. At/10 is the
// event time, At%10 a kind. The last one lies far ahead.
func disordered(seed uint64, n, kinds int, jitter, step int64) []sample {
	rnd := rand.New(rand.NewPCG(seed, 2))
	clock := int64(1000)
	records := make([]sample, n)
	for i := range records {
		clock += rnd.Int64N(step)
		at := max(clock-rnd.Int64N(jitter), 0)
		records[i] = sample{Key: string(rune('a' + rnd.IntN(3))),
			At: at*10 + rnd.Int64N(int64(kinds))}
	}
	return append(records, sample{Key: "z", At: (clock + 100_000) * 10})
}

// said is something a model expects from a timer.
type said struct {
	due  int64
	key  string
	text string
}

// model walks over records as a task does: before each one it knows the watermark, after it the
// watermark moves and what is due is said in order of time and key.
type model struct {
	disorder int64
	before   int64
	now      int64
	log      []string
	pending  []said
}

func (m *model) run(records []sample, take func(key string, at, kind int64)) []string {
	m.now = noWatermark
	for _, v := range records {
		m.before = m.now
		m.now = max(m.now, v.At/10-m.disorder)
		take(v.Key, v.At/10, v.At%10)
		m.fire()
	}
	return m.log
}

func (m *model) fire() {
	slices.SortStableFunc(m.pending, func(a, b said) int {
		return cmp.Or(cmp.Compare(a.due, b.due), strings.Compare(a.key, b.key))
	})
	for len(m.pending) > 0 && m.pending[0].due <= m.now {
		if m.pending[0].text != "" {
			m.log = append(m.log, m.pending[0].text)
		}
		m.pending = m.pending[1:]
	}
}

func (m *model) say(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
}

func (m *model) closed(at int64) bool { return m.before != noWatermark && m.before >= at }

// compareLogs runs an operator over several seeds and compares it with its model; allowed says how
// many entries of the last record may be left in the store.
func compareLogs(t *testing.T, kinds int, jitter, step int64, allowed map[string]int,
	build func(p *Pipeline, say func(format string, args ...any)) Handler[sample],
	want func(m *model, records []sample) []string) {
	t.Helper()
	for seed := range uint64(12) {
		records := disordered(seed, 400, kinds, jitter, step)
		m := &model{disorder: 20}
		expected := want(m, records)
		got, left := play(t, seed, 20, records, build)
		if len(expected) < 50 {
			t.Fatalf("seed %d: only %d lines are expected", seed, len(expected))
		}
		for i := range max(len(got), len(expected)) {
			if i >= len(got) || i >= len(expected) || got[i] != expected[i] {
				t.Fatalf("seed %d: line %d of %d and %d differs:\n%v\nwant\n%v", seed, i, len(got),
					len(expected), got[max(0, i-2):min(i+3, len(got))],
					expected[max(0, i-2):min(i+3, len(expected))])
			}
		}
		for table, n := range left {
			if n > allowed[table] {
				t.Errorf("seed %d: table %s still has %d entries, want at most %d", seed, table, n,
					allowed[table])
			}
		}
	}
}

func millis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// TestAggregate folds hopping windows, of which tumbling ones are a case.
func TestAggregate(t *testing.T) {
	for _, w := range [][2]int64{{100, 100}, {100, 30}, {90, 45}} {
		size, advance, grace := w[0], w[1], int64(15)
		win := Hopping(millis(size), millis(advance)).Grace(millis(grace))
		compareLogs(t, 1, 80, 12, map[string]int{"win": 4, "timers-win": 4},
			func(p *Pipeline, say func(string, ...any)) Handler[sample] {
				return Aggregate(p, "win", win, sampleType(), func(a sample, v sample) sample {
					return sample{Key: v.Key, At: a.At*3 + v.At}
				}, func(ctx *Context, s Span, a sample) {
					say("%s [%d,%d) %d at %d", ctx.Key(), s.Start.UnixMilli(), s.End.UnixMilli(),
						a.At, ctx.Time().UnixMilli())
				})
			},
			func(m *model, records []sample) []string {
				sums := map[string]int64{}
				return m.run(records, func(key string, at, _ int64) {
					late := false
					for start := at / advance * advance; start > at-size; start -= advance {
						if m.closed(start + size + grace) {
							late = true
							continue
						}
						id := fmt.Sprintf("%s [%d,%d)", key, start, start+size)
						if _, open := sums[id]; !open {
							m.pending = append(m.pending, said{start + size + grace, key, id})
						}
						sums[id] = sums[id]*3 + at*10
					}
					if late {
						m.say("app-win-late %s %d", key, at)
					}
					for i := range m.pending { // the text with the newest sum
						id, _, _ := strings.Cut(m.pending[i].text, ") ")
						id = strings.TrimSuffix(id, ")") + ")"
						m.pending[i].text = fmt.Sprintf("%s %d at %d", id, sums[id],
							m.pending[i].due-grace-1)
					}
				})
			})
	}
}

// TestAggregateSessions merges sessions.
func TestAggregateSessions(t *testing.T) {
	const gap, grace = 30, 10
	type session struct {
		start, end int64
		key, text  string
	}
	compareLogs(t, 1, 90, 14, map[string]int{"s": 1, "s-sessions": 1, "timers-s": 1},
		func(p *Pipeline, say func(string, ...any)) Handler[sample] {
			w := SessionGap(millis(gap)).Grace(millis(grace))
			return AggregateSessions(p, "s", w, sampleType(),
				func(a, v sample) sample { return sample{Key: a.Key + fmt.Sprint(v.At/10, ";")} },
				func(a, b sample) sample { return sample{Key: a.Key + "+" + b.Key} },
				func(ctx *Context, s Span, a sample) {
					say("%s [%d,%d] %s", ctx.Key(), s.Start.UnixMilli(), s.End.UnixMilli(), a.Key)
				})
		},
		func(m *model, records []sample) []string {
			var open []session
			return m.run(records, func(key string, at, _ int64) {
				var joined, others []session
				for _, s := range open {
					if s.key == key && at >= s.start-gap && at <= s.end+gap {
						joined = append(joined, s)
					} else {
						others = append(others, s)
					}
				}
				if len(joined) == 0 && m.closed(at+gap+grace+1) {
					m.say("app-s-late %s %d", key, at)
					return
				}
				slices.SortFunc(joined, func(a, b session) int { return int(a.start - b.start) })
				now := session{at, at, key, ""}
				for i, s := range joined {
					now.start, now.end = min(now.start, s.start), max(now.end, s.end)
					if i > 0 {
						now.text += "+"
					}
					now.text += s.text
				}
				now.text += fmt.Sprint(at, ";")
				open = append(others, now)
				m.pending = nil
				for i := 0; i < len(open); i++ {
					s := open[i]
					m.pending = append(m.pending, said{s.end + gap + grace + 1, s.key,
						fmt.Sprintf("%s [%d,%d] %s", s.key, s.start, s.end, s.text)})
					if s.end+gap+grace+1 <= m.now { // it is said right now
						open = slices.Delete(open, i, i+1)
						i--
					}
				}
			})
		})
}

// TestSliding looks at what lies in the window that ends with each record.
func TestSliding(t *testing.T) {
	const span, grace, every = 100, 15, 40
	type key = string
	compareLogs(t, 1, 80, 12, map[string]int{"sl": 1, "sl-last": 1, "timers-sl": 1,
		"timers-sl-next": 1},
		func(p *Pipeline, say func(string, ...any)) Handler[sample] {
			w := SlidingWindow{millis(span), millis(grace), millis(every)}
			return Sliding(p, "sl", w, sampleType(),
				func(ctx *Context, s Span, values iter.Seq2[time.Time, sample]) error {
					text := ""
					for at, v := range values {
						text += fmt.Sprint(at.UnixMilli(), "/", v.At/10, " ")
					}
					say("%s (%d,%d] %s", ctx.Key(), s.Start.UnixMilli(), s.End.UnixMilli(), text)
					return nil
				})
		},
		func(m *model, records []sample) []string {
			rows, last := map[key][]int64{}, map[key]int64{}
			return m.run(records, func(k key, at, _ int64) {
				if m.before != noWatermark && at < m.before-grace {
					m.say("app-sl-late %s %d", k, at)
					return
				}
				for other, list := range rows { // what the watermark has left over
					list = slices.DeleteFunc(list, func(x int64) bool {
						return m.before != noWatermark && x <= m.before-span-grace
					})
					if rows[other] = list; len(list) == 0 {
						delete(last, other)
					}
				}
				rows[k] = append(rows[k], at)
				slices.Sort(rows[k])
				if before, some := last[k]; some && at < before+every {
					return
				}
				last[k] = at
				text := ""
				for _, x := range rows[k] {
					if x > at-span && x <= at {
						text += fmt.Sprint(x, "/", x, " ")
					}
				}
				m.say("%s (%d,%d] %s", k, at-span, at, text)
			})
		})
}
