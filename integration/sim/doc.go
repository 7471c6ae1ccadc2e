// Package sim runs the simulation over many seeds: whatever befalls the instances of a seed, the
// outputs, the state and the ledger they leave are the oracle's.
//
// Its tests need franz-go's mutexes to be channels, or virtual time stands still while one is
// waited for: go test -tags synctests ./integration/sim. `make sim SEEDS=N` runs a campaign; see
// docs/simulation.md.
//
// Files, all of them tests: sim_test.go (the seeds), bite_test.go (a wrong result is seen),
// apps_test.go and count_test.go (the pipelines), campaign_test.go (many seeds in two processes),
// skip_test.go (without the tag).
package sim
