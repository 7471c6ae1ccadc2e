// Command pawl is the service and its tools in one binary: nothing is started before every setting
// was found good, and the exit code says what became of it — 0 done, 2 refused before the start
// with all faults listed, 1 anything else.
//
// Files: main.go (process: signals, exit code), root.go (command tree), usage.go (errors and their
// exit codes), load.go (settings of a command), pipelines.go (what pipelines there are). The
// service: run.go, plan.go (--dry-run), server.go and status.go (HTTP), listener.go (log),
// killat.go. Small commands: version.go, config.go. Load: generate.go, progress.go. On a cluster of
// their own or a given one: cluster.go, topics.go, instance.go (a child process), report.go;
// demo.go, fleet.go, recovery.go, view.go, alerts.go; bench.go, measure.go, latency.go.
package main
