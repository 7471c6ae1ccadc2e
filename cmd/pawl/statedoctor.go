package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"pawl/checkpoint"
	"pawl/internal/settings"
	"pawl/processor"
)

func (a *app) stateDoctor() *cobra.Command {
	var flags sourceFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor PIPELINE",
		Short: "Say whether a start would be refused, why, and what mends it",
		Long: `Compare what a start compares, task by task: the store in state.dir, the last
position record of the changelog, the group's offsets, where the inputs' logs begin
and end, topic ids, partition counts, and the newest checkpoint. Says what agrees,
what differs and what mends it, in the words of the start itself. Nothing is
written, claimed or joined. The stores of a running process cannot be opened; all
else is compared while it runs.

Exit 0 when a start would go on; 1 when it would refuse a task, or something cannot
be read; 2 when a flag or setting is wrong.`,
		Example: "  pawl state doctor fraud --config fraud.yaml",
		Args:    onePipeline,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := pipelineNamed(args[0])
			if err != nil {
				return err
			}
			return a.examine(cmd.Context(), p, flags, asJSON)
		},
	}
	flags.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// doctorReport is the answer of `pawl state doctor --json`.
type doctorReport struct {
	Application string       `json:"application"`
	Pipeline    string       `json:"pipeline"`
	Live        bool         `json:"live"`
	Refused     bool         `json:"refused"` // a start would refuse something
	Faults      []string     `json:"faults"`  // of topics, for which no task would start
	Tasks       []doctorTask `json:"tasks"`
}

type doctorTask struct {
	Task       string            `json:"task"`
	Refused    string            `json:"refused,omitempty"`
	Mend       string            `json:"mend,omitempty"`
	Notes      []string          `json:"notes"`
	Local      *doctorStore      `json:"local"`
	Position   *doctorPosition   `json:"position"`
	Changelog  doctorLog         `json:"changelog"`
	Inputs     []doctorInput     `json:"inputs"`
	Checkpoint *doctorCheckpoint `json:"checkpoint,omitempty"`
}

type doctorStore struct {
	Folder  string     `json:"folder"`
	Epoch   int64      `json:"epoch"`
	Offset  int64      `json:"changelog_offset"`
	TopicID string     `json:"changelog_id"`
	Time    *time.Time `json:"time"`
	Fault   string     `json:"fault,omitempty"`
}

type doctorPosition struct {
	stateStanding
	Offset     int64  `json:"changelog_offset"`
	Writer     string `json:"writer"`
	Partitions int32  `json:"partitions"`
}

type doctorLog struct {
	Topic   string `json:"topic"`
	TopicID string `json:"topic_id"`
	Start   int64  `json:"start"`
	End     int64  `json:"end"`
}

type doctorInput struct {
	doctorLog
	Partition    int32  `json:"partition"`
	Global       bool   `json:"global"`
	Group        int64  `json:"group_offset"`
	State        int64  `json:"state_offset"`
	StateTopicID string `json:"state_topic_id"`
}

type doctorCheckpoint struct {
	ID      string    `json:"id"`
	Epoch   int64     `json:"epoch"`
	Created time.Time `json:"created"`
}

// aState is what the doctor needs.
func aState(f *settings.Fault) bool { return anApplication(f) || f.Key == "state.dir" }

func (a *app) examine(ctx context.Context, p pipeline, flags sourceFlags, asJSON bool) error {
	s, cfg, err := judge(a.sources(flags), []pipeline{p}, aState)
	if err != nil {
		return err
	}
	a.notices(s)
	e, err := processor.Examine(ctx, cfg, p.build(s))
	if err != nil {
		return err
	}
	r := reportOf(e)
	if err := newestCheckpoints(ctx, s, &r); err != nil {
		fmt.Fprintf(a.stderr, "notice: %v\n", err)
	}
	if asJSON {
		err = printJSON(a.stdout, r)
	} else {
		printDoctor(a.stdout, r)
	}
	if err == nil && r.Refused {
		err = &verdictError{text: "a start would be refused"}
	}
	return err
}

