// Package recovery brings a large keyed state into being, in Pawl and in Kafka Streams alike, and
// sees how long a program that was killed takes until it answers again: every record that was sent
// is answered exactly once, with the count that one undisturbed pass would have given.
//
// Files: pipeline.go (what both programs do), input.go (the state's records, then a steady feed),
// watch.go (who reads the answers, and judges them), streams.go (Kafka Streams, Streams.java).
package recovery
