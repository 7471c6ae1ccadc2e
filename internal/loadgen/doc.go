// Package loadgen produces a pipeline's generated records to a cluster: the same seed gives the
// same records, and every record that was counted as sent is on the broker once.
//
// A Generator makes the records, with their keys, wire bytes and timestamps; Run registers the
// schemas, keeps the pace, and sends them with an idempotent producer to the partition that
// Kafka's default partitioner would choose. Pace follows the plan, not the last answer: when the
// broker stalls, the records due meanwhile follow at once, with the timestamps they were due at.
//
// Files: loadgen.go (Run), rand.go (seeded numbers and skew), slab.go (memory for keys and values).
package loadgen
