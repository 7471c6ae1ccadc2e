//go:build unix

package processor_test

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/internal/loadgen"
	"pawl/pipelines/activity"
	"pawl/pipelines/fraud"
	"pawl/processor"
	"pawl/schemas"
	eventschema "pawl/schemas/activity"
	txschema "pawl/schemas/fraud"
	"pawl/statestore"
)

// The load of a stage: users who act some three times a minute each, so that windows fill, close
// and are forgotten at the same pace. A round is a minute of event time, in which each stage has
// the same work again; broken records, which are rare and cost much more, there are none.
const (
	standUsers  = 6_000
	standRate   = 300 // events per second of event time
	standRound  = 60 * standRate
	standEpoch  = 2_000 // events: 100 ms at 20,000/s
	standWarmUp = 6     // rounds until all that lasts for standLasts is full
	standLasts  = 5 * time.Minute
	standCache  = 64 << 20
)

var standStart = time.UnixMilli(1_790_000_000_000)

// work is a pipeline with its load.
type work struct {
	name  string
	pipe  func() *processor.Pipeline
	load  func() loadgen.Generator
	plain func(*schemas.Resolver) func(value []byte) error // decodes a value of the main input
}

func works() []work {
	return []work{
		{"fraud", func() *processor.Pipeline { return fraud.New(fraud.Config{Span: standLasts}) },
			func() loadgen.Generator {
				return fraud.NewGenerator(fraud.LoadConfig{Seed: 1, Users: standUsers,
					Pipeline: fraud.Config{Span: standLasts}, Start: standStart,
					Rate: standRate, Poison: -1})
			}, decoding(txschema.TransactionType())},
		{"activity", func() *processor.Pipeline {
			return activity.New(activity.Config{DedupeHorizon: standLasts})
		},
			func() loadgen.Generator {
				return activity.NewGenerator(activity.LoadConfig{Seed: 1, Users: standUsers,
					Pipeline: activity.Config{DedupeHorizon: standLasts}, Start: standStart,
					Rate: standRate, Poison: -1, PauseEvery: -1})
			}, decoding(eventschema.UserEventType())},
	}
}

// stages runs a benchmark for each work.
func stages(b *testing.B, stage func(*testing.B, work)) {
	for _, w := range works() {
		b.Run(w.name, func(b *testing.B) { stage(b, w) })
	}
}

func decoding[V any](t schemas.Type[V]) func(*schemas.Resolver) func([]byte) error {
	return func(r *schemas.Resolver) func([]byte) error {
		dec := schemas.NewDecoder(t, r)
		var v V
		return func(value []byte) error { return dec.Decode(value, &v) }
	}
}

// meter measures one stage while the others run between.
type meter struct {
	b              *testing.B
	events         int
	mallocs, bytes uint64
	cpu            time.Duration
}

func newMeter(b *testing.B) *meter {
	b.ReportAllocs()
	b.StopTimer()
	return &meter{b: b}
}

// measure runs the stage over so many events.
func (m *meter) measure(events int, stage func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	m.b.StartTimer()
	cpu := processorTime(m.b)
	stage()
	m.cpu += processorTime(m.b) - cpu
	m.b.StopTimer()
	runtime.ReadMemStats(&after)
	m.events += events
	m.mallocs += after.Mallocs - before.Mallocs
	m.bytes += after.TotalAlloc - before.TotalAlloc
}

// rounds runs one round after the other and reports what was measured, per event.
func (m *meter) rounds(round func()) {
	m.b.StartTimer() // Loop asks for it
	for m.b.Loop() {
		m.b.StopTimer()
		round()
		m.b.StartTimer()
	}
	m.b.StopTimer()
	per := func(n float64, unit string) { m.b.ReportMetric(n/float64(m.events), unit) }
	per(float64(m.b.Elapsed()), "ns/event")
	per(float64(m.cpu), "cpu-ns/event")
	per(float64(m.bytes), "B/event")
	per(float64(m.mallocs), "allocs/event")
}

// processorTime is what the whole process has used: on a busy machine wall time says little.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// stand is a task on its own disk, without a cluster: each stage of an epoch is a call.
type stand struct {
	b      testing.TB
	app    *processor.Offline
	gen    loadgen.Generator
	task   *processor.OfflineTask
	inputs map[string]int // by topic
	ends   []int64        // of the inputs
	end    int64          // of the changelog
	kept   []*kgo.Record  // the changelog, when keep says so
	keep   bool
}

func newStand(b testing.TB, w work, brokers ...string) *stand {
	b.Helper()
	registry := schemas.NewMemory()
	app, err := processor.NewOffline(processor.Config{ApplicationID: "stand", InstanceID: "1",
		Registry: registry, Brokers: brokers}, 1, w.pipe())
	if err != nil {
		b.Fatal(err)
	}
	s := &stand{b: b, app: app, gen: w.load(), inputs: make(map[string]int), end: 1}
	for i, in := range app.Inputs(0) {
		s.inputs[in.Topic] = i
	}
	s.ends = make([]int64, len(s.inputs))
	ids := make(map[string]int32)
	for _, of := range s.gen.Schemas() {
		ids[of.Topic], _ = app.SchemaID(of.Topic)
	}
	s.gen.Bind(ids)
	return s
}

