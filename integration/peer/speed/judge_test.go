//go:build unix

package speed

import (
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestJudgeFindsEachKindOfDamage damages right decisions in one place.
func TestJudgeFindsEachKindOfDamage(t *testing.T) {
	for _, test := range []struct {
		name        string
		damage      func(t *testing.T, s *scene, all []*kgo.Record) []*kgo.Record
		want        Verdict
		once, least bool // right for exactly once, for at least once
	}{
		{"none", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record { return all },
			Verdict{}, true, true},
		{"missing", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			return slices.Delete(all, 7, 8)
		}, Verdict{Outputs: -1, Missing: 1}, false, false},
		{"the last missing", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			return all[:len(all)-1]
		}, Verdict{Outputs: -1, Missing: 1}, false, false},
		{"twice", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			return append(all, all[3])
		}, Verdict{Outputs: 1, Duplicates: 1}, false, true},
		{"other order", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			all[4], all[5] = all[5], all[4]
			return all
		}, Verdict{Disordered: 1}, false, true},
		{"count", func(t *testing.T, s *scene, all []*kgo.Record) []*kgo.Record {
			d := s.truth.partitions[0][9].decision
			d.Count++
			all[9].Value = s.encode(t, d)
			return all
		}, Verdict{Different: 1}, false, false},
		{"key", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			all[9].Key = []byte("somebody")
			return all
		}, Verdict{Different: 1}, false, false},
		{"time", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			all[9].Timestamp = all[9].Timestamp.Add(time.Millisecond)
			return all
		}, Verdict{Different: 1}, false, false},
		{"of nothing", func(t *testing.T, s *scene, all []*kgo.Record) []*kgo.Record {
			d := s.truth.partitions[0][9].decision
			d.TransactionID = "t1-x"
			return append(all, &kgo.Record{Key: all[9].Key, Value: s.encode(t, d)})
		}, Verdict{Outputs: 1, Extra: 1}, false, false},
		{"torn", func(_ *testing.T, _ *scene, all []*kgo.Record) []*kgo.Record {
			all[9].Value = all[9].Value[:8]
			return all
		}, Verdict{Missing: 1, Extra: 1}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.topics[out][0] = test.damage(t, s, s.topics[out][0])
			v, err := judgeDecisions(t.Context(), s.topics, s.registry, out, s.truth, true)
			if err != nil {
				t.Fatal(err)
			}
			test.want.Outputs += s.truth.decisions
			if got := v.String(); got != test.want.String() {
				t.Errorf("verdict %s\nwant %v\n%q", got, &test.want, v.Examples)
			}
			if once, least := v.Right(true), v.Right(false); once != test.once ||
				least != test.least {
				t.Errorf("right exactly once %v, at least once %v; want %v, %v", once, least,
					test.once, test.least)
			}
		})
	}
}

// TestJudgeLeavesOwnTimesAlone: a program that cannot give its records a time is not wrong for it.
func TestJudgeLeavesOwnTimesAlone(t *testing.T) {
	s := newScene(t)
	for _, rec := range s.topics[out][1] {
		rec.Timestamp = time.Now()
	}
	v, err := judgeDecisions(t.Context(), s.topics, s.registry, out, s.truth, false)
	if err != nil || !v.Right(true) {
		t.Fatalf("verdict %v, %v", v, err)
	}
}

// TestJudgeCopy compares two topics, one of them damaged.
func TestJudgeCopy(t *testing.T) {
	s := newScene(t)
	verdict := func() *Verdict {
		t.Helper()
		v, err := judgeCopy(t.Context(), s.topics, in, out)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	s.topics[out] = [][]*kgo.Record{s.topics[in][0], s.topics[in][1]}
	if v := verdict(); !v.Right(true) || v.Outputs != 2000 {
		t.Errorf("of a copy: %v", v)
	}
	s.topics[out][0] = s.topics[in][0][:len(s.topics[in][0])-1]
	if v := verdict(); v.Missing != 1 || v.Right(false) {
		t.Errorf("of a copy without the last record: %v", v)
	}
	s.topics[out][0] = append(slices.Clone(s.topics[in][0]), s.topics[in][0][0])
	if v := verdict(); v.Extra != 1 || v.Right(false) {
		t.Errorf("of a copy with one record more: %v", v)
	}
	other := *s.topics[in][0][5]
	other.Value = s.topics[in][0][6].Value
	s.topics[out][0] = slices.Clone(s.topics[in][0])
	s.topics[out][0][5] = &other
	if v := verdict(); v.Different != 1 || v.Right(false) {
		t.Errorf("of a copy with another value: %v", v)
	}
}
