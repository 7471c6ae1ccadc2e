// Package integration tests Pawl as it is deployed: real processes, a real Apache Kafka, a real
// Schema Registry, and the oracle's word on every output and all state. A count proves nothing.
//
// The tests need Java and the servers that `make servers` fetches; without them they are skipped,
// except where PAWL_REQUIRE_SERVERS=1 forbids that.
package integration
