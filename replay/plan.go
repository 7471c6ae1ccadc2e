package replay

import (
	"fmt"

	"pawl/processor"
)

// Plan is what a replay would do.
type Plan struct {
	ID          string           `json:"id"`
	Application string           `json:"application"`
	Pipeline    string           `json:"pipeline"`
	Mode        string           `json:"mode"` // shadow, in-place or promote
	From        map[string]int64 `json:"from"` // by input partition
	To          map[string]int64 `json:"to"`
	Records     int64            `json:"records"` // input offsets between
	Tasks       []TaskPlan       `json:"tasks"`
	Creates     []string         `json:"creates"` // topics of the replay's own
	// Repeated are production's topics that get further records for the same input, once the
	// application runs again.
	Repeated []string `json:"repeated"`
	Folder   string   `json:"folder"`
	Notes    []string `json:"notes"`
}

// TaskPlan is where one task begins, and why there.
type TaskPlan struct {
	Task        string   `json:"task"`
	Source      string   `json:"source"`
	Why         string   `json:"why"`
	Epoch       int64    `json:"epoch"`       // of the state it begins with
	Last        int64    `json:"last_epoch"`  // where the task stands
	Incarnation int64    `json:"incarnation"` // that it is of now
	Records     int64    `json:"records"`     // input offsets between
	Skipped     []string `json:"skipped"`
}

// Modes of a plan.
const (
	ModeShadow  = "shadow"
	ModeInPlace = "in-place"
	ModePromote = "promote"
)

func (s *session) plan(mode string) *Plan {
	p := &Plan{ID: s.o.ID, Application: s.o.Config.ApplicationID, Pipeline: s.o.Pipeline.Name(),
		Mode: mode, From: make(map[string]int64), To: make(map[string]int64), Folder: s.dir,
		Creates: []string{}, Repeated: []string{}}
	for _, t := range s.tasks {
		if t.last == nil {
			s.note("task %s has committed nothing yet and is left out", t.name)
			continue
		}
		one := TaskPlan{Task: t.name, Source: t.start.source(), Why: t.start.why,
			Epoch: t.start.position.Epoch, Last: t.last.Epoch, Incarnation: t.last.Incarnation,
			Skipped: append([]string{}, t.start.skipped...)}
		for i, in := range t.start.position.Inputs {
			name := fmt.Sprintf("%s-%d", in.Topic, in.Partition)
			p.From[name], p.To[name] = in.Offset, t.last.Inputs[i].Offset
			one.Records += max(t.last.Inputs[i].Offset-in.Offset, 0)
		}
		p.Records += one.Records
		p.Tasks = append(p.Tasks, one)
	}
	for _, t := range s.shown() {
		switch {
		case mode == ModeShadow:
			p.Creates = append(p.Creates, s.ours(t.Name))
		case mode == ModeInPlace && t.Kind == processor.TopicOutput:
			p.Repeated = append(p.Repeated, t.Name)
		case mode == ModeInPlace:
			p.Repeated = append(p.Repeated, t.Name+" (without a mark of the incarnation)")
		}
	}
	if p.Records == 0 {
		s.note("nothing is processed again: the application stands at the point, or before it")
	}
	p.Notes = append([]string{}, s.notes...)
	return p
}
