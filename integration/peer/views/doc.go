// Package views runs the pipelines with windows in Pawl and in Kafka Streams, in turns, on the same
// preloaded input and the same broker, and measures both: a turn counts only where what it left on
// its output topics is what the pipeline's oracle makes of the input, record by record and byte by
// byte.
//
// The pipelines are activity (tumbling windows), pageviews (a window of five minutes that hops by a
// second), iot (sliding windows) and funnel (sessions). The programs for Kafka Streams are under
// streams. They stand on its Processor API, with one row of state per key: that is the cheapest way
// to these results. Of activity there is one made of its ready-made windows, too; the others cannot
// be had that way. They leave late and broken records out, for which Pawl has topics; that is the
// one thing in which the results differ.
//
// Files, in the order of use: options.go, views.go (the pipelines), field.go (broker, registry,
// topics, input), truth.go (what the outputs must be, and the comparison), contestant.go (the
// programs), turn.go (one run of one of them, measured), contest.go (Run: all turns), report.go
// (ratios, JSON, table). The program is in the folder contest.
package views
