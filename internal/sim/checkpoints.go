package sim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/checkpoint"
	"pawl/processor"
	"pawl/statestore"
)

const (
	// checkpointSeeds: one of so many seeds has checkpoints.
	checkpointSeeds = 4
	// checkpointGrace is the shortest there is.
	checkpointGrace = time.Minute
	// tombstones is how long a changelog that was compacted is sure to tell of what was deleted.
	tombstones = 12 * time.Hour
)

// keepCheckpoints has the seed decide whether the application keeps checkpoints, and how. It has
// chances of its own: a seed without checkpoints is what it would be if there were none at all.
func (s *simulation) keepCheckpoints() {
	r := s.chance("checkpoints")
	if r.IntN(checkpointSeeds) > 0 {
		return
	}
	s.checkpoints = checkpoint.Config{
		Interval: time.Duration(1+r.IntN(3)) * time.Second, OnStop: r.IntN(2) == 0,
		Policy: checkpoint.Policy{Keep: 1 + r.IntN(2), Grace: checkpointGrace}}
	speed := []int{1, 6, 12}[r.IntN(3)]
	faults := []float64{0, 0.01, 0.03, 0.1}[r.IntN(4)]
	if s.cfg.Calm {
		faults = 0
	}
	s.storage = newStorage(speed, checkpointGrace/8/time.Duration(speed), faults)
}

// checkpoints are what a process is told of checkpoints.
func (p *process) checkpoints() processor.Checkpoints {
	s := p.host.sim
	if s.storage == nil {
		return processor.Checkpoints{}
	}
	return processor.Checkpoints{Config: s.checkpoints, Target: &visit{storage: s.storage, p: p,
		trace: s.trace, name: p.host.name,
		random: s.chance(fmt.Sprintf("storage %s %d", p.host.name, p.life))}}
}

// checkpointTold counts what became of checkpoints.
func (p *process) checkpointTold(i processor.CheckpointInfo) {
	s := p.host.sim
	if p.gone() {
		return
	}
	s.trace.say(p.host.name, "%s checkpoint %s %s %v", i.Task, i.ID, i.Result, i.Err)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results[i.Result]++
}

// restoreTold counts what tasks were restored from.
func (p *process) restoreTold(i processor.RestoreInfo) {
	s := p.host.sim
	if !i.Done || p.gone() {
		return
	}
	s.trace.say(p.host.name, "%s restored from %s %s", i.Task, i.Rung, i.Checkpoint)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rungs[i.Rung]++
}

// storageActions are what befalls the storage, or what only storages help against.
func storageActions() []action {
	return []action{
		{"storage", 6, (*simulation).troubleStorage},
		{"checkpoint-damaged", 5, (*simulation).damageCheckpoint},
		{"prune", 8, (*simulation).pruneCheckpoints},
		{"disk-lost", 8, (*simulation).loseDisk},
	}
}

func (s *simulation) troubleStorage() bool {
	silent, d := s.random.IntN(2) == 0, s.span()
	s.trace.say("sim", "STORAGE silent %v or down for %v", silent, d)
	s.storage.trouble(silent, d)
	return true
}

// pruneCheckpoints has an operator prune, beside whatever else is done to them.
func (s *simulation) pruneCheckpoints() bool {
	s.prunes++
	name := fmt.Sprintf("operator-%d", s.prunes)
	v := &visit{storage: s.storage, trace: s.trace, name: name, random: s.chance(name)}
	for p := range s.cfg.Partitions {
		series, err := checkpoint.NewSeries(v, application, s.task(p))
		if err != nil {
			return false
		}
		s.storage.late.Go(func() {
			done, err := series.Prune(context.Background(), s.checkpoints.Policy, false)
			s.trace.say(name, "PRUNE %s: %+v %v", series, done, err)
		})
	}
	return true
}

// task names a partition's task.
func (s *simulation) task(partition int) string {
	return fmt.Sprintf("%s-%d", s.cfg.App.Spec.Pipeline, partition)
}

// series are the checkpoints of a partition's task as they are, whatever befalls requests.
func (s *simulation) series(partition int) (*checkpoint.Series, error) {
	return checkpoint.NewSeries(s.storage.memory, application, s.task(partition))
}

// damageCheckpoint loses or damages a file or the manifest of some task's newest checkpoint.
func (s *simulation) damageCheckpoint() bool {
	ctx := context.Background()
	series, err := s.series(s.random.IntN(s.cfg.Partitions))
	if err != nil {
		return false
	}
	m, _, err := series.Latest(ctx, nil)
	if err != nil {
		return false // there is none
	}
	key := "manifests/" + series.String() + "/" + m.ID
	if n := s.random.IntN(len(m.Files) + 1); n > 0 {
		key = "objects/" + series.String() + "/" + m.Files[n-1].Object
	}
	s.trace.say("sim", "DAMAGE to %s", key)
	return s.storage.spoil(ctx, key, s.random) == nil
}

