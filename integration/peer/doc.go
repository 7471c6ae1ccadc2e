// Package peer compares Pawl's windows and joins with those of Kafka Streams: from the same records
// in the same order, many of them out of order and some too late, both make the same results,
// except where docs/kafka-streams.md says why not.
//
// The tests run java/Peer.java and a pipeline per kind on a real Kafka. A result names the records
// that it was folded from, so that equal results are equal memberships and not just equal sums.
// They need a JDK, and Kafka and Kafka Streams, which `make servers` fetches; without them they
// are skipped, except where PAWL_REQUIRE_SERVERS=1 forbids that.
//
// Files: input_test.go (what both read), stage_test.go (topics, both programs), pipeline_test.go
// (Pawl's side), peer_test.go (the kinds that differ in nothing but names), account_test.go (those
// that differ on purpose, and by how much).
package peer
