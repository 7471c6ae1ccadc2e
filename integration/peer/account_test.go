//go:build unix

package peer

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// sameSliding compares each result of ours with Streams' window that ends at the same time. There
// are three differences on purpose. Ours is what the record's key had when the record came, so
// that records which came later are taken out of Streams'. Streams counts a record that came too
// late for its own window in later windows that are open, so that it is taken out as well. And
// Streams has windows that begin after a record, which end at no record: those are left out.
func sameSliding(t *testing.T, s *stage, k kind) {
	type place struct {
		user string
		end  int64
	}
	windows := make(map[place]result)
	for _, w := range streamsWindows(t, s, k) {
		if _, twice := windows[place{w.user, w.end}]; twice {
			t.Errorf("Kafka Streams has two results for %v", w)
		}
		windows[place{w.user, w.end}] = w
	}
	tooLate := late(s.in, grace)
	later, lateOnes := 0, 0
	var pawl, streams []result
	for _, r := range pawlWindows(t, s, k) {
		r.start += ms.Milliseconds() // ours is exclusive
		pawl = append(pawl, r)
		w, ok := windows[place{r.user, r.end}]
		if !ok {
			continue
		}
		asOf := r.seqs[len(r.seqs)-1] // the record itself: the last to come of the latest time
		w.seqs = slices.DeleteFunc(slices.Clone(w.seqs), func(seq int64) bool {
			if seq > asOf {
				later++
			} else if tooLate[seq] {
				lateOnes++
			}
			return seq > asOf || tooLate[seq]
		})
		slices.SortFunc(w.seqs, func(a, b int64) int { // Streams' are in order of arrival
			return cmp.Or(cmp.Compare(s.in[a].at, s.in[b].at), cmp.Compare(a, b))
		})
		streams = append(streams, w)
	}
	same(t, texts(pawl), texts(streams))
	t.Logf("taken out of Kafka Streams' windows: %d records that came later, %d late ones", later,
		lateOnes)
	if later == 0 || lateOnes == 0 {
		t.Error("a difference that the test accounts for did not come up")
	}
}

// match is a join's result of either side.
type match struct {
	user        string
	left, right int64
	at          int64 // its record's timestamp
}

func (m match) String() string {
	return fmt.Sprintf("%s %d+%d @%d", m.user, m.left, m.right, m.at)
}

func pawlMatches(t *testing.T, s *stage, k kind) (out []match) {
	t.Helper()
	for r, p := range decoded(t, s, "pawl-"+k.name, pairType()) {
		if !isUser(r.Key) {
			continue
		}
		out = append(out, match{user: string(r.Key), left: p.Left, right: p.Right,
			at: r.Timestamp.UnixMilli()})
	}
	return out
}

// streamsMatches are the results of the other side without those of records that are late by our
// definition, and how many those were: Streams joins a record, however late, with whatever of the
// other side it happens to have still.
func streamsMatches(t *testing.T, s *stage, k kind) (out []match, lateOnes []match) {
	t.Helper()
	tooLate := late(s.in, grace)
	for _, r := range s.read(t, "streams-"+k.name) {
		if !isUser(r.Key) {
			continue
		}
		left, right, _ := strings.Cut(string(r.Value), ";")
		m := match{user: string(r.Key), left: number(t, left), right: none,
			at: r.Timestamp.UnixMilli()}
		if right != "" {
			m.right = number(t, right)
		}
		if tooLate[m.left] || m.right != none && tooLate[m.right] {
			lateOnes = append(lateOnes, m)
			continue
		}
		out = append(out, m)
	}
	if len(lateOnes) == 0 {
		t.Error("no late record was joined: a difference that the test accounts for")
	}
	t.Logf("taken out of Kafka Streams' results: %d of late records", len(lateOnes))
	return out, lateOnes
}

func sameJoin(t *testing.T, s *stage, k kind) {
	streams, _ := streamsMatches(t, s, k)
	same(t, texts(pawlMatches(t, s, k)), texts(streams))
}

// sameLeftJoin has two differences more. A left record that comes when stream time has passed its
// interval is without a partner for Streams at once; ours waits for the grace, and does not say so
// if there is a partner after all. And one whose only partner was late has one for Streams only.
func sameLeftJoin(t *testing.T, s *stage, k kind) {
	streams, lateOnes := streamsMatches(t, s, k)
	partners, onlyLate := make(map[int64]bool), make(map[int64]bool)
	for _, m := range streams {
		if m.right != none {
			partners[m.left] = true
		}
	}
	for _, m := range lateOnes {
		if m.right != none && !partners[m.left] {
			onlyLate[m.left] = true
		}
	}
	past := late(s.in, after)
	hasty, alone := 0, 0
	streams = slices.DeleteFunc(streams, func(m match) bool {
		spurious := m.right == none && past[m.left] && partners[m.left]
		if spurious {
			hasty++
		}
		return spurious
	})
	pawl := slices.DeleteFunc(pawlMatches(t, s, k), func(m match) bool {
		if m.right == none && onlyLate[m.left] {
			alone++
			return true
		}
		return false
	})
	streams = slices.DeleteFunc(streams, func(m match) bool {
		return m.right == none && onlyLate[m.left]
	})
	same(t, texts(pawl), texts(streams))
	t.Logf("%d left records were given up by Kafka Streams before their partner came; %d have "+
		"late partners only", hasty, alone)
	if hasty == 0 || alone == 0 {
		t.Error("a difference that the test accounts for did not come up")
	}
}
