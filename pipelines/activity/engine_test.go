package activity_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/processor"
	"pawl/schemas"
)

// rig is a broker and a registry in the process, with the pipeline's input topic.
type rig struct {
	opts     []kgo.Opt
	addrs    []string
	registry *schemas.Memory
	kafka    *verify.Kafka
	cfg      activity.Config
	idle     time.Duration // idle.timeout; 0 for the default
}

func newRig(t *testing.T, cfg activity.Config, partitions int32) *rig {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, activity.UserEvents),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	r := &rig{opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}, addrs: c.ListenAddrs(),
		registry: schemas.NewMemory(), cfg: cfg}
	if r.kafka, err = verify.NewKafka("rig", r.opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.kafka.Close)
	return r
}

// produce sends count events.
func (r *rig) produce(t *testing.T, load activity.LoadConfig, count int64) {
	t.Helper()
	load.Pipeline = r.cfg
	_, err := loadgen.Run(t.Context(), loadgen.Config{
		Generator: activity.NewGenerator(load), Options: r.opts, Registry: r.registry,
		Count: count})
	if err != nil {
		t.Fatal(err)
	}
}

// send produces records written as in testdata/oracle.txt to the only partition.
func (r *rig) send(t *testing.T, lines ...string) {
	t.Helper()
	events := encoder(t, r.registry, schemas.NewResolver(r.registry))
	cl, err := kgo.NewClient(append(r.opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for _, line := range lines {
		in := input(t, events, line)
		err := cl.ProduceSync(t.Context(), &kgo.Record{Topic: in.Topic, Key: in.Key,
			Value: in.Value, Timestamp: time.UnixMilli(in.Timestamp)}).FirstErr()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// judged is a model that counts what it says.
type judged struct {
	verify.Model
	fates map[verify.Fate]int64
}

func (j judged) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	out, err := j.Model.Feed(ctx, in)
	j.fates[out.Fate]++
	return out, err
}

// start runs one instance.
func (r *rig) start(t *testing.T, dir string) *processor.Instance {
	t.Helper()
	in, err := processor.Start(t.Context(), processor.Config{ApplicationID: "rig",
		Brokers: r.addrs, Registry: r.registry, StateDir: dir,
		MaxOutOfOrderness: r.cfg.MaxOutOfOrderness, MaxFutureSkew: r.cfg.MaxFutureSkew,
		CommitInterval: 20 * time.Millisecond, IdleTimeout: r.idle}, activity.New(r.cfg))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

// stop ends the instance, and tells the oracle's word on what it left, with what became of the
// input.
func (r *rig) stop(t *testing.T, in *processor.Instance) (*verify.Report, map[verify.Fate]int64) {
	t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
	fates := make(map[verify.Fate]int64)
	spec := activity.Spec(r.cfg)
	model := spec.NewModel
	spec.NewModel = func(res *schemas.Resolver) verify.Model { return judged{model(res), fates} }
	report, err := verify.Check(t.Context(), verify.Options{Spec: spec, ApplicationID: "rig",
		Source: r.kafka, Registry: r.registry})
	if err != nil {
		t.Fatal(err)
	}
	return report, fates
}

// drain runs one instance until all input is committed.
func (r *rig) drain(t *testing.T, dir string) (*verify.Report, map[verify.Fate]int64) {
	t.Helper()
	in := r.start(t, dir)
	r.await(t, in, "all input to be committed", r.committed)
	return r.stop(t, in)
}

// await waits until something is so.
func (r *rig) await(t *testing.T, in *processor.Instance, what string,
	so func(context.Context) (bool, error),
) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
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
			t.Fatalf("waited a minute for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// committed reports whether the group has committed the ends of the input.
func (r *rig) committed(ctx context.Context) (bool, error) {
	lag, err := r.kafka.Lag(ctx, activity.UserEvents)
	return lag == 0, err
}

// holds reports whether each of the topics has a committed record.
func (r *rig) holds(topics ...string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		for _, topic := range topics {
			bounds, err := r.kafka.Bounds(ctx, topic)
			if err != nil || bounds[0].To == 0 {
				return false, err
			}
		}
		return true, nil
	}
}

// TestPipelineMatchesOracle runs generated load of every kind through the engine.
func TestPipelineMatchesOracle(t *testing.T) {
	loads := map[string]struct {
		cfg  activity.Config
		load activity.LoadConfig
	}{
		"many users": {load: activity.LoadConfig{Users: 2_000, Rate: 30, Poison: 0.01}},
		"few hot users": {load: activity.LoadConfig{Users: 30, Skew: 1.2, Rate: 20,
			Duplicates: 0.3, Disorder: 0.5}},
		"no grace, short memory, every event a batch": {
			cfg: activity.Config{Grace: -1, DedupeHorizon: 20 * time.Second, BatchSize: 1,
				MaxOutOfOrderness: -1},
			load: activity.LoadConfig{Users: 200, Rate: 20, Duplicates: 0.2, Late: 0.05}},
		"grace beyond the windows, no pauses": {
			cfg: activity.Config{Grace: 7 * time.Minute, DedupeHorizon: time.Minute, BatchSize: 7},
			load: activity.LoadConfig{Users: 500, Rate: 20, Straggle: 0.3, Late: 0.02,
				PauseEvery: -1}},
	}
	for name, l := range loads {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, l.cfg, 2)
			const count = 20_000
			l.load.Seed = 5
			l.load.Start = time.Now().Add(-time.Hour)
			r.produce(t, l.load, count)
			report, fates := r.drain(t, t.TempDir())
			if report.Oracle != "match" {
				t.Errorf("%+v", report)
			}
			if report.RecordsIn < count || report.RecordsOut < 500 || report.StateKeys < 100 ||
				report.DeadLettered == 0 || report.Late == 0 || fates[verify.Deduplicated] < 100 {
				t.Errorf("the run was no test: %+v, %v", report, fates)
			}
		})
	}
}

// TestRestartGoesOn stops with windows open, batches begun and ids remembered, and goes on: with
// the same store, with none, and with none again. Each phase sends the same ids; every other one
// does so while they are remembered.
func TestRestartGoesOn(t *testing.T) {
	t.Parallel()
	r := newRig(t, activity.Config{DedupeHorizon: time.Minute, BatchSize: 10}, 2)
	start := time.Now().Add(-time.Hour)
	dir := t.TempDir()
	before := int64(0)
	for phase, seconds := range []time.Duration{0, 40, 160, 200} {
		if phase >= 2 {
			dir = t.TempDir()
		}
		r.produce(t, activity.LoadConfig{Seed: 9, Users: 100, Rate: 20, Duplicates: -1,
			Start: start.Add(seconds * time.Second)}, 2_000)
		report, fates := r.drain(t, dir)
		if report.Oracle != "match" || report.StateKeys < 100 {
			t.Fatalf("phase %d: %+v", phase, report)
		}
		duplicates := fates[verify.Deduplicated] - before
		if again := phase%2 == 1; again != (duplicates > 1_900) || !again && duplicates > 100 {
			t.Errorf("phase %d: %d duplicates in 2000 events", phase, duplicates)
		}
		before += duplicates
	}
}

// TestScriptThroughEngine runs testdata/oracle.txt, whose records stand on every edge there is.
func TestScriptThroughEngine(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/oracle.txt")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(text)) {
		if record, _, ok := strings.Cut(line, "->"); ok && line[0] != '#' {
			lines = append(lines, record)
		}
	}
	r := newRig(t, scriptConfig(), 1)
	r.send(t, lines...)
	report, _ := r.drain(t, t.TempDir())
	if report.Oracle != "match" || report.RecordsIn != int64(len(lines)) || len(lines) < 40 {
		t.Errorf("%d records: %+v", len(lines), report)
	}
}

