package processor

import (
	"context"
	"sync"

	"pawl/schemas"
	"pawl/schemas/record"
)

// subject is a schema under the name that the registry is asked for it by.
type subject struct{ name, text string }

// bindFunc gives a schema its id under a subject.
type bindFunc func(name, text string) (int32, error)

// lookupsAtOnce bounds how many questions a start asks the registry at a time.
const lookupsAtOnce = 8

// lookUp asks the registry for all subjects that walk binds, many at once: a restart finds them all
// there, and an answer may take long. What it does not find, or cannot ask for, is left to whoever
// binds them one by one, which registers and tells of faults.
func (in *Instance) lookUp(ctx context.Context, walk func(bindFunc) error) map[subject]int32 {
	var all []subject
	note := func(name, text string) (int32, error) {
		all = append(all, subject{name, text})
		return 0, nil
	}
	if walk(note) != nil {
		return nil // whoever binds them meets the same
	}
	var mu sync.Mutex
	found := make(map[subject]int32, len(all))
	var wait sync.WaitGroup
	turns := make(chan struct{}, lookupsAtOnce)
	for _, s := range all {
		turns <- struct{}{}
		wait.Go(func() {
			defer func() { <-turns }()
			id, err := in.cfg.Registry.Lookup(ctx, s.name, s.text)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			found[s] = id
		})
	}
	wait.Wait()
	return found
}

// binder binds what was looked up at once, and all else through the registry.
func (in *Instance) binder(ctx context.Context, found map[subject]int32) bindFunc {
	return func(name, text string) (int32, error) {
		if id, ok := found[subject{name, text}]; ok {
			if err := in.bind.resolver.Add(id, text); err == nil {
				return id, nil
			}
		}
		return schemas.Bind(ctx, in.cfg.Registry, in.bind.resolver, name, text,
			!in.cfg.ReadOnlyRegistry)
	}
}

// bindValue binds the schema of an input's or output's values.
func (in *Instance) bindValue(bind bindFunc, topic, text string) (int32, error) {
	name, err := in.cfg.SubjectStrategy.Subject(topic, text)
	if err != nil {
		return 0, err
	}
	return bind(name, text)
}

// SubjectRole says what a pipeline has a schema for.
type SubjectRole string

// The roles of subjects.
const (
	RoleInput    SubjectRole = "input"    // records that others write
	RoleTable    SubjectRole = "table"    // the same, on a compacted topic kept as a table
	RoleOutput   SubjectRole = "output"   // records that the pipeline writes
	RoleState    SubjectRole = "state"    // entries of a table, in stores and on the changelog
	RoleInternal SubjectRole = "internal" // Pawl's own records, on changelog and ticks topic
)

// Subject is a schema of a pipeline under the name that the registry knows it by.
type Subject struct {
	Name   string      // the subject
	Topic  string      // where values with the schema stand
	Role   SubjectRole // what for
	Tables []string    // whose entries, of state
	Text   string      // the schema
}

// Subjects are all subjects that an instance of p with this configuration binds at its start, once
// each, in that order. Those of state begin with cfg.ApplicationID.
func Subjects(cfg Config, p *Pipeline) ([]Subject, error) {
	in := &Instance{cfg: cfg, pipe: p}
	var all []Subject
	add := func(s Subject) {
		for i, known := range all {
			if known.Name == s.Name && known.Text == s.Text {
				all[i].Tables = append(known.Tables, s.Tables...)
				return
			}
		}
		all = append(all, s)
	}
	value := func(role SubjectRole, topic, text string) error {
		_, err := in.bindValue(func(name, text string) (int32, error) {
			add(Subject{Name: name, Topic: cfg.TopicPrefix + topic, Role: role, Text: text})
			return 0, nil
		}, cfg.TopicPrefix+topic, text)
		return err
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	for _, i := range p.inputs {
		role := RoleInput
		if i.isTable() {
			role = RoleTable
		}
		if err := value(role, i.topic(), i.text()); err != nil {
			return nil, err
		}
	}
	for _, o := range p.outputs {
		if err := value(RoleOutput, o.topic(), o.text()); err != nil {
			return nil, err
		}
	}
	log, ticks := changelogName(cfg.ApplicationID, p.name), cfg.ApplicationID+"-ticks"
	for _, t := range p.tables {
		add(Subject{Name: log + "-" + t.schemaName(), Topic: log, Role: RoleState,
			Tables: []string{t.tableName()}, Text: t.text()})
	}
	position, claim, tick := record.PositionType(), record.ClaimType(), record.TickType()
	add(Subject{Name: log + "-" + position.Name(), Topic: log, Role: RoleInternal,
		Text: position.String()})
	add(Subject{Name: log + "-" + claim.Name(), Topic: log, Role: RoleInternal,
		Text: claim.String()})
	add(Subject{Name: ticks + "-value", Topic: ticks, Role: RoleInternal, Text: tick.String()})
	return all, nil
}
