package processor

import (
	"context"
	"fmt"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
)

// UpgradeVerdict says what an upgrade means for a store, a topic or a task.
type UpgradeVerdict string

// The verdicts. Refused is the only one that keeps the candidate from running.
const (
	UpgradeSame     UpgradeVerdict = "same"
	UpgradeMigrated UpgradeVerdict = "migrated" // on read, value by value
	UpgradeEmpty    UpgradeVerdict = "empty"    // nothing is written there yet
	UpgradeLeft     UpgradeVerdict = "left"     // it stays, and nobody reads it
	UpgradeRebuilt  UpgradeVerdict = "rebuilt"  // from a checkpoint or the changelog
	UpgradeRefused  UpgradeVerdict = "refused"
)

// Upgrade compares what an application has written with what a candidate, this binary's pipeline,
// reads and writes.
type Upgrade struct {
	Application string         `json:"application"`
	Pipeline    string         `json:"pipeline"`
	Live        bool           `json:"live"`    // the group has members
	Refused     bool           `json:"refused"` // something is
	Rolling     bool           `json:"rolling"` // both versions may run side by side
	Faults      []string       `json:"faults"`  // of topics, for which no task would start
	Stores      []UpgradePart  `json:"stores"`
	Topics      []UpgradePart  `json:"topics"`
	Tasks       []UpgradedTask `json:"tasks"` // with a store on this machine, or refused
}

// UpgradePart is one store, or one topic, and what is written in it.
type UpgradePart struct {
	Name    string          `json:"name"`
	Kind    string          `json:"kind"` // store, or the topic's kind
	Verdict UpgradeVerdict  `json:"verdict"`
	Written []WrittenSchema `json:"written"`
	Why     string          `json:"why,omitempty"`
	Mend    string          `json:"mend,omitempty"`
	// Older is how the version that wrote last reads what the candidate writes; nil when it reads
	// the same, or does not read it.
	Older *OlderReader `json:"older,omitempty"`
}

// WrittenSchema is one schema that values are written with, and how the candidate reads them. Of an
// output, which it does not read, it is how readers of before take the candidate's.
type WrittenSchema struct {
	ID      int32            `json:"id"`
	Values  int64            `json:"values"` // in the log, overwritten ones included
	Newest  time.Time        `json:"newest"`
	Changes []schemas.Change `json:"changes"`
	Clash   string           `json:"clash,omitempty"` // why they cannot be read
}

// OlderReader is a version that is replaced, as the reader of what the candidate writes.
type OlderReader struct {
	ID      int32            `json:"id"` // of its schema
	Changes []schemas.Change `json:"changes"`
	Clash   string           `json:"clash,omitempty"` // why it cannot read them
}

// UpgradedTask is one task, as a start of the candidate on this machine finds it.
type UpgradedTask struct {
	Task    string         `json:"task"`
	Verdict UpgradeVerdict `json:"verdict"`
	Why     string         `json:"why,omitempty"`
	Mend    string         `json:"mend,omitempty"`
}

