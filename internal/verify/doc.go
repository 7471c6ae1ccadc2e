// Package verify compares what a pipeline left in Kafka with what it should have left: every input
// below the committed position has each of its outputs exactly once, and the state is the fold of
// exactly those inputs. It reads logs only, never the program's own counters, and its word is
// worth something because its tests show that each kind of damage is found.
//
// A pipeline gives a Spec: its topics, and a Model that says in the plainest way what each record
// should lead to. Check takes one task, which is one partition of every input, at a time:
//
//	inputs   merged in the order in which the task took them: tables up to the BOOTSTRAP ticks,
//	         then by record timestamp, tables first on ties, but where a DEVIATION tick says else
//	outputs  paired with the model's by the header pawl.src, compared by key, value, timestamp,
//	         partition and order
//	dlq      paired by its __streams.errors headers, compared with the input record and its fate
//	late     compared as a bag with the late input records: they carry no header of ours
//	state    the changelog folded by key, brought into the form of Model.State
//	ledger   the last position record against the committed offsets and the model's counts
//
// Outputs are read side by side with the inputs that caused them, so memory holds what does not
// match, one task's state twice, and little else.
//
// The inputs must be whole: what retention deleted cannot be checked and is refused. A table that
// was compacted cannot be told from one that never held more, so a check after the compaction of
// updates that decisions were based on would find differences that are none.
//
// Files, in the order of use: model.go (Spec, Model), wire.go (values that a model knows as bytes),
// prefix.go (a Spec under topic.prefix), source.go (where logs come from), kafka.go (a cluster as
// a source), still.go (one that nobody writes to), turn.go (tasks that were taken back), order.go
// (the merge), match.go (outputs and dead letters), late.go, state.go (changelog, ledger), check.go
// (Check), report.go.
package verify
