package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/record"
)

// Options say what to audit.
type Options struct {
	ApplicationID string
	// Pipeline says which topics there are; nothing of it is run.
	Pipeline *processor.Pipeline
	// TopicPrefix stands before the names of inputs and outputs.
	TopicPrefix string
	// NoProvenance says that outputs do not name what led to them: then they are only counted.
	NoProvenance bool
	// Kafka are the options that lead to the cluster: brokers, dialer, TLS.
	Kafka []kgo.Opt
	// Registry has the schemas of position records and ticks.
	Registry schemas.Registry
	// Progress, when set, is called now and then, and at the end, with the offsets read so far and
	// how many are known to be read.
	Progress func(done, total int64)
}

// Run audits an application: a stopped one to the end of everything, a live one to the position
// records that stand at the start. It returns an error only when it could not.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Pipeline == nil || o.Registry == nil {
		return nil, errors.New("audit: give a pipeline and a registry")
	}
	c, err := newKafka(o.ApplicationID, o.Kafka)
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", o.ApplicationID, err)
	}
	defer c.close()
	report, err := newAuditor(o, c).run(ctx)
	if err != nil {
		return nil, fmt.Errorf("audit %s: %w", o.ApplicationID, err)
	}
	return report, nil
}

// maxKeys is how many state entries are held at once.
const maxKeys = 4 << 20

// maxCopies is how many late or shed records of a task are held at once.
const maxCopies = 4 << 20

// auditor is one run.
type auditor struct {
	o         Options
	cluster   cluster
	resolver  *schemas.Resolver
	layout    *layout
	report    *Report
	tasks     []*task
	bounds    map[string][]verify.Bounds
	starts    [][]verify.Bounds // of the inputs, before all else
	maxKeys   int
	maxCopies int
	grace     time.Duration
	done      int64
	total     int64
}

// task is what is known of one task.
type task struct {
	partition int32
	name      string
	last      *record.Position // nil when there is none
	lastAt    string
	epochs    epochs
	turned    *record.Position  // the last one that it was taken back to; nil when it never was
	from      []record.Input    // by input: where its account begins
	seen      []seen            // outputs by what led to them: inputs, then ticks
	whole     []int64           // by the same: the offset from which on all outputs must be there
	idle      *roaring64.Bitmap // the numbers of its idle ticks; nil when they are not known
}

func newAuditor(o Options, c cluster) *auditor {
	return &auditor{o: o, cluster: c, resolver: schemas.NewResolver(o.Registry),
		maxKeys: maxKeys, maxCopies: maxCopies, grace: grace,
		bounds: make(map[string][]verify.Bounds),
		report: &Report{Application: o.ApplicationID, Pipeline: o.Pipeline.Name(),
			Inputs: make(map[string]Account), Violations: []Violation{}, Notes: []string{},
			Counts: make(map[string]int64)}}
}

// run goes through the topics. The changelog comes first: whatever it says was committed stands on
// the other topics by the time they are looked at.
func (a *auditor) run(ctx context.Context) (*Report, error) {
	plans, err := plan(&a.o)
	if err != nil {
		return nil, err
	}
	if a.layout, err = lookUp(ctx, a.cluster, a.o.ApplicationID, plans); err != nil {
		return nil, err
	}
	if a.report.Live, err = a.cluster.Live(ctx); err != nil {
		return nil, err
	}
	for p := range a.layout.inputs[0].partitions {
		a.tasks = append(a.tasks, a.newTask(int32(p)))
	}
	for _, step := range []func(context.Context) error{a.findStarts, a.readChangelogs,
		a.compareOffsets, a.settle, a.readTicks, a.readOutputs, a.readInputs, a.stillStopped} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	a.report.Complete = len(a.report.Notes) == 0
	a.step(0)
	return a.report, nil
}

func (a *auditor) newTask(p int32) *task {
	n := len(a.layout.inputs) + 1
	return &task{partition: p, name: fmt.Sprintf("%s-%d", a.o.Pipeline.Name(), p),
		seen: make([]seen, n), whole: make([]int64, n)}
}

// stillStopped says whether a stopped application was started meanwhile: then much of what was
// found comes of that.
func (a *auditor) stillStopped(ctx context.Context) error {
	if a.report.Live {
		return nil
	}
	live, err := a.cluster.Live(ctx)
	if err == nil && live {
		err = errors.New("the application was started meanwhile; audit it again")
	}
	return err
}

// each calls fn for the committed records of one partition.
func (a *auditor) each(ctx context.Context, topic string, partition int32, b verify.Bounds,
	fn func(*kgo.Record) error,
) error {
	log, err := a.open(ctx, topic, partition, b)
	if err != nil {
		return err
	}
	defer log.close()
	for {
		rec, err := log.next(ctx)
		if err != nil || rec == nil {
			return err
		}
		if err := fn(rec); err != nil {
			return err
		}
	}
}

// log is a partition being read.
type log struct {
	verify.Log
	a      *auditor
	name   string
	at, to int64
}

func (a *auditor) open(ctx context.Context, topic string, partition int32, b verify.Bounds) (*log,
	error) {
	a.total += max(b.To-b.From, 0)
	l, err := a.cluster.Open(ctx, topic, partition, b)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", part(topic, partition), err)
	}
	return &log{l, a, part(topic, partition), b.From, b.To}, nil
}

// next is the next record, or nil at the end.
func (l *log) next(ctx context.Context) (*kgo.Record, error) {
	rec, err := l.Next(ctx)
	if err == io.EOF {
		l.a.step(max(l.to-l.at, 0))
		l.at = l.to
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", l.name, err)
	}
	l.a.step(rec.Offset + 1 - l.at)
	l.at = rec.Offset + 1
	return rec, nil
}

func (l *log) close() { l.Close() }

// step counts n offsets and reports progress, not too often.
func (a *auditor) step(n int64) {
	const often = 10_000
	before := a.done / often
	a.done += n
	if a.o.Progress != nil && (n == 0 || a.done/often > before) {
		a.o.Progress(a.done, max(a.total, a.done))
	}
}

// decode decodes data, with the writer schema fetched when it is not known yet. A value that nobody
// can decode is told in words.
func decode[V any](ctx context.Context, dec *schemas.Decoder[V], data []byte, v *V) (bad string,
	err error) {
	err = dec.DecodeFetching(ctx, data, v)
	var undecodable *schemas.DecodeError
	if errors.As(err, &undecodable) || errors.Is(err, schemas.ErrNotFound) {
		return err.Error(), nil
	}
	return "", err
}
