package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"pawl/schemas/record"
	"pawl/statestore"
)

// PlanShadow says what Shadow would do, and changes nothing.
func PlanShadow(ctx context.Context, o Options) (*Plan, error) {
	return planned(ctx, o, ModeShadow, false)
}

func planned(ctx context.Context, o Options, mode string, anyLine bool) (p *Plan, err error) {
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if err := s.choose(ctx, anyLine); err != nil {
		return nil, err
	}
	if mode == ModeInPlace {
		if err := s.noteMembers(ctx); err != nil {
			return nil, err
		}
	}
	return s.plan(mode), nil
}

// noteMembers says in a plan that the application still runs.
func (s *session) noteMembers(ctx context.Context) error {
	err := s.empty(ctx)
	var running *MembersError
	if errors.As(err, &running) {
		s.note("the application runs: %v", running)
		return nil
	}
	return err
}

// Shadow processes the stretch from the point to where production stands again, beside it, and
// compares what comes out. The state that it ends with stays in its folder, for Promote. One that
// was cut short is begun again from its start state.
func Shadow(ctx context.Context, o Options) (r *Report, err error) {
	began := time.Now()
	s, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if s.o.Config.NoProvenance {
		return nil, errors.New("outputs do not name what led to them, so that they cannot be " +
			"paired: provenance.header is false")
	}
	if err := s.choose(ctx, false); err != nil {
		return nil, err
	}
	if err := s.hold(); err != nil {
		return nil, err
	}
	p := s.plan(ModeShadow)
	if err := errors.Join(s.forget(), s.makeTopics(ctx)); err != nil {
		return nil, err
	}
	r = s.newReport(p)
	if err := s.shadow(ctx, p.Records, r); err != nil {
		return nil, err
	}
	r.judge()
	r.Notes = append([]string{}, s.notes...)
	r.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	return r, s.remember()
}

// shadow runs all tasks and compares.
func (s *session) shadow(ctx context.Context, total int64, r *Report) error {
	c, err := s.newScratch()
	if err != nil {
		return err
	}
	err = s.runAll(ctx, c, total, r)
	if err == nil {
		err = s.collect(ctx, c)
	}
	if err == nil {
		err = s.pair(ctx, c, r)
	}
	return errors.Join(err, c.close())
}

func (s *session) runAll(ctx context.Context, c *scratch, total int64, r *Report) error {
	k, err := s.newSink(c)
	if err != nil {
		return err
	}
	var done int64
	for _, t := range s.tasks {
		if t.last == nil {
			continue
		}
		store, err := s.build(ctx, t, &t.start, t.name)
		if err != nil {
			return err
		}
		err = s.rerun(ctx, t, store, t.start.position, t.last, k.of(ctx, t), func(n int64) {
			done += n
			s.o.Progress("replaying", done, total)
		})
		if err == nil {
			err = s.compareTask(ctx, t, store, r)
		}
		if err := errors.Join(err, store.Close()); err != nil {
			return err
		}
	}
	s.o.Progress("replaying", total, total)
	return k.end(ctx)
}

// compareTask compares the state and position that a task has come to with production's.
func (s *session) compareTask(ctx context.Context, t *task, store *statestore.Pebble,
	r *Report) error {
	got, err := s.positionIn(ctx, store)
	if err != nil {
		return err
	}
	gone := r.positions(t.name, &t.last.Position, &got, s.tables)
	for _, input := range slices.Sorted(maps.Keys(gone)) {
		s.note("%s: %d records of %s that production processed were replaced and compacted away "+
			"since", t.name, gone[input], input)
	}
	return s.withToday(ctx, t, func(theirs *statestore.Pebble) error {
		values := newValues(s.resolver)
		return compare(theirs, store, func(key, a, b []byte) error {
			return r.State.entry(ctx, values, key, a, b)
		})
	})
}

