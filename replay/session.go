package replay

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
	"pawl/statestore"
)

// session is one replay: the application as it is on the cluster, and what is known of its tasks.
type session struct {
	o         Options
	off       *processor.Offline
	source    *verify.Kafka
	client    *kgo.Client
	adm       *kadm.Client
	env       *statestore.Env
	resolver  *schemas.Resolver
	positions *schemas.Decoder[record.Position]
	dir       string
	lock      *statestore.Lock
	changelog string
	ticks     string
	tables    map[string]bool // inputs whose replaced records go
	kept      time.Duration   // deletions, by the changelog
	inputs    map[string][]verify.Bounds
	tasks     []*task
	writers   []string // transactional ids that position records name
	notes     []string
	fault     error // of a store
}

// task is one task of the application.
type task struct {
	partition int32
	name      string
	inputs    []processor.OfflineInput
	log       verify.Bounds // its changelog, when it was looked at
	last      *stand        // its last position record; nil when it never committed
	start     start
}

// open looks at the application. The caller closes the session.
func open(ctx context.Context, o Options) (*session, error) {
	s, err := reach(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := s.look(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// reach only connects. The caller closes the session.
func reach(ctx context.Context, o Options) (*session, error) {
	if err := o.ensureDefaults(); err != nil {
		return nil, err
	}
	o.Config.Registry = &registry{Registry: o.Config.Registry, suffix: o.suffix()}
	s := &session{o: o, inputs: make(map[string][]verify.Bounds), tables: make(map[string]bool),
		dir: filepath.Join(o.Config.StateDir, o.Config.ApplicationID+o.suffix())}
	s.env = statestore.NewEnv(nil, 32<<20, func(err error) { s.fault = err })
	if err := s.connect(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// suffix ends the names of a replay's topics and folder.
func (o *Options) suffix() string { return ".replay-" + o.ID }

func (s *session) connect(ctx context.Context) (err error) {
	if s.off, err = processor.NewOfflineOn(ctx, s.o.Config, s.o.Pipeline); err != nil {
		return err
	}
	s.resolver = s.off.Resolver()
	s.positions = schemas.NewDecoder(record.PositionType(), s.resolver)
	if s.source, err = verify.NewKafka(s.o.Config.ApplicationID, s.o.kafka()...); err != nil {
		return err
	}
	if s.client, err = kgo.NewClient(s.o.kafka()...); err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	s.adm = kadm.NewClient(s.client)
	for _, t := range s.off.Topics() {
		switch t.Kind {
		case processor.TopicChangelog:
			s.changelog = t.Name
		case processor.TopicTicks:
			s.ticks = t.Name
		case processor.TopicShed:
			s.note("what an input sheds depends on the clock: the replay sheds nothing")
		case processor.TopicGlobal, processor.TopicTable:
			s.tables[t.Name] = true
			s.note("%s is a table: a record in it that was replaced since may be gone by now, and "+
				"the replay cannot know it", t.Name)
		}
	}
	return nil
}

// look finds where every task stands: this is the barrier, however far the application goes on.
func (s *session) look(ctx context.Context) error {
	var err error
	if s.kept, err = s.tombstones(ctx); err != nil {
		return err
	}
	bounds, err := s.settled(ctx, s.changelog)
	if err != nil {
		return err
	}
	s.tasks = nil
	for p := range s.off.Partitions() {
		t := &task{partition: p, name: fmt.Sprintf("%s-%d", s.o.Pipeline.Name(), p),
			inputs: s.off.Inputs(p), log: bounds[p]}
		if t.last, err = s.lastStand(ctx, t); err != nil {
			return err
		}
		if t.last != nil && len(t.last.Inputs) != len(t.inputs) {
			return fmt.Errorf("task %s: the pipeline has %d input partitions, but its history has "+
				"%d; replay with a version that has the same inputs", t.name, len(t.inputs),
				len(t.last.Inputs))
		}
		s.tasks = append(s.tasks, t)
	}
	for _, t := range s.tasks {
		for _, in := range t.inputs {
			if s.inputs[in.Topic] != nil {
				continue
			}
			if s.inputs[in.Topic], err = s.source.Bounds(ctx, in.Topic); err != nil {
				return err
			}
		}
	}
	return nil
}

// hold takes the replay's folder for this process.
func (s *session) hold() (err error) {
	s.lock, err = statestore.Acquire(s.dir)
	return err
}

func (s *session) close() error {
	var err error
	if s.client != nil {
		s.client.Close()
	}
	if s.source != nil {
		s.source.Close()
	}
	if s.off != nil {
		s.off.Close()
	}
	s.env.Close()
	if s.lock != nil {
		err = s.lock.Release()
	}
	return errors.Join(err, s.fault)
}

func (s *session) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(s.notes, text) {
		s.notes = append(s.notes, text)
	}
}

// registry finds schemas where production has them, and keeps new ones under subjects of the
// replay's own: production's compatibility is not its business.
type registry struct {
	schemas.Registry
	suffix string
}

// Register implements schemas.Registry.
func (r *registry) Register(ctx context.Context, subject, text string) (int32, error) {
	id, err := r.Registry.Lookup(ctx, subject, text)
	if !errors.Is(err, schemas.ErrNotFound) {
		return id, err
	}
	return r.Registry.Register(ctx, subject+r.suffix, text)
}

// Lookup implements schemas.Registry.
func (r *registry) Lookup(ctx context.Context, subject, text string) (int32, error) {
	id, err := r.Registry.Lookup(ctx, subject, text)
	if !errors.Is(err, schemas.ErrNotFound) {
		return id, err
	}
	return r.Registry.Lookup(ctx, subject+r.suffix, text)
}
