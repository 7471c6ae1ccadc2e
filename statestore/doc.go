// Package statestore keeps a task's committed state: a store never holds anything that Kafka has
// not committed, and its data and its position change together or not at all.
//
// Keys are order-preserving tuples (key.go) that begin with the table's name. Keys that begin with
// a zero byte are Pawl's own: in a changelog the position and claim records, in a store its Mark
// and the writer schemas of its values, so that state can be read without the registry.
//
// The files, from the contract down: store.go (Store, Change, Mark), key.go (the tuple encoding),
// buffered.go (committed changes on their way to disk), view.go (a look at one mark, whatever is
// applied meanwhile), load.go (many changes brought in at once, by a restore or a standby),
// pebble.go and ingest.go (the disk; the only users of Pebble but for crashdisk.go and cutfiles.go,
// a disk whose power can be cut and the way of stores to and from it, and faultydisk.go, one that
// fails when told to), mem.go (the model every Store is compared with), snapshot.go (copies of a
// store, and what they say of themselves), lock.go (one process per state directory).
package statestore