// positionIn is where a store stands.
func (s *session) positionIn(ctx context.Context, store statestore.Store) (record.Position, error) {
	var p record.Position
	err := s.positions.DecodeFetching(ctx, store.Mark().Position, &p)
	if err != nil {
		err = fmt.Errorf("position of the replay's state: %w", err)
	}
	return p, err
}

// withToday builds production's state where it stands, for fn to look at.
func (s *session) withToday(ctx context.Context, t *task, fn func(*statestore.Pebble) error) error {
	st, err := s.today(ctx, t)
	if err != nil {
		return err
	}
	name := t.name + todaySuffix
	store, err := s.build(ctx, t, &st, name)
	if err != nil {
		return err
	}
	return errors.Join(fn(store), store.Close(), s.env.Remove(filepath.Join(s.dir, name)))
}

// todaySuffix ends the folder of production's state.
const todaySuffix = ".production"

// entry counts one key of the state.
func (d *Difference) entry(ctx context.Context, v *values, key, theirs, ours []byte) error {
	kind := ""
	switch {
	case theirs == nil:
		d.Extra++
		kind = "extra"
	case ours == nil:
		d.Missing++
		kind = "missing"
	case v.same(ctx, theirs, ours):
		d.Same++
		return ctx.Err()
	default:
		d.Different++
		kind = "different"
	}
	if !d.full(kind) {
		e := Example{Kind: kind, Key: stateKey(key), Production: v.show(ctx, theirs, false),
			Replay: v.show(ctx, ours, false)}
		if kind == "different" {
			e.Fields = fields(e.Production, e.Replay)
		}
		d.Examples = append(d.Examples, e)
	}
	return ctx.Err()
}

// memory is what a finished shadow leaves beside its stores.
type memory struct {
	ID          string           `json:"id"`
	Application string           `json:"application"`
	Pipeline    string           `json:"pipeline"`
	Epochs      map[string]int64 `json:"epochs"` // of production's positions that it came to
	Ended       time.Time        `json:"ended"`
	// Settings are those it was made with.
	Settings map[string]string `json:"settings,omitempty"`
}

// memoryName is its file.
const memoryName = "replay.json"

// remember notes that the shadow is finished: its stores are whole.
func (s *session) remember() error {
	m := memory{ID: s.o.ID, Application: s.o.Config.ApplicationID, Pipeline: s.o.Pipeline.Name(),
		Epochs: make(map[string]int64), Ended: time.Now().UTC(), Settings: s.o.Settings}
	for _, t := range s.tasks {
		if t.last != nil {
			m.Epochs[t.name] = t.last.Epoch
		}
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", memoryName, err)
	}
	path := filepath.Join(s.dir, memoryName)
	if err := os.WriteFile(path+".new", append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("note the end of the replay: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("note the end of the replay: %w", err)
	}
	return nil
}

// forget takes the note away before the stores are touched.
func (s *session) forget() error {
	err := os.Remove(filepath.Join(s.dir, memoryName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("begin the replay again: %w", err)
	}
	return nil
}

// recall reads the note of a finished shadow.
func (s *session) recall() (*memory, error) {
	path := filepath.Join(s.dir, memoryName)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("replay %s has no finished shadow in %s; run it to its end with "+
			"--execute first, on this machine", s.o.ID, s.dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read the replay's note: %w", err)
	}
	m := new(memory)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if m.Application != s.o.Config.ApplicationID || m.Pipeline != s.o.Pipeline.Name() {
		return nil, fmt.Errorf("%s is of application %s, pipeline %s", path, m.Application,
			m.Pipeline)
	}
	return m, m.sameSettings(s.o.Settings)
}

// sameSettings refuses to read on with settings that the shadow was not made with.
func (m *memory) sameSettings(now map[string]string) error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, ok := m.Settings[name]; ok && was != now[name] {
			faults = append(faults, fmt.Errorf("%s=%s, but shadow %s was made with %s; give "+
				"--set %s=%s, or make another shadow", name, now[name], m.ID, was, name, was))
		}
	}
	return errors.Join(faults...)
}
