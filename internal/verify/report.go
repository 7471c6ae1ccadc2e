package verify

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Report is the verdict on one pipeline.
type Report struct {
	RecordsIn       int64     `json:"records_in"`  // input records on the broker, all inputs
	RecordsOut      int64     `json:"records_out"` // records on the output topics
	Missing         int64     `json:"missing"`
	Extra           int64     `json:"extra"`
	Different       int64     `json:"different"`
	StateKeys       int64     `json:"state_keys"`
	StateDifferent  int64     `json:"state_different"`
	LedgerDifferent int64     `json:"ledger_different"`
	Unprocessed     int64     `json:"unprocessed"` // input offsets that are not committed
	DeadLettered    int64     `json:"dead_lettered"`
	Late            int64     `json:"late"`
	Oracle          string    `json:"oracle"` // "match" or "mismatch"
	Examples        []Example `json:"examples,omitempty"`
}

// Example is one difference, for people.
type Example struct {
	Kind   string `json:"kind"` // missing, extra, different, state or ledger
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

// String is the example on one line.
func (e Example) String() string { return e.Kind + " " + e.Where + ": " + e.Detail }

// maxExamples bounds Report.Examples.
const maxExamples = 20

// Match reports whether nothing differs up to the committed offsets.
func (r *Report) Match() bool {
	return r.Missing == 0 && r.Extra == 0 && r.Different == 0 && r.StateDifferent == 0 &&
		r.LedgerDifferent == 0
}

// example keeps one difference while there is room.
func (c *check) example(kind, where, detail string) {
	if len(c.report.Examples) < maxExamples {
		c.report.Examples = append(c.report.Examples,
			Example{Kind: kind, Where: where, Detail: trim(detail)})
	}
}

// differ counts one difference of a record.
func (c *check) differ(count *int64, kind string, rec *kgo.Record, detail string) {
	*count++
	c.example(kind, fmt.Sprintf("%s-%d offset %d", rec.Topic, rec.Partition, rec.Offset), detail)
}

// ledger counts one fault of a position record.
func (c *check) ledger(rec *kgo.Record, detail string) {
	c.differ(&c.report.LedgerDifferent, "ledger", rec, detail)
}
