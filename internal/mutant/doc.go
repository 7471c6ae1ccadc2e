// Package mutant holds the switches of the seeded bugs: mistakes that exactly-once processing is
// known to break on, each put back into the engine on purpose, one at a time, to see that the
// proofs notice. In every build without the tag pawlmutants there is none, and Is is a constant.
//
// With the tag, the environment variable PAWL_MUTANT names the bug that the process has. `make
// mutants` runs the simulation on each until it fails, and fails itself when it does not.
//
// Files: mutant.go (the bugs), off.go (all other builds), on.go (builds with the tag).
package mutant