// auditCheckpoints checks I9: the newest checkpoint of each task holds what the changelog says up
// to where it stands, and with the changelog's tail it is the final state. Unless one was lost or
// damaged on purpose, it is the newest that there ever was.
func (s *simulation) auditCheckpoints(l *logs) error {
	if s.storage == nil {
		return nil
	}
	s.storage.late.Wait()
	for p, records := range l.records[s.changelog()] {
		series, err := s.series(p)
		if err != nil {
			return fmt.Errorf("audit checkpoints: %w", err)
		}
		if err := s.auditNewest(series, records, l.bounds[s.changelog()][p].To); err != nil {
			return fmt.Errorf("audit checkpoints of %s: %w", series, err)
		}
	}
	return nil
}

// auditNewest checks I9 for one task.
func (s *simulation) auditNewest(series *checkpoint.Series, log []*kgo.Record, end int64) error {
	task := series.Task()
	dir := filepath.Join(s.cfg.Dir, "audit-"+task)
	m, skipped, err := series.RestoreLatest(context.Background(), dir, nil, checkpoint.Limits{},
		nil)
	newest, spoilt := s.storage.newest[task], s.storage.spoilt[task]
	switch {
	case err != nil && !errors.Is(err, checkpoint.ErrNone):
		return err
	case err != nil && newest != "" && !spoilt:
		s.violate("I9", task, fmt.Sprintf("checkpoint %s was there, and none is: %v", newest,
			skipped))
	}
	if err != nil {
		return nil
	}
	if m.ID != newest && !spoilt {
		s.violate("I9", task, fmt.Sprintf("the newest checkpoint is %s, and was %s: %v", m.ID,
			newest, skipped))
	}
	held, err := contents(dir)
	if err != nil {
		return err
	}
	at := m.Changelog.Offset
	if at > end {
		s.violate("I9", task, fmt.Sprintf("checkpoint %s stands at changelog offset %d, "+
			"committed is %d", m.ID, at, end))
	}
	if s.kafka.compacted() && time.Since(m.Changelog.Time) > tombstones {
		return nil // no restore would use it
	}
	before := func(r *kgo.Record) bool { return r.Offset < at }
	tail := slices.IndexFunc(log, func(r *kgo.Record) bool { return !before(r) })
	if tail < 0 {
		tail = len(log)
	}
	if !s.kafka.compacted() { // else earlier states cannot be had
		s.compareState(m, "of what was written before it", held, fold(nil, log[:tail]))
	}
	s.compareState(m, "with its tail", fold(held, log[tail:]), fold(nil, log))
	return nil
}

// contents reads all state in a store's folder.
func contents(dir string) (map[string][]byte, error) {
	held := make(map[string][]byte)
	var fatal error
	env := statestore.NewEnv(nil, 1<<20, func(err error) { fatal = err })
	defer env.Close()
	err := env.Inspect(dir, func(store *statestore.Pebble) error {
		return store.Scan([]byte{1}, []byte{0xff, 0xff}, func(key, value []byte) bool {
			held[string(key)] = bytes.Clone(value)
			return true
		})
	})
	return held, errors.Join(err, fatal)
}

// fold is the state that changelog records make of another.
func fold(state map[string][]byte, log []*kgo.Record) map[string][]byte {
	folded := maps.Clone(state)
	if folded == nil {
		folded = make(map[string][]byte)
	}
	for _, r := range log {
		switch {
		case statestore.Internal(r.Key):
		case r.Value == nil:
			delete(folded, string(r.Key))
		default:
			folded[string(r.Key)] = r.Value
		}
	}
	return folded
}

// compareState compares a state with what it should be.
func (s *simulation) compareState(m *checkpoint.Manifest, what string,
	got, want map[string][]byte) {
	var wrong []string
	for key, value := range got {
		if w, ok := want[key]; !ok || !bytes.Equal(value, w) {
			wrong = append(wrong, fmt.Sprintf("%q is %x, not %x", key, value, w))
		}
	}
	for key := range want {
		if _, ok := got[key]; !ok {
			wrong = append(wrong, fmt.Sprintf("%q is missing", key))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		s.violate("I9", m.Task, fmt.Sprintf("checkpoint %s %s: %d of %d entries differ: %s", m.ID,
			what, len(wrong), len(want), strings.Join(wrong[:min(len(wrong), 5)], "; ")))
	}
}
