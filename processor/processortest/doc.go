// Package processortest tests pipelines without a broker, and holds them to the law that Pawl rests
// on: the same input gives the same committed outputs and the same state, in any batching and under
// any schedule of crashes.
//
// It stands to package processor as net/http/httptest does to net/http. Two ways to say what a
// pipeline means, and three to show that nothing that goes wrong around it changes that:
//
//	New       one step after the other: At, Send, Commit, Crash, then Want and State
//	Script    the same as a readable file, whose expectations can be written anew
//	Exactly   the law: give the pipeline and records, no expectations are needed
//	Simulate  the law, with a broker, a network and disks that fail, in simulated time
//	Chaos     the law, with processes that are killed and frozen, on real sockets and disks
//
// The last three are one line of a test each:
//
//	func TestExactly(t *testing.T)  { processortest.Exactly(t, velocity, payments) }
//	func TestSimulate(t *testing.T) { processortest.Simulate(t, velocity, payments) }
//	func TestChaos(t *testing.T)    { processortest.Chaos(t, velocity, payments) }
//
// The first three run the engine's own merge, core, restore and start-up proof (processor.Offline)
// over topics, changelogs, group offsets and disks in memory, one step after the other and without
// a clock, so that a test that passes once passes always. What the engine does with a real cluster,
// such as rebalances and transactions whose outcome is lost, is in the last two, whose results are
// compared with one undisturbed pass over the same input (internal/law). docs/testing.md says what
// each of them shows and what it does not.
//
// Files: record.go (records and how they are shown), options.go, cluster.go (what outlives a
// process, and the process), disk.go, driver.go and want.go (New), script.go and json.go (Script),
// exactly.go, schedule.go and compare.go (Exactly), simulate.go, simulate_bubble.go and tape.go
// (the records as a load), simulate_other.go (where the client is not built for it), chaos.go,
// chaos_unix.go (the cluster and the verdict), havoc_unix.go (what goes wrong), child_unix.go (an
// instance, from inside and outside), chaos_other.go (where processes cannot be frozen).
package processortest
