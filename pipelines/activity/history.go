package activity

import (
	"time"

	"pawl/internal/loadgen"
	schema "pawl/schemas/activity"
)

// history keeps some of the events sent, to send them again: the newest, and samples that reach
// back several times as far as ids are remembered.
type history struct {
	recent  []schema.UserEvent
	samples []schema.UserEvent
	events  int   // kept in recent so far
	sampled int   // kept in samples so far
	every   int64 // ms from one sample to the next
	next    int64 // ms, when the next sample is due
}

const (
	recentEvents = 1024
	sampleEvents = 1024
	// sampleSpans is how many times the horizon the samples reach back.
	sampleSpans = 4
)

func newHistory(horizon time.Duration) *history {
	return &history{every: max(horizon.Milliseconds()*sampleSpans/sampleEvents, 1)}
}

func (h *history) add(e schema.UserEvent, arrival int64) {
	h.recent = put(h.recent, e, h.events, recentEvents)
	h.events++
	if arrival >= h.next {
		h.samples = put(h.samples, e, h.sampled, sampleEvents)
		h.sampled++
		h.next = arrival + h.every
	}
}

// put adds the n-th event to a ring.
func put(ring []schema.UserEvent, e schema.UserEvent, n, size int) []schema.UserEvent {
	if len(ring) < size {
		return append(ring, e)
	}
	ring[n%size] = e
	return ring
}

// draw returns some event of those kept, if there is one.
func (h *history) draw(r *loadgen.Rand) (e schema.UserEvent, ok bool) {
	if len(h.recent) == 0 {
		return e, false
	}
	if r.IntN(3) == 0 {
		return h.samples[r.IntN(len(h.samples))], true
	}
	return h.recent[r.IntN(len(h.recent))], true
}
