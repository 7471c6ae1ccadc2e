// Command contest runs the pipelines with windows in Pawl and in Kafka Streams and prints how much
// processor time each takes; see package views. Its exit code is 0 when all outputs are right,
// whatever the figures: 1 otherwise, 2 when its flags are wrong.
package main
