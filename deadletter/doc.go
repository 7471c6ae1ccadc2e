// Package deadletter puts dead letters back, or aside: a dead letter is retried at most so often as
// the cap allows, and each retry happens exactly once, however often the command is killed.
//
// A retry is one transaction that holds the record, on the topic and partition where it died, and a
// marker that it was retried, on the compacted topic `<application.id>-dead-letters-handled`. Its
// transactional id is always the same, so that whoever comes next first ends what the one before
// left open; only then are the markers read, and what they name is not done again. A killed retry
// has therefore happened or not, and running it again does the rest. A discard is a marker alone.
//
// The marker's key is where the record died, not where its dead letter stands: an application that
// was taken back gives up the same record again, in another dead letter, and what was retried
// before is on the input already. The retried record carries its attempt, which the engine hands on
// when it gives the record up once more; that dead letter is another one, and the cap counts its
// attempts.
//
// Files, in the order of use: options.go, desk.go (what is kept open), id.go, letter.go (what a
// dead letter says), filter.go (which ones), list.go (reading them), show.go (one of them,
// decoded), marker.go (what was done with which), handle.go (what is asked for, done once),
// writer.go (the transaction).
package deadletter
