//go:build unix

package peer

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness"
	"pawl/processor"
	"pawl/schemas"
)

const (
	seed   = 1
	events = 3000

	size    = 10 * time.Second
	advance = 4 * time.Second
	gap     = 2 * time.Second
	span    = 5 * time.Second // Streams' time difference
	before  = 4 * time.Second
	after   = time.Second // below the grace: Streams gives left records up before it is over
	grace   = 3 * time.Second
)

// kinds are all comparisons. Watermark and stream time are the same with a disorder of 0.
func kinds() []kind {
	interval := processor.Interval{Before: before, After: after, Grace: grace}
	return []kind{
		{"tumbling", "tumbling", []time.Duration{size, grace},
			aligned(processor.Tumbling(size).Grace(grace)), sameAligned},
		{"hopping", "hopping", []time.Duration{size, advance, grace},
			aligned(processor.Hopping(size, advance).Grace(grace)), sameAligned},
		// The store finds sessions for as long as they are open, and no longer.
		{"session", "session", []time.Duration{gap, grace, gap + grace + ms},
			session(processor.SessionGap(gap).Grace(grace)), sameSessions},
		{"sliding", "sliding", []time.Duration{span, grace},
			sliding(processor.SlidingWindow{Span: span + ms, Grace: grace}), sameSliding},
		{"join", "join", []time.Duration{before, after, grace}, joined(interval, false),
			sameJoin},
		{"left-join", "left-join", []time.Duration{before, after, grace},
			joined(interval, true), sameLeftJoin},
	}
}

// ms is the grain of event time.
const ms = time.Millisecond

// TestSameAsKafkaStreams gives both the same events.
func TestSameAsKafkaStreams(t *testing.T) {
	// Brokers take no records from the future.
	start := time.Now().Truncate(time.Hour).Add(-time.Hour)
	lib := harness.Streams(t)
	s := newStage(t, input(seed, start, events))
	all := kinds()
	s.streams(lib, all)
	for _, k := range all {
		t.Run(k.name, func(t *testing.T) {
			s.pawl(t, k)
			k.compare(t, s, k)
		})
	}
}

// result is a window's result of either side.
type result struct {
	user       string
	start, end int64
	at         int64 // its record's timestamp
	seqs       []int64
}

func (r result) String() string {
	return fmt.Sprintf("%s %d..%d @%d %v", r.user, r.start, r.end, r.at, r.seqs)
}

// sameAligned: a result of ours carries the last time of its window, one of Streams the time of the
// last record in it.
func sameAligned(t *testing.T, s *stage, k kind) {
	pawl, streams := pawlWindows(t, s, k), streamsWindows(t, s, k)
	for i, r := range streams {
		var last int64
		for _, seq := range r.seqs {
			last = max(last, s.in[seq].at)
		}
		if r.at != last {
			t.Errorf("Kafka Streams' %v has not the time of its last record, %d", r, last)
		}
		streams[i].at = r.end - 1
	}
	same(t, texts(pawl), texts(streams))
}

func sameSessions(t *testing.T, s *stage, k kind) {
	same(t, texts(pawlWindows(t, s, k)), texts(streamsWindows(t, s, k)))
}

// same compares results in any order, since two programs may close windows of one time in
// different orders.
func same(t *testing.T, pawl, streams []string) {
	t.Helper()
	slices.Sort(pawl)
	slices.Sort(streams)
	if len(pawl) < events/20 {
		t.Errorf("only %d results: that proves nothing", len(pawl))
	}
	if slices.Equal(pawl, streams) {
		t.Logf("%d results are the same", len(pawl))
		return
	}
	t.Errorf("Pawl has %d results, Kafka Streams %d", len(pawl), len(streams))
	for side, only := range map[string][]string{"Pawl": without(pawl, streams),
		"Kafka Streams": without(streams, pawl)} {
		for _, r := range only[:min(len(only), 10)] {
			t.Errorf("only %s (one of %d): %s", side, len(only), r)
		}
	}
}

// without are the results in a beyond those in b; both are sorted.
func without(a, b []string) (only []string) {
	for _, r := range a {
		for len(b) > 0 && b[0] < r {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == r {
			b = b[1:]
			continue
		}
		only = append(only, r)
	}
	return only
}

func texts[R fmt.Stringer](all []R) []string {
	out := make([]string, len(all))
	for i, r := range all {
		out[i] = r.String()
	}
	return out
}

// isUser says whether a result's key is a user whose windows are all closed when the input ends.
func isUser(key []byte) bool { return string(key) != tickUser }

// pawlWindows are the windows of our side.
func pawlWindows(t *testing.T, s *stage, k kind) (out []result) {
	t.Helper()
	for r, w := range decoded(t, s, "pawl-"+k.name, windowType()) {
		if !isUser(r.Key) {
			continue
		}
		out = append(out, result{user: string(r.Key), start: w.Start, end: w.End,
			at: r.Timestamp.UnixMilli(), seqs: w.Seqs})
	}
	return out
}

// streamsWindows are the windows of the other side.
func streamsWindows(t *testing.T, s *stage, k kind) (out []result) {
	t.Helper()
	for _, r := range s.read(t, "streams-"+k.name) {
		if !isUser(r.Key) {
			continue
		}
		parts := strings.Split(string(r.Value), ";")
		w := result{user: string(r.Key), start: number(t, parts[0]), end: number(t, parts[1]),
			at: r.Timestamp.UnixMilli()}
		for _, seq := range strings.Split(parts[2], ",") {
			w.seqs = append(w.seqs, number(t, seq))
		}
		out = append(out, w)
	}
	return out
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// decoded are the records of one of our topics, with their values.
func decoded[V any](t *testing.T, s *stage, topic string,
	typ schemas.Type[V]) func(yield func(*kgo.Record, V) bool) {
	t.Helper()
	resolver := schemas.NewResolver(s.registry)
	dec := schemas.NewDecoder(typ, resolver)
	return func(yield func(*kgo.Record, V) bool) {
		for _, r := range s.read(t, topic) {
			id, _, err := schemas.ParseHeader(r.Value)
			if err == nil {
				err = resolver.Fetch(t.Context(), id)
			}
			var v V
			if err == nil {
				err = dec.Decode(r.Value, &v)
			}
			if err != nil {
				t.Fatalf("%s at %d: %v", topic, r.Offset, err)
			}
			if !yield(r, v) {
				return
			}
		}
	}
}