// PlanUpgrade compares p with what the application that cfg names has left in its changelog, in its
// topics and in state.dir. Nothing is written, claimed or joined. Progress, when set, is told of
// the changelog's offsets: it is read whole.
func PlanUpgrade(ctx context.Context, cfg Config, p *Pipeline, progress func(done, total int64)) (
	*Upgrade, error) {
	e, err := Examine(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	u := &Upgrade{Application: e.Application, Pipeline: e.Pipeline, Live: e.Live, Rolling: true,
		Faults: append([]string{}, e.Faults...), Stores: []UpgradePart{}, Topics: []UpgradePart{},
		Tasks: []UpgradedTask{}, Refused: len(e.Faults) > 0}
	if len(e.Tasks) == 0 {
		return u, nil // without an input there is nothing to compare with
	}
	in, pl, done, err := onlook(ctx, cfg, p)
	if err != nil {
		return nil, err
	}
	defer done()
	in.bindTopics(pl)
	l := &upgradeLook{in: in, planner: pl, examined: e, up: u, progress: progress}
	if err := l.stores(ctx); err != nil {
		return nil, err
	}
	if err := l.topics(ctx); err != nil {
		return nil, err
	}
	u.tasks(e)
	u.sum()
	return u, nil
}

// tasks takes over what the examination found of stores here, and of what a start would refuse.
func (u *Upgrade) tasks(e *Examination) {
	for _, t := range e.Tasks {
		one := UpgradedTask{Task: t.Task, Verdict: UpgradeSame}
		switch {
		case t.Refused != nil:
			one.Verdict, one.Why, one.Mend = UpgradeRefused, t.Refused.What, t.Refused.Mend
		case t.Local == nil:
			continue
		case t.Rebuilt:
			one.Verdict = UpgradeRebuilt
			for _, note := range t.Notes {
				one.Why = joined(one.Why, note)
			}
		case t.Local.Fault != "":
			one.Why = "not looked into: " + t.Local.Fault
		}
		u.Tasks = append(u.Tasks, one)
	}
}

// sum draws the conclusions.
func (u *Upgrade) sum() {
	for _, t := range u.Tasks {
		u.Refused = u.Refused || t.Verdict == UpgradeRefused
	}
	for _, parts := range [][]UpgradePart{u.Stores, u.Topics} {
		for _, part := range parts {
			u.Refused = u.Refused || part.Verdict == UpgradeRefused
			if part.Kind == upgradeStore && part.Older != nil && part.Older.Clash != "" {
				u.Rolling = false
			}
		}
	}
	u.Rolling = u.Rolling && !u.Refused
}

// upgradeStore is the kind of a part that is a store.
const upgradeStore = "store"

// Mends of what an upgrade would refuse.
const (
	mendStore = "give the field a default, or the name it was written under as an alias; or keep " +
		"the store as it is and fill another one"
	mendRecords = "give the field a default, or the name it was written under as an alias"
	mendLost    = "restore the registry that has the schema"
)

// judge compares the candidate's schema with all that is written in a part that it reads.
func (p *UpgradePart) judge(candidate avro.Schema, known map[int32]avro.Schema, mend string) {
	p.Verdict = UpgradeSame
	var newest *WrittenSchema
	for i := range p.Written {
		w := &p.Written[i]
		if newest == nil || w.Newest.After(newest.Newest) {
			newest = w
		}
		writer := known[w.ID]
		if writer == nil {
			p.refuse(w, "the registry does not have it", mendLost)
			continue
		}
		if err := schemas.Compatible(candidate, writer); err != nil {
			p.refuse(w, err.Error(), mend)
			continue
		}
		w.Changes = append(w.Changes, schemas.Changes(candidate, writer)...)
		if len(w.Changes) > 0 && p.Verdict == UpgradeSame {
			p.Verdict = UpgradeMigrated
		}
	}
	if newest != nil && known[newest.ID] != nil {
		p.Older = olderReader(newest.ID, known[newest.ID], candidate)
	}
}

func (p *UpgradePart) refuse(w *WrittenSchema, clash, mend string) {
	w.Clash = clash
	p.Verdict = UpgradeRefused
	p.Why = joined(p.Why, fmt.Sprintf("%d values of schema id %d: %s", w.Values, w.ID, clash))
	p.Mend = mend
}

// olderReader has the version of before read what the candidate writes.
func olderReader(id int32, older, candidate avro.Schema) *OlderReader {
	o := &OlderReader{ID: id, Changes: []schemas.Change{}}
	if err := schemas.Compatible(older, candidate); err != nil {
		o.Clash = err.Error()
		return o
	}
	if o.Changes = append(o.Changes, schemas.Changes(older, candidate)...); len(o.Changes) == 0 {
		return nil
	}
	return o
}

// joined adds a sentence to others.
func joined(text, more string) string {
	if text == "" {
		return more
	}
	return text + "; " + more
}
