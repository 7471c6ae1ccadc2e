// Package processortest tests pipelines without a broker, and holds them to the law that Pawl rests
// on: the same input gives the same committed outputs and the same state, in any batching and under
// any schedule of crashes.
//
// It stands to package processor as net/http/httptest does to net/http. Three ways to test:
//
//	New      one step after the other: At, Send, Commit, Crash, then Want and State
//	Script   the same as a readable file, whose expectations can be written anew
//	Exactly  the law: give the pipeline and records, no expectations are needed
//
// All three run the engine's own merge, core, restore and start-up proof (processor.Offline) over
// topics, changelogs, group offsets and disks in memory, one step after the other and without a
// clock, so that a test that passes once passes always. What the engine does with a real cluster,
// such as rebalances and transactions whose outcome is lost, is not in it.
//
// Files: record.go (records and how they are shown), options.go, cluster.go (what outlives a
// process, and the process), disk.go, driver.go and want.go (New), script.go and json.go (Script),
// exactly.go, schedule.go and compare.go (Exactly).
package processortest
