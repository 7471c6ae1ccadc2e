// Package funnel follows users from a view over the cart to the purchase, and purchases back to the
// ad click that led to them: every session of every user is judged once, whole and in order of
// event time, when all that is in time is there; so is every purchase.
//
// Inputs are the topics user-events and ad-clicks, both keyed by user_id. A session is what a user
// did with no more than the gap between one event and the next. When the watermark has passed its
// last event by gap + grace, each way through it from a view to an add_cart to a purchase becomes a
// Conversion on conversions, and a way that ends with the cart an AbandonedCart on abandoned-carts.
// Other actions keep a session open and are no step. A purchase at t gets the campaign of the
// user's latest click in [t − within, t], when the watermark has passed t + grace, on
// attributed-purchases; without such a click there is no output.
//
// An event more than gap + grace below the watermark, and near no open session, goes to the late
// topic session; one less far below begins a session of its own, even when the one that it would
// have joined is judged. A purchase or a click more than the grace below the watermark goes to the
// late topic attribution: a purchase may be late for the one and in time for the other. A broken
// record goes to the dead-letter topic.
//
// State, per user, holds what is not judged yet, and the clicks that a purchase may still need:
//
//	session            (user, ms, input, offset)  → UserEvent: open sessions' steps
//	session-sessions   (user)                     → where the open sessions begin and end
//	attribution-left   (user, ms, input, offset)  → UserEvent: purchases that wait for their click
//	attribution-right  (user, ms, input, offset)  → AdClick: time ≥ watermark − within − grace
//
// Files: config.go (settings), pipeline.go (the topology). Beside it: oracle.go and agenda.go (the
// same meaning as sorted slices and loops; every test compares with it), canonical.go (state in a
// form that can be compared), generator.go and poison.go (seeded load).
package funnel
