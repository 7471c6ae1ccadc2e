// Package harness gives a test real servers and real processes of pawl: what a test started is
// gone when the test is, whether it passes, fails, panics or is killed.
//
// [Kafka] and [Registry] start servers for one test; a [Shared] value starts them once for all
// tests of a package, lazily, and its tests keep apart by the names that [ID] makes up. [Start]
// starts a program, such as the one [Shared.Pawl] builds, to be killed, frozen and measured.
// Whatever fails here fails the test and shows the last words of the server concerned. Methods
// report with Errorf, so any goroutine may call them while the test runs; functions and methods
// that take a testing.TB may end the test, and belong on its own goroutine.
//
// Environment:
//
//	PAWL_REQUIRE_SERVERS=1  missing Java or servers fail a test instead of skipping it (CI)
//	PAWL_KAFKA=addr,addr    use this cluster; tests that shape or harm one are skipped
//	PAWL_REGISTRY=url       use this registry; tests that stop one are skipped
//	PAWL_SERVERS_DIR=dir    where fetch.sh put the servers
//
// The same servers without a test are in package servers, child processes in package process.
//
// Order of files: kafka.go, registry.go and proc.go give a test one server or program, shared.go
// shares them, streams.go finds Kafka Streams, require.go decides between skipping and failing,
// id.go makes up names; race.go and norace.go tell whether the race detector is on.
package harness
