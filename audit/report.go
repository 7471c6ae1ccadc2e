package audit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

// What may be violated.
const (
	Ledger            = "ledger"             // each input offset has exactly one fate
	DeadLetter        = "dead-letter"        // as many dead letters as the ledger says, one each
	Late              = "late"               // a late record is a copy of an input record
	Shed              = "shed"               // so is one that was shed
	OutputTwice       = "output-twice"       // no output twice
	OutputUnaccounted = "output-unaccounted" // every output belongs to an epoch that committed
	OutputGap         = "output-gap"         // an input record's outputs are there together
	OutputOrder       = "output-order"       // outputs stand in the order of what led to them
	Epoch             = "epoch"              // a task's epochs count up by one
	Claim             = "claim"              // nobody writes after a newer owner's claim
	Position          = "position"           // a position never falls
	Changelog         = "changelog"          // every change belongs to an epoch that committed
	State             = "state"              // the changes fold to the digest of their epoch
	Offsets           = "offsets"            // the group stands where the positions do
	Ticks             = "ticks"              // ticks are as many as the positions say
	TopicChanged      = "topic"              // inputs are the topics they were
	OpenTransaction   = "open-transaction"   // a stopped application leaves nothing open
)

// Report is what an audit found.
type Report struct {
	Application string `json:"application"`
	Pipeline    string `json:"pipeline"`
	// Live says that the group had members: the audit goes to the position records at its start.
	Live bool `json:"live"`
	// Complete says that all could be checked back to the first record; if not, Notes tell why.
	Complete bool `json:"complete"`
	// Inputs are the accounts by topic and partition, as TOPIC-PARTITION.
	Inputs     map[string]Account `json:"inputs"`
	Epochs     int64              `json:"epochs"`      // committed, over all tasks
	EpochsSeen int64              `json:"epochs_seen"` // whose position record is left
	Claims     int64              `json:"claims"`      // claim records that are left
	Outputs    int64              `json:"outputs"`     // of committed epochs, on output topics
	StateKeys  int64              `json:"state_keys"`  // live entries of all tables and tasks
	// Violations are examples, at most 20 of each invariant.
	Violations []Violation      `json:"violations"`
	Counts     map[string]int64 `json:"violation_counts"` // all of them, by invariant
	Notes      []string         `json:"notes"`            // what could not be checked, and why
}

// Account is what became of the records of one input partition.
type Account struct {
	From         int64 `json:"from"`      // the offset the account begins at
	Committed    int64 `json:"committed"` // the offset it goes to
	Offsets      int64 `json:"offsets"`   // from the one to the other
	Records      int64 `json:"records"`   // that stand there in the log
	Processed    int64 `json:"processed"`
	Late         int64 `json:"late"`
	Dead         int64 `json:"dead"`
	Deduplicated int64 `json:"deduplicated"`
	Filtered     int64 `json:"filtered"`
	Shed         int64 `json:"shed"`
	Gaps         int64 `json:"gaps"` // offsets without a record: markers, aborted, compacted
}

// Violation is one thing that should not be.
type Violation struct {
	Invariant string `json:"invariant"`
	Where     string `json:"where"`
	Detail    string `json:"detail"`
}

// String is the violation on one line.
func (v Violation) String() string { return v.Invariant + " " + v.Where + ": " + v.Detail }

// Clean says that nothing was violated.
func (r *Report) Clean() bool { return len(r.Counts) == 0 }

// Total is how many violations there are.
func (r *Report) Total() int64 {
	var n int64
	for _, c := range r.Counts {
		n += c
	}
	return n
}

// clone is a copy of what was found so far.
func (r *Report) clone() *Report {
	c := *r
	c.Inputs, c.Counts = maps.Clone(r.Inputs), maps.Clone(r.Counts)
	c.Violations, c.Notes = slices.Clone(r.Violations), slices.Clone(r.Notes)
	return &c
}

// maxExamples bounds the violations of one invariant that are kept.
const maxExamples = 20

// violated counts a violation and keeps it while there is room.
func (r *Report) violated(invariant, where, format string, args ...any) {
	r.Counts[invariant]++
	if r.Counts[invariant] <= maxExamples {
		detail := strings.ToValidUTF8(fmt.Sprintf(format, args...), "?")
		r.Violations = append(r.Violations, Violation{invariant, where, detail})
	}
}

// at names a record.
func at(rec *kgo.Record) string {
	return fmt.Sprintf("%s-%d offset %d", rec.Topic, rec.Partition, rec.Offset)
}

// part names a partition.
func part(topic string, partition int32) string { return fmt.Sprintf("%s-%d", topic, partition) }

// note says once that something could not be checked.
func (r *Report) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(r.Notes, text) {
		r.Notes = append(r.Notes, text)
	}
}
