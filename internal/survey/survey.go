package survey

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

// Options say which application, and how its instances are asked.
type Options struct {
	ApplicationID string
	Pipeline      string
	Inputs        []string // topics of streams and tables; global ones are in position records
	Kafka         []kgo.Opt
	Registry      schemas.Registry
	// Ask asks the instance that listens at an address; nil asks nobody.
	Ask func(ctx context.Context, address string) (*Answer, error)
}

// survey is one look.
type survey struct {
	o      Options
	adm    *kadm.Client
	source *verify.Kafka
	report *Report
	tasks  map[string]*Task
}

// Look surveys the application. What stops it is a cluster that does not answer; an instance or a
// registry that does not becomes a note.
func Look(ctx context.Context, o Options) (*Report, error) {
	cl, err := kgo.NewClient(o.Kafka...)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	defer cl.Close()
	source, err := verify.NewKafka(o.ApplicationID, o.Kafka...)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	s := &survey{o: o, adm: kadm.NewClient(cl), source: source, tasks: make(map[string]*Task),
		report: &Report{Application: o.ApplicationID, Pipeline: o.Pipeline, At: time.Now().UTC(),
			Instances: []*Instance{}, Tasks: []*Task{}, Notes: []string{}}}
	members, group, err := processor.GroupMembers(ctx, s.adm, o.ApplicationID)
	if err != nil {
		return nil, err
	}
	s.report.Group = group
	if err := s.positions(ctx); err != nil {
		return nil, err
	}
	if err := s.inputs(ctx); err != nil {
		return nil, err
	}
	s.members(ctx, members)
	s.conclude()
	return s.report, nil
}

func (s *survey) note(format string, args ...any) {
	s.report.Notes = append(s.report.Notes, fmt.Sprintf(format, args...))
}

// task is the one with a number, which is listed from then on.
func (s *survey) task(partition int32) *Task {
	name := fmt.Sprintf("%s-%d", s.o.Pipeline, partition)
	t := s.tasks[name]
	if t == nil {
		t = &Task{Task: name, State: "STOPPED", Inputs: []*Input{},
			HotKeys: []processor.HotKey{}}
		s.tasks[name] = t
		s.report.Tasks = append(s.report.Tasks, t)
	}
	return t
}

// members asks all instances at once.
func (s *survey) members(ctx context.Context, members []processor.Member) {
	answers, errs := make([]*Answer, len(members)), make([]error, len(members))
	var asked sync.WaitGroup
	for i, m := range members {
		asked.Go(func() { answers[i], errs[i] = s.ask(ctx, m.Address) })
	}
	asked.Wait()
	for i, m := range members {
		one := &Instance{Instance: m.Instance, Address: m.Address, State: "UNKNOWN",
			Tasks: []string{}, Standbys: []*Standby{}}
		s.report.Instances = append(s.report.Instances, one)
		for _, p := range m.Tasks {
			t := s.task(p)
			t.Instance, t.State = m.Instance, "UNKNOWN"
			one.Tasks = append(one.Tasks, t.Task)
		}
		if errs[i] != nil {
			s.note("instance %s does not tell its state: %v", m.Instance, errs[i])
			continue
		}
		s.answered(one, answers[i])
	}
}

var errNoAddress = errors.New("it tells no address; set http.listen, or http.advertised where " +
	"that is none that others can use")

var errNotAsked = errors.New("it was not asked")

func (s *survey) ask(ctx context.Context, address string) (*Answer, error) {
	switch {
	case s.o.Ask == nil:
		return nil, errNotAsked
	case address == "":
		return nil, errNoAddress
	}
	return s.o.Ask(ctx, address)
}

// answered takes an instance's word. Of tasks it may tell only what the group says is its own: the
// last owner of one that moved may not know yet.
func (s *survey) answered(one *Instance, a *Answer) {
	one.Answered, one.State, one.Reason = true, a.State, a.Reason
	one.Paused, one.Draining, one.Open = a.Paused, a.Draining, a.Open
	if a.Standbys != nil {
		one.Standbys = a.Standbys
	}
	for _, told := range a.Tasks {
		t := s.tasks[told.Task]
		if t == nil || t.Instance != one.Instance {
			continue
		}
		restored := told.Restored
		t.State, t.Reason, t.Mend = told.State, told.Reason, told.Mend
		t.Restored, t.Rung = &restored, told.Rung
		t.HotKeys = append(t.HotKeys, told.HotKeys...)
	}
}

// conclude sums up.
func (s *survey) conclude() {
	r := s.report
	slices.SortFunc(r.Tasks, func(a, b *Task) int { // fraud-2 comes before fraud-10
		return cmp.Or(cmp.Compare(len(a.Task), len(b.Task)), cmp.Compare(a.Task, b.Task))
	})
	for _, t := range r.Tasks {
		r.Lag += t.Lag
	}
	answered, paused := 0, 0
	for _, i := range r.Instances {
		if i.Answered {
			answered++
		}
		if i.Paused {
			paused++
		}
	}
	switch {
	case len(r.Instances) == 0:
		r.State = Stopped
	case r.Group != "Stable":
		r.State = Rebalancing
	case answered > 0 && paused == answered:
		r.State = Paused
	default:
		r.State = Running
	}
}
