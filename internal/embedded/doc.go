// Package embedded starts a Kafka broker and a Schema Registry inside the process, so that a demo,
// a bench or a test needs nothing else: real protocols on 127.0.0.1, and with a data directory a
// restart finds every topic, record, offset and schema again.
//
// The broker is kfake, of franz-go: groups, transactions of both versions, compaction. It is one
// process's memory and disk, not a replacement for Kafka in production. The registry speaks the
// Confluent API over schemas.Memory, which checks compatibility for real.
//
// A data directory holds `kafka/` (kfake's), `registry.json` (replaced whole, by rename) and
// `lock`, which names the process that uses it.
//
// Files: embedded.go (start and close), registry.go (the registry's HTTP API), save.go (its file),
// lock_unix.go and lock_other.go.
package embedded
