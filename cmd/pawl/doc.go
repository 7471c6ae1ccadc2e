// Command pawl is the service and its tools in one binary: nothing is started before every setting
// was found good, and the exit code says what became of it — 0 done, 2 refused before the start
// with all faults listed, 1 anything else.
//
// Files: main.go (process: signals), root.go (command tree), usage.go (errors and exit codes),
// load.go (settings of a command), pipelines.go (what pipelines there are). The service: run.go,
// memory.go, plan.go (--dry-run), server.go, status.go and api.go (HTTP), listener.go (log),
// killat.go, private_unix.go and private_other.go (who may read its files).
// Small ones: version.go and sbom.go, config.go, acls.go, audit.go. Load: generate.go, feed.go,
// progress.go. On a cluster of their own or a given one: cluster.go, topics.go, instance.go (a
// child process), fleet.go (several), report.go. The demo, in the order of its acts: demo.go,
// stage.go, scene.go (what is seen), recovery.go, view.go, alerts.go, trial.go (verified on the
// way), console.go and consoleproxy.go (the dashboard of all its pipelines), verdict.go. The
// bench: bench.go, measure.go, latency.go; of reads: benchreads.go, readers.go (the clients),
// readscheck.go. Chaos: chaos.go (flags), chaosbed.go (clusters), chaosordeal.go (the campaign on
// a stage), its acts chaosprocess.go, chaosdisk.go, chaosnet.go and chaosservers.go, and
// chaosverdict.go; in the child, detour.go and diskfault.go.
// Checkpoints: checkpoint.go (which ones), checkpointlist.go (list, show), checkpointwork.go
// (verify, restore, prune), checkpointnow.go (now, and what a service needs to keep them),
// buckets.go and buckets_gs.go (object stores that are known).
// Dead letters: deadletter.go, deadlettertell.go (what is printed).
// Schemas: schemas.go (commands), schemasdesk.go (which ones), schemaswork.go, schemasdiff.go.
// One application, running or not: application.go (which), overview.go (status), steer.go (pause,
// resume, drain), transactions.go, transactionstell.go.
// State: state.go (which store, from where), staterows.go (rows, export), statelive.go (the HTTP
// API), statelog.go (the changelog), statefolder.go (folders, checkpoints), statedoctor.go.
package main
