// Package activity adds up what users do: per minute, per five minutes and per batch of a hundred
// events, with every event counted once, however often it is sent.
//
// Input is the topic user-events, keyed by user_id. Three results come of it, each a count, a sum
// in arrival order and an average:
//
//	processed-events  a UserAggregate per user and minute, once the minute is closed
//	user-aggregates   a UserAggregate per user and five minutes, likewise
//	user-batches      a UserBatch per 100 events of a user in arrival order, at once
//
// A window of time is closed when the watermark is at its end plus the grace or beyond it. An event
// that comes for a closed window goes to that window's late topic, and counts for whatever is still
// open: always for the batch. An event whose id its user has sent before counts for nothing and
// goes nowhere, also when all else in it differs. An id is forgotten when the watermark reaches the
// time of the event that brought it plus the horizon; from then on it is new again. Broken events
// go to the dead-letter topic and are not remembered.
//
// State, per user:
//
//	seen           (user, event id)      → when the id is forgotten
//	per-minute     (user, window start)  → Sum, until the window is closed
//	five-minutes   (user, window start)  → Sum, likewise
//	batches        (user)                → Batch, while one is begun
//	batches-count  (user)                → how many events the user's batches have taken
//
// Files, in the order of a record's path: config.go (settings), pipeline.go (the topology). Beside
// the path: oracle.go (the same meaning as maps and loops; every test compares with it),
// canonical.go (state in a form that can be compared), generator.go, history.go and poison.go
// (seeded load).
package activity