// TestQuietInputClosesWindows has windows closed by the clock, so that what comes then is late.
func TestQuietInputClosesWindows(t *testing.T) {
	t.Parallel()
	r := newRig(t, activity.Config{Grace: -1, MaxOutOfOrderness: -1}, 1)
	r.idle = 100 * time.Millisecond
	end := time.Now().Add(-time.Hour).Truncate(5 * time.Minute) // of a minute and of five
	event := func(id string, before, value int64) string {
		at := end.UnixMilli() - before
		return fmt.Sprintln(at, "ann", id, at, value)
	}
	in := r.start(t, t.TempDir())
	r.send(t, event("a", 1, 1), event("b", 1_000, 2))
	r.await(t, in, "the windows to close", r.holds(activity.ProcessedEvents,
		activity.UserAggregates))
	r.send(t, event("a", 1, 3), event("c", 1, 4))
	r.await(t, in, "all input to be committed", r.committed)
	report, fates := r.stop(t, in)
	if report.Oracle != "match" {
		t.Errorf("%+v", report)
	}
	if report.RecordsOut != 2 || report.Late != 2 || fates[verify.Processed] != 3 ||
		fates[verify.Deduplicated] != 1 {
		t.Errorf("the run was no test: %+v, %v", report, fates)
	}
}
