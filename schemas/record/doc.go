// Package record holds Pawl's own records, so that one schema stands behind every byte of
// bookkeeping in Kafka: the Position and Claim of a task on its changelog, the Tick on the ticks
// topic, the Timer in a store.
//
// Values are written in the wire format of package schemas, with the schemas embedded here; any
// Kafka tool with a Schema Registry can read them. Fields are only ever added, with defaults: an
// older release reads a newer release's records and the other way round.
//
// Files: record.go (the Go types), types.go (their schemas), *.avsc.
package record