func reportOf(e *processor.Examination) doctorReport {
	r := doctorReport{Application: e.Application, Pipeline: e.Pipeline, Live: e.Live,
		Faults: orNone(e.Faults), Refused: len(e.Faults) > 0, Tasks: []doctorTask{}}
	for _, t := range e.Tasks {
		one := doctorTask{Task: t.Task, Notes: orNone(t.Notes), Changelog: doctorLog(t.Changelog)}
		if t.Refused != nil {
			one.Refused, one.Mend, r.Refused = t.Refused.What, t.Refused.Mend, true
		}
		if l := t.Local; l != nil {
			one.Local = &doctorStore{Folder: l.Dir, Epoch: l.Epoch, Offset: l.Offset,
				TopicID: l.TopicID, Fault: l.Fault}
			if l.Time.UnixMilli() > 0 {
				one.Local.Time = &l.Time
			}
		}
		if t.Position != nil {
			one.Position = &doctorPosition{stateStanding: standingAt(t.Task, t.Position),
				Offset: t.At, Writer: t.Position.Writer, Partitions: t.Position.Partitions}
		}
		for _, in := range t.Inputs {
			one.Inputs = append(one.Inputs, doctorInput{doctorLog: doctorLog(in.LogExtent),
				Partition: in.Partition, Global: in.Global, Group: in.Group, State: in.State,
				StateTopicID: in.StateID})
		}
		r.Tasks = append(r.Tasks, one)
	}
	return r
}

// newestCheckpoints adds each task's newest complete checkpoint, where storage is named.
func newestCheckpoints(ctx context.Context, s *settings.Settings, r *doctorReport) (err error) {
	cfg := s.Checkpoint()
	if cfg.URL == "" {
		return nil
	}
	target, err := cfg.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	for i := range r.Tasks {
		t := &r.Tasks[i]
		series, err := checkpoint.NewSeries(target, r.Application, t.Task)
		if err != nil {
			return err
		}
		entries, err := series.List(ctx)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if entry.Complete() {
				t.Checkpoint = &doctorCheckpoint{ID: entry.ID, Epoch: entry.Manifest.Epoch,
					Created: entry.Manifest.Created}
				break
			}
		}
	}
	return nil
}

// printDoctor says for each task what agrees, and then what differs.
func printDoctor(w io.Writer, r doctorReport) {
	life := "stopped"
	if r.Live {
		life = "live"
	}
	fmt.Fprintf(w, "%s is %s\n", r.Application, life)
	for _, fault := range r.Faults {
		fmt.Fprintln(w, "refused:", fault)
	}
	for _, t := range r.Tasks {
		verdict := "ok"
		if t.Refused != "" {
			verdict = "REFUSED"
		}
		fmt.Fprintf(w, "\n%s: %s\n", t.Task, verdict)
		t.print(w)
		for _, n := range t.Notes {
			fmt.Fprintf(w, "  note: %s\n", n)
		}
		if t.Refused != "" {
			fmt.Fprintf(w, "  differs: %s\n  mend: %s\n", t.Refused, t.Mend)
		}
	}
}

func (t *doctorTask) print(w io.Writer) {
	switch l := t.Local; {
	case l == nil:
		fmt.Fprintln(w, "  store here: none")
	case l.Fault != "":
		fmt.Fprintf(w, "  store here: cannot be read: %s\n", l.Fault)
	default:
		fmt.Fprintf(w, "  store here: epoch %d, changelog offset %d\n", l.Epoch, l.Offset)
	}
	if p := t.Position; p != nil {
		fmt.Fprintf(w, "  position record: epoch %d at %s offset %d, by %s, of %d partitions\n",
			p.Epoch, t.Changelog.Topic, p.Offset, p.Writer, p.Partitions)
	} else {
		fmt.Fprintf(w, "  position record: none in %s\n", t.Changelog.Topic)
	}
	if c := t.Checkpoint; c != nil {
		fmt.Fprintf(w, "  newest checkpoint: epoch %d of %s\n", c.Epoch,
			c.Created.Format(time.RFC3339))
	}
	for _, in := range t.Inputs {
		group := fmt.Sprint(in.Group)
		switch {
		case in.Global:
			group = "kept in the position record only"
		case in.Group < 0:
			group = "not set"
		}
		state := "nowhere"
		if in.State >= 0 {
			state = fmt.Sprint(in.State)
		}
		fmt.Fprintf(w, "  %s-%d: log %d to %d, group's offset %s, state at %s\n", in.Topic,
			in.Partition, in.Start, in.End, group, state)
	}
}
