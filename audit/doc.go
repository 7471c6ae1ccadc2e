// Package audit re-adds what an application did from its topics alone: every committed input offset
// is accounted for exactly once, and no record stands on one of the application's topics that no
// epoch accounts for. It trusts no counter of the program, and it knows no pipeline's meaning: what
// a record should have led to is the business of the pipelines' oracles. It works for any pipeline.
//
// A task is one partition of every input. Its position records, one per epoch, say which offsets of
// its inputs each epoch covers, and what became of them; each claim is checked against the topics:
//
//	changelog  epochs count up by one, claims and offsets never fall, every change is followed by
//	           the position record of its epoch, and they fold to the digest that it carries
//	group      its offsets are those of the last position records
//	inputs     hold as many records in each epoch's range as the epoch accounts for
//	dlq        has one record for each that the ledger calls dead, equal to the one it names
//	late, shed have a copy of an input record each, as many as the ledger says
//	ticks      are as many as the last position record says, each inside of its epoch
//	outputs    name the input record that led to them: none twice, none missing between two, none
//	           out of order, none of another transaction than its epoch's
//
// A live application is audited to the position records that stood at the start. What compaction
// and retention have deleted cannot be checked; the report names it.
//
// Logs are streamed. Memory holds 50 bytes or so for each epoch whose position record is left, a
// bit for each output, and 16 bytes for each state entry of one task, of which at most four million
// are held at once: a larger state takes several passes.
//
// Files, in the order of use: audit.go (Run), report.go, topics.go (which ones), cluster.go (what
// is read from where), changelog.go (one task's log), position.go (a position record and the one
// before it), epochs.go (all that are left), digest.go (the state), offsets.go (the group),
// settle.go (how far to read, open transactions), ticks.go, outputs.go, seen.go (which outputs),
// dead.go, aside.go (late and shed), inputs.go.
package audit
