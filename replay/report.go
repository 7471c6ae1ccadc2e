package replay

import (
	"fmt"

	"pawl/schemas/record"
)

// Report is what a shadow found.
type Report struct {
	ID          string                 `json:"id"`
	Application string                 `json:"application"`
	Pipeline    string                 `json:"pipeline"`
	From        map[string]int64       `json:"from"` // by input partition
	To          map[string]int64       `json:"to"`
	Records     int64                  `json:"records"` // input offsets that were processed again
	Seconds     float64                `json:"seconds"`
	Tasks       []TaskPlan             `json:"tasks"`
	Topics      map[string]*Difference `json:"topics"`
	State       *Difference            `json:"state"`
	// Positions names what differs in where the tasks came to stand: watermark, ledger, ticks.
	Positions []string `json:"positions"`
	Identical bool     `json:"identical"`
	Notes     []string `json:"notes"`
}

// Difference counts entries of a topic or of the state. Missing has production alone, extra the
// replay alone.
type Difference struct {
	Same      int64     `json:"same"`
	Missing   int64     `json:"missing"`
	Extra     int64     `json:"extra"`
	Different int64     `json:"different"`
	Examples  []Example `json:"examples"`
}

// Example is one entry that is not the same on both sides.
type Example struct {
	Kind       string   `json:"kind"`           // missing, extra or different
	What       string   `json:"what,omitempty"` // that differs
	Key        string   `json:"key"`
	From       string   `json:"from,omitempty"`   // what led to it
	Offset     string   `json:"offset,omitempty"` // where production has it
	Production any      `json:"production"`
	Replay     any      `json:"replay"`
	Fields     []string `json:"fields,omitempty"` // of the value, that differ
}

// maxExamples of each kind are kept.
const maxExamples = 10

func (d *Difference) full(kind string) bool {
	n := 0
	for i := range d.Examples {
		if d.Examples[i].Kind == kind {
			n++
		}
	}
	return n >= maxExamples
}

// Zero says that nothing differs.
func (d *Difference) Zero() bool { return d.Missing == 0 && d.Extra == 0 && d.Different == 0 }

// newReport begins a report with the plan.
func (s *session) newReport(p *Plan) *Report {
	return &Report{ID: s.o.ID, Application: s.o.Config.ApplicationID,
		Pipeline: s.o.Pipeline.Name(), From: p.From, To: p.To, Tasks: p.Tasks, Records: p.Records,
		Topics: make(map[string]*Difference), State: &Difference{Examples: []Example{}},
		Positions: []string{}}
}

// judge says whether anything differs at all.
func (r *Report) judge() {
	r.Identical = r.State.Zero() && len(r.Positions) == 0
	for _, d := range r.Topics {
		r.Identical = r.Identical && d.Zero()
	}
}

// positions compares where a task came to stand with where production did. Of a table's records
// the replay may have found fewer: compaction removes those that were replaced. It returns how many
// are gone, by input; what that changed is in the outputs and the state.
func (r *Report) positions(name string, want, got *record.Position, tables map[string]bool) (
	gone map[string]int64) {
	gone = make(map[string]int64)
	differs := func(what string, want, got int64) {
		if want != got {
			r.Positions = append(r.Positions, fmt.Sprintf("%s: %s %d, replay %d", name, what, want,
				got))
		}
	}
	differs("watermark", want.Watermark, got.Watermark)
	differs("ticks", want.Ticks, got.Ticks)
	for i := range want.Inputs {
		a, b := &want.Inputs[i], &got.Inputs[i]
		of := fmt.Sprintf(" of %s-%d", a.Topic, a.Partition)
		differs("offset"+of, a.Offset, b.Offset)
		if less := counted(a) - counted(b); tables[a.Topic] && less > 0 {
			gone[fmt.Sprintf("%s-%d", a.Topic, a.Partition)] = less
			continue
		}
		differs("processed"+of, a.Processed, b.Processed)
		differs("late"+of, a.Late, b.Late)
		differs("dead"+of, a.Dead, b.Dead)
		differs("deduplicated"+of, a.Deduplicated, b.Deduplicated)
		differs("filtered"+of, a.Filtered, b.Filtered)
		differs("shed"+of, a.Shed, b.Shed)
	}
	return gone
}

// counted is how many records of an input were accounted for.
func counted(in *record.Input) int64 {
	return in.Processed + in.Late + in.Dead + in.Deduplicated + in.Filtered + in.Shed
}
