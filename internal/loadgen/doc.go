// Package loadgen produces a pipeline's generated records to a cluster: the same seed gives the
// same records, and every record that was counted as sent is on the broker once.
//
// A Generator makes the records, with their keys, wire bytes and timestamps; Run registers the
// schemas, keeps the pace, and sends them with an idempotent producer to the partition that
// Kafka's default partitioner would choose. Pace follows the plan, not the last answer: when the
// broker stalls, the records due meanwhile follow at once, with the timestamps they were due at.
//
// Files: loadgen.go (Run); what generators have in common: rand.go (seeded numbers and skew),
// shape.go (defaults, delays, names), slab.go (memory for keys and values), poison.go (broken
// records).
package loadgen
