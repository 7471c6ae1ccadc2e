// Package replay runs a stretch of an application's history again, from a checkpoint on, and
// compares, or takes the application back to a point in it: production is left alone, or goes from
// one state to the other in one transaction.
//
// Three kinds of it share one way to a start state (start.go) and one engine (rerun.go):
//
//	Shadow    processes the stretch with the settings given, in the order that the ticks topic
//	          tells, writes what comes out to topics of its own, and compares that and the state
//	          with what production wrote. It reads production's topics and checkpoints only.
//	Back      writes the difference between the state at the point and today's to the changelog,
//	          with a position record of the next incarnation and the group's offsets: all tasks in
//	          one transaction. A death leaves the old state or the new one.
//	Promote   lets a finished shadow read on to where production stopped, and writes the
//	          difference to its state in the same way.
//
// Everything production says of itself is read from Kafka and from checkpoints, never from its
// state.dir, so that it may run meanwhile. Only Back and Promote need it stopped, and check that.
//
// Memory is bounded by the caches of the stores: logs are streamed, and what is to be paired is
// sorted on disk.
//
// Files, in the order of use: options.go, point.go (where to begin), cluster.go (what is asked of
// Kafka), session.go (what all kinds begin with), history.go (position records), start.go (which
// state is nearest to the point), plan.go, state.go (states built and compared), rerun.go (a task's
// stretch), topics.go (the shadow's topics), sink.go (what comes out), production.go (what came out
// then), scratch.go and pair.go (the two put side by side), value.go, report.go, page.go (the
// report as a page), shadow.go, turn.go (the transaction), back.go, promote.go, clean.go.
package replay
