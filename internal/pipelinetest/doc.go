// Package pipelinetest is what the tests of all pipelines have in common: a pipeline's test says
// what is its own, and what is the same for all is checked in one place, for all alike.
//
// Files: rig.go (a pipeline on a broker in the process, and the oracle's word on what it left),
// generator.go (what seeded load must keep to), counters.go (business metrics), script.go (oracles
// fed by hand).
package pipelinetest
