package pipelinetest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

// Rig is a broker and a registry in the process, with the input topics of a pipeline.
type Rig struct {
	// Options lead to the broker.
	Options  []kgo.Opt
	Registry *schemas.Memory
	Kafka    *verify.Kafka
	// Engine is how instances are started; a test may change it before.
	Engine processor.Config
	inputs []string
}

const (
	appID    = "rig"
	patience = 2 * time.Minute
)

// NewRig starts the broker; it ends with the test. Instances get the cluster's addresses.
func NewRig(t testing.TB, partitions int32, inputs ...string) *Rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, inputs...),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := &Rig{Options: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)},
		Registry: schemas.NewMemory(), inputs: inputs}
	r.Engine = processor.Config{ApplicationID: appID, Brokers: c.ListenAddrs(),
		Registry: r.Registry}
	if r.Kafka, err = verify.NewKafka(appID, r.Options...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Kafka.Close)
	return r
}

// Load sends count records of the generator's first topic, and those that come with them.
func (r *Rig) Load(t testing.TB, g loadgen.Generator, count int64) {
	t.Helper()
	_, err := loadgen.Run(t.Context(), loadgen.Config{Generator: g, Options: r.Options,
		Registry: r.Registry, Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// Send sends records to the only partition of their topics, in order.
func (r *Rig) Send(t testing.TB, records ...verify.Input) {
	t.Helper()
	client, err := kgo.NewClient(append(r.Options,
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var list []*kgo.Record
	for _, in := range records {
		list = append(list, &kgo.Record{Topic: in.Topic, Key: in.Key, Value: in.Value,
			Timestamp: time.UnixMilli(in.Timestamp)})
	}
	if err := client.ProduceSync(t.Context(), list...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// Start runs an instance with its stores in dir. Stop ends it.
func (r *Rig) Start(t testing.TB, dir string, p *processor.Pipeline) *processor.Instance {
	t.Helper()
	cfg := r.Engine
	cfg.StateDir = dir
	in, err := processor.Start(t.Context(), cfg, p)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// Await waits until something is so.
func (r *Rig) Await(t testing.TB, in *processor.Instance, what string,
	so func(context.Context) (bool, error),
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		ok, err := so(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			return
		}
		select {
		case <-in.Done():
			t.Fatal(errors.Join(errors.New("the instance ended"), in.Wait()))
		case <-ctx.Done():
			t.Fatalf("waited %v for %s", patience, what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Committed tells whether the group has committed the ends of all inputs.
func (r *Rig) Committed(ctx context.Context) (bool, error) {
	lag, err := r.Kafka.Lag(ctx, r.inputs...)
	return lag == 0, err
}

// Stop ends the instance, and gives the oracle's word on what it left.
func (r *Rig) Stop(t testing.TB, in *processor.Instance, spec verify.Spec) *verify.Report {
	t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Check(t.Context(), verify.Options{Spec: spec, ApplicationID: appID,
		Source: r.Kafka, Registry: r.Registry})
	if err != nil {
		t.Fatal(err)
	}
	return report
}

// Drain runs one instance until all input is committed, and until what else there is to wait for,
// and gives the oracle's word on what it left.
func (r *Rig) Drain(t testing.TB, dir string, p *processor.Pipeline, spec verify.Spec,
	until ...func(context.Context) (bool, error),
) *verify.Report {
	t.Helper()
	in := r.Start(t, dir, p)
	r.Await(t, in, "all input to be committed", r.Committed)
	for _, so := range until {
		r.Await(t, in, "what input led to", so)
	}
	return r.Stop(t, in, spec)
}

// Match wants the oracle to agree with what a run left, and the run to have been a test: with so
// many records in and out and so much state, and with dead letters and late records among them.
func Match(t testing.TB, report *verify.Report, in, out, state int64) {
	t.Helper()
	if report.Oracle != "match" {
		t.Errorf("%+v", report)
	}
	if report.RecordsIn < in || report.RecordsOut < out || report.StateKeys < state ||
		report.DeadLettered == 0 || report.Late == 0 {
		t.Errorf("the run was no test: %+v", report)
	}
}

// Holds tells whether every partition of the topics has a committed record.
func (r *Rig) Holds(topics ...string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		for _, topic := range topics {
			bounds, err := r.Kafka.Bounds(ctx, topic)
			if err != nil || len(bounds) == 0 {
				return false, err
			}
			for _, b := range bounds {
				if b.To <= b.From {
					return false, nil
				}
			}
		}
		return true, nil
	}
}

// Values reads the committed values of a topic, one partition after the other; none when there is
// no such topic.
func Values[V any](t testing.TB, r *Rig, topic string, typ schemas.Type[V]) []V {
	t.Helper()
	ctx := t.Context()
	bounds, err := r.Kafka.Bounds(ctx, topic)
	if err != nil {
		t.Fatal(err)
	}
	resolver := schemas.NewResolver(r.Registry)
	dec := schemas.NewDecoder(typ, resolver)
	var all []V
	for p, b := range bounds {
		log, err := r.Kafka.Open(ctx, topic, int32(p), b)
		if err != nil {
			t.Fatal(err)
		}
		for rec, err := log.Next(ctx); err != io.EOF; rec, err = log.Next(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			var v V
			exception, err := verify.Read(ctx, resolver, dec, rec.Value, &v)
			if err != nil || exception != "" {
				t.Fatalf("%s-%d holds a value that cannot be read: %s %v", topic, p, exception, err)
			}
			all = append(all, v)
		}
		log.Close()
	}
	return all
}
