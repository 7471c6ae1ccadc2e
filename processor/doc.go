// Package processor runs a pipeline so that an input offset is committed if and only if its outputs
// and its state are: whatever dies, every committed record affects both exactly once.
//
// A Pipeline describes inputs, tables, outputs and handlers, and does no I/O. Start and Run bind it
// to a cluster: a task for each partition, the work of all tasks of an instance between two commits
// in one transaction, an epoch. A Handler sees the record, its event time, the watermark and its
// key's state through a Context, nothing else, so that the same input gives the same output.
//
// Bytes on the changelog, per task one partition: a record for each changed key (package statestore
// has the keys, package schemas the values), then the position record under "\x00position", last of
// its epoch; under "\x00claim", a new owner's claim, up to which it restores.
//
// Files, in the order of a record's path: pipeline.go, config.go, tuning.go (what to run),
// start.go, refusal.go, topics.go, access.go (what the brokers must allow), member.go and
// lease.go (joining in), assignor.go, placement.go and copies.go (who gets which task and which
// copy), fetch.go, recycle.go (the memory of records), shared.go, hollow.go and merge.go (which
// record comes next), inbox.go, task.go and idle.go (one partition's goroutine), hotkeys.go
// (which keys take the most of it), enrich.go, ahead.go, service.go and answers.go (services
// asked ahead of the step), shed.go (what is left out under load), then the pure core: core.go,
// source.go, context.go, table.go, index.go (its entries), global.go, timer.go, output.go,
// counter.go, deadletter.go, breaker.go (too many of them), effects.go.
// Operators, handlers made of tables and timers: operator.go (stateless), dedupe.go, window.go,
// session.go, count.go, timeline.go (and sliding windows), join.go, pattern.go. Then epoch.go (the
// cycle), settle.go (when the next may begin), transaction.go (the commit, and what a death at each
// of its points leaves) and points.go.
// Around it: instance.go (the loop), client.go, subjects.go (ids of schemas), startup.go (what a
// start takes), assign.go, ladder.go, changelog.go, restore.go and prove.go (taking a task over),
// checkpoints.go and checkpointing.go (copies of its store), leave.go and fault.go (giving it up),
// standby.go, follow.go and digest.go (copies of tasks that run elsewhere), memory.go, status.go,
// steer.go (pausing, draining), event.go (what Listeners are told), tracer.go (records that are
// followed), errors.go; view.go, stored.go and directory.go (committed state, here, in a
// checkpoint, and where the others' is), examine.go (why a task would refuse to start), upgrade.go
// and upgradelook.go (what another version would make of it). Beside it: offline.go and
// offlinetask.go (the same tasks without a cluster), rerun.go (a stretch of their history, again).
package processor
