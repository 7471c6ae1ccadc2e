// Package speed lets Pawl and its peers make the same decisions from the same topic, one after the
// other on the same broker, and no figure counts whose outputs the oracle does not confirm.
//
// The task is fraud velocity with a decision for every transaction: exact count and sum of a user's
// last five minutes, in whatever order they come, late ones left out. Each contestant is a child
// process that commits at the same interval:
//
//   - Pawl as `pawl run fraud`, its defaults but for the commit interval and the limits, which are
//     so high that alerts, which the peers do not write, are few. It does more than they do: limits
//     of a user's own, dead letters, a late topic, the ledger, provenance.
//   - Kafka Streams with exactly_once_v2, and at least once (Velocity.java): two threads, RocksDB,
//     caching, ParallelGC, large fetches, Avro by hand.
//   - goka, at least once: a module of its own in integration/peer/goka. Its records have the time
//     of sending, so times are not compared.
//   - Quix Streams, exactly once (velocity.py).
//   - A franz-go client that copies in transactions: no state, no Avro, what nobody can go below.
//   - Pawl with commit intervals of 20 and of 200 ms, for its throughput alone.
//
// A turn is the preloaded topic first, in a new process, with new ids, outputs and state: processor
// time, memory, events per second, the broker's processor time. Then a topic of its own, to which
// events come when they are due, for the latency: in a new process again that has some events
// behind it. Rounds alternate between the contestants.
//
// The command is in contest, a program of its own beside this package: what compares Pawl with
// others is not part of what its users install.
//
// Files, in the order of use: options.go, field.go (servers and load), truth.go (what should come
// of it), contestant.go, streams.go, goka.go, quix.go, copy.go (who takes part), contest.go
// (rounds), measure.go (the preloaded topic), pace.go (latency), judge.go (outputs), report.go,
// goals.go, table.go.
package speed
