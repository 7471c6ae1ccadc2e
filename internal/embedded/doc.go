// Package embedded starts a Kafka broker and a Schema Registry inside the process, so that a demo,
// a bench or a test needs nothing else: real protocols on 127.0.0.1, and with a data directory a
// restart finds every topic, record, offset and schema again.
//
// The broker is kfake, of franz-go: groups, transactions of both versions, compaction. It is one
// process's memory and disk, not a replacement for Kafka in production. The registry speaks the
// Confluent API over schemas.Memory, which checks compatibility for real.
//
// What a restart brings back: a clean one also the group members of before, who count as alive
// until their session timeout; a killed one everything that was acknowledged, with open
// transactions aborted.
//
// BUG(kfake): a transaction's end is written partition by partition, then the offsets. A process
// that is killed exactly there leaves it committed in some of them; Kafka would finish it. Tests
// that kill the broker use a real one.
//
// A data directory holds `kafka/` (kfake's), `registry.json` (replaced whole, by rename) and
// `lock`, which names the process that uses it.
//
// Files: embedded.go (start and close), registry.go (the registry's HTTP API), save.go (its file),
// lock_unix.go and lock_other.go.
package embedded
