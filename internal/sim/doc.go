// Package sim runs whole instances, brokers and disks in one bubble of virtual time and has a seed
// decide what befalls them: whatever that is, what they leave in Kafka is what the oracle says, and
// all input is committed soon after the last fault is over.
//
// Run is called in a bubble of testing/synctest, in a program built with the tag synctests. The
// instances are started by processor.Start and know of nothing: their brokers are kfake, their
// connections go through a scheduler, their stores stand on disks in memory whose power is cut;
// some keep checkpoints in a storage that fails.
//
//	seed → scheduler   which request or answer arrives next, when, and whether
//	     → director    what befalls hosts, brokers, registry and log at each step
//	     → host        how long a restart takes, what a crashed disk keeps
//
// The seed does not decide in which order goroutines run between two arrivals, so a failing seed
// may take some runs to fail again.
//
// Files, in the order of use: sim.go (Config, Report, the run from start to verdict), feed.go (the
// input), registry.go, host.go (machines and the processes on them), network.go (connections),
// schedule.go (what arrives when), kafka.go (where kfake is not as Kafka), act.go (what befalls the
// system), refuse.go (errors that brokers answer), storage.go (of
// checkpoints), checkpoints.go (how they are kept, the verdict on them), audit.go (the verdict),
// trace.go (what happened last), sums.go (many runs together).
package sim