// disk is an empty store on the machine's disk, and what closes it.
func (s *stand) disk() (*statestore.Pebble, func()) {
	s.b.Helper()
	env := statestore.NewEnv(nil, 64<<20, func(err error) { s.b.Error(err) })
	store, err := env.OpenPebble(s.b.TempDir())
	if err != nil {
		s.b.Fatal(err)
	}
	return store, func() {
		if err := store.Close(); err != nil {
			s.b.Error(err)
		}
		env.Close()
	}
}

// begin opens the task on an empty store and brings it to where a round is like the one before.
func (s *stand) begin() *stand {
	s.empty()
	for range standWarmUp {
		s.round(s.apply)
		s.spill()
	}
	return s
}

// empty opens the task on an empty store.
func (s *stand) empty() *stand {
	s.b.Helper()
	store, done := s.disk()
	s.b.Cleanup(done)
	offsets := slices.Repeat([]int64{-1}, len(s.ends))
	s.task = s.open(store, []*kgo.Record{s.claim(0)}, offsets)
	return s
}

// offsets are where the task stands in its inputs.
func (s *stand) offsets() []int64 {
	var all []int64
	for _, in := range s.task.Position().Inputs {
		all = append(all, in.Offset)
	}
	return all
}

func (s *stand) claim(offset int64) *kgo.Record {
	claim, err := s.app.Claim(0)
	if err != nil {
		s.b.Fatal(err)
	}
	claim.Offset = offset
	return claim
}

func (s *stand) open(store statestore.Store, changelog []*kgo.Record,
	offsets []int64) *processor.OfflineTask {
	task, err := s.app.Open(0, store, processor.OfflineLogs{Changelog: changelog,
		Offsets: offsets, Ends: s.ends})
	if err != nil {
		s.b.Fatal(err)
	}
	return task
}

// round takes a round's events up to the seal, epoch by epoch; share has each epoch after that.
func (s *stand) round(share func(*processor.Effects)) {
	for range standRound / standEpoch {
		s.fetch(standEpoch)
		s.step()
		share(s.seal())
	}
}

// fetch has the task hold so many more events.
func (s *stand) fetch(events int) {
	batches := make([][]*kgo.Record, len(s.ends))
	for _, r := range s.next(events) {
		i := s.inputs[r.Topic]
		r.Offset = s.ends[i]
		s.ends[i]++
		batches[i] = append(batches[i], r)
	}
	for i, recs := range batches {
		s.task.Feed(i, recs, s.ends[i])
	}
}

// next are so many more records of the load.
func (s *stand) next(n int) []*kgo.Record {
	recs := make([]*kgo.Record, n)
	for i := range recs {
		r := s.gen.Next()
		recs[i] = &kgo.Record{Topic: r.Topic, Key: r.Key, Value: r.Value,
			Timestamp: time.UnixMilli(r.Timestamp)}
	}
	return recs
}

// values are those of the first input among so many more records.
func (s *stand) values(n int) [][]byte {
	var values [][]byte
	for _, r := range s.next(n) {
		if s.inputs[r.Topic] == 0 {
			values = append(values, r.Value)
		}
	}
	return values
}

// step takes all that was fetched through the pipeline.
func (s *stand) step() {
	for {
		more, err := s.task.Step()
		if err != nil {
			s.b.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (s *stand) seal() *processor.Effects {
	share, err := s.task.Seal()
	if err != nil || share == nil {
		s.b.Fatalf("an epoch was sealed to %v: %v", share, err)
	}
	return share
}

// apply brings a committed epoch into the store.
func (s *stand) apply(share *processor.Effects) {
	if s.keep {
		_, changelog := s.task.Records(share)
		for i, r := range changelog {
			s.kept = append(s.kept, &kgo.Record{Topic: r.Topic, Key: slices.Clone(r.Key),
				Value: slices.Clone(r.Value), Offset: s.end + int64(i), Timestamp: standStart})
		}
	}
	s.end += int64(len(share.Changes)) + 1
	if err := s.task.Apply(share, s.end-1, standCache); err != nil {
		s.b.Fatal(err)
	}
}

// spill hands what was applied on to Pebble, which brings it to disk when it has enough.
func (s *stand) spill() {
	if err := s.task.Store().Spill(); err != nil {
		s.b.Fatal(err)
	}
}

// flush has all that was applied on disk.
func (s *stand) flush() {
	if err := s.task.Store().Flush(); err != nil {
		s.b.Fatal(err)
	}
}

// sink is a broker that has the topics, and takes records and the ends of transactions without
// doing anything about them.
func sink(b testing.TB, topics []processor.TopicPlan) []string {
	b.Helper()
	var names []string
	for _, t := range topics {
		names = append(names, t.Name)
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, names...))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	c.ControlKey(kmsg.Produce.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		return taken(req.(*kmsg.ProduceRequest)), nil, true
	})
	c.ControlKey(kmsg.EndTxn.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		req := r.(*kmsg.EndTxnRequest)
		resp := req.ResponseKind().(*kmsg.EndTxnResponse)
		resp.ProducerID, resp.ProducerEpoch = req.ProducerID, req.ProducerEpoch
		return resp, nil, true
	})
	return c.ListenAddrs()
}

// taken acknowledges all that a request holds.
func taken(req *kmsg.ProduceRequest) *kmsg.ProduceResponse {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range req.Topics {
		answer := kmsg.NewProduceResponseTopic()
		answer.Topic, answer.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			part := kmsg.NewProduceResponseTopicPartition()
			part.Partition = p.Partition
			answer.Partitions = append(answer.Partitions, part)
		}
		resp.Topics = append(resp.Topics, answer)
	}
	return resp
}
