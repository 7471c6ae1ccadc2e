//go:build unix

package peer

import (
	"fmt"
	"math/rand/v2"
	"time"

	"pawl/schemas"
)

// event is an input record. Its key is the user, its Kafka timestamp the event time.
type event struct {
	Seq  int64  `avro:"seq"`
	Side string `avro:"side"` // L or R, for joins

	user string
	at   int64 // ms
}

func eventType() schemas.Type[event] {
	return schemas.Avro[event](`{"type": "record", "name": "Event", "namespace": "peer",
		"fields": [{"name": "seq", "type": "long"}, {"name": "side", "type": "string"}]}`)
}

// line is the event for Streams.
func (e event) line() string { return fmt.Sprintf("%d:%s", e.Seq, e.Side) }

// tickUser is a user who has an event at every step, so that event time never jumps: then Streams
// can lose results.
const tickUser = "~tick"

// step is the grid that event times stand on: it divides all durations of the tests, so that events
// often fall right on the ends of windows, and on each other.
const step = 500

// input draws events of a dozen users who come and go, from start on. A third is out of order, most
// of it within a few seconds, and some far beyond every grace. At the end event time goes on until
// all windows of the users are closed.
func input(seed uint64, start time.Time, n int) (out []event) {
	random := rand.New(rand.NewPCG(seed, 11))
	now, first := start.UnixMilli(), 0
	put := func(user string, at int64) {
		out = append(out, event{Seq: int64(len(out)), Side: []string{"L", "R"}[random.IntN(2)],
			user: user, at: at})
	}
	pass := func(steps int) {
		for range steps {
			now += step
			put(tickUser, now)
		}
	}
	for range n {
		switch random.IntN(100) {
		case 0, 1, 2:
			pass(random.IntN(24)) // sessions end
		default:
			pass(random.IntN(5) / 4)
		}
		if random.IntN(40) == 0 {
			first = random.IntN(12)
		}
		behind := 0
		switch d := random.IntN(100); {
		case d < 25:
			behind = random.IntN(8)
		case d < 35:
			behind = random.IntN(24)
		case d < 38:
			behind = random.IntN(100)
		}
		put(fmt.Sprintf("u%02d", (first+random.IntN(3))%12), now-int64(behind)*step)
	}
	pass(100)
	return out
}

// late are the events that a grace does not save: below the highest time before them − grace.
func late(in []event, grace time.Duration) map[int64]bool {
	out := make(map[int64]bool)
	highest := in[0].at
	for _, e := range in {
		if e.at < highest-grace.Milliseconds() {
			out[e.Seq] = true
		}
		highest = max(highest, e.at)
	}
	return out
}
