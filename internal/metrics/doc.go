// Package metrics turns what the engine says into Prometheus metrics: a record is counted when the
// epoch it belongs to has committed, never before, so an aborted epoch leaves no trace in the
// totals and the counters add up to what the topics hold. Calls of other services are counted as
// they end: an abort does not undo them.
//
// Every series carries the label pipeline. Counters and histograms come from the engine's events;
// gauges that have to be asked for, such as lag, come from a snapshot of the instance that is taken
// when they are scraped. The registry is the Metrics' own.
//
// Files, in the order of an event's way: metrics.go declares the metrics and listens, histogram.go
// keeps distributions that arrive already bucketed, checkpoints.go counts those, collector.go
// asks for the snapshot, totals.go gives the same numbers to the commands of this binary.
package metrics
