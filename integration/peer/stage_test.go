//go:build unix

package peer

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness"
	"pawl/processor"
	"pawl/schemas"
)

var shared harness.Shared

func TestMain(m *testing.M) { os.Exit(shared.Run(m)) }

const (
	linesTopic  = "lines"  // the events as text, for Streams
	eventsTopic = "events" // the events in Avro, for Pawl
)

// stage is a cluster with the input in two topics of one partition.
type stage struct {
	t        *testing.T
	id       string
	brokers  string
	registry schemas.Registry
	client   *kgo.Client
	adm      *kadm.Client
	in       []event
}

func newStage(t *testing.T, in []event) *stage {
	t.Helper()
	s := &stage{t: t, id: harness.ID(t), brokers: shared.Kafka(t).Bootstrap(), in: in,
		registry: schemas.NewMemory()}
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	s.client, s.adm = cl, kadm.NewClient(cl)
	s.topics(linesTopic, eventsTopic)
	s.feed()
	return s
}

// topic is the full name of a topic: names are shared by all tests of a cluster.
func (s *stage) topic(name string) string { return s.id + "." + name }

func (s *stage) topics(names ...string) {
	s.t.Helper()
	for _, name := range names {
		if _, err := s.adm.CreateTopic(s.t.Context(), 1, -1, nil, s.topic(name)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// feed writes the events, in their order, to both inputs.
func (s *stage) feed() {
	s.t.Helper()
	typ := eventType()
	id, err := s.registry.Register(s.t.Context(), s.topic(eventsTopic)+"-value", typ.String())
	if err != nil {
		s.t.Fatal(err)
	}
	enc := schemas.NewEncoder(typ, id)
	var recs []*kgo.Record
	for _, e := range s.in {
		value, err := enc.Append(nil, &e)
		if err != nil {
			s.t.Fatal(err)
		}
		for topic, value := range map[string][]byte{linesTopic: []byte(e.line()),
			eventsTopic: value} {
			recs = append(recs, &kgo.Record{Topic: s.topic(topic), Key: []byte(e.user),
				Value: value, Timestamp: time.UnixMilli(e.at)})
		}
	}
	if err := s.client.ProduceSync(s.t.Context(), recs...).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
}

// streams runs all kinds in one Kafka Streams application, to the input's end.
func (s *stage) streams(lib harness.StreamsLibrary, kinds []kind) {
	s.t.Helper()
	classes := s.t.TempDir()
	javac := exec.Command(lib.Javac, "-Xlint:all", "-Werror", "-proc:none", "-cp", lib.Classpath,
		"-d", classes, "java/Peer.java")
	if out, err := javac.CombinedOutput(); err != nil {
		s.t.Fatalf("%v: %v\n%s", javac, err, out)
	}
	args := []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", classes + ":" + lib.Classpath,
		"Peer", s.brokers, s.id + "-streams", s.t.TempDir(), s.topic(linesTopic)}
	for _, k := range kinds {
		out := "streams-" + k.name
		s.topics(out)
		spec := k.streams + ":" + s.topic(out) + ":"
		for i, d := range k.durations {
			if i > 0 {
				spec += ","
			}
			spec += fmt.Sprint(d.Milliseconds())
		}
		args = append(args, spec)
	}
	proc := harness.Start(s.t, lib.Java, harness.ProcOptions{Name: "Kafka Streams", Args: args})
	if code := proc.Wait(4 * time.Minute); code != 0 {
		s.t.Fatalf("Kafka Streams ended with exit code %d", code)
	}
}

// pawl runs one kind's pipeline to the input's end.
func (s *stage) pawl(t *testing.T, k kind) {
	t.Helper()
	p := processor.New(k.name)
	k.pipeline(p)
	app := s.id + "-" + k.name
	in, err := processor.Start(t.Context(), processor.Config{ApplicationID: app,
		Brokers: []string{s.brokers}, Registry: s.registry, StateDir: t.TempDir(),
		TopicPrefix: s.topic(""), MaxOutOfOrderness: -1, IdleTimeout: -1, MemoryMax: 64 << 20}, p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // so that a failed test leaves nothing running
		in.Stop()
		_ = in.Wait()
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for at := int64(-1); at != int64(len(s.in)); time.Sleep(20 * time.Millisecond) {
		offsets, err := s.adm.FetchOffsets(ctx, app)
		if err != nil {
			t.Fatalf("%s has come to %d of %d: %v", app, at, len(s.in), err)
		}
		if o, ok := offsets.Lookup(s.topic(eventsTopic), 0); ok {
			at = o.At
		}
	}
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
}

// read returns what was committed to a topic.
func (s *stage) read(t *testing.T, name string) []*kgo.Record {
	t.Helper()
	topic := s.topic(name)
	ends, err := s.adm.ListEndOffsets(t.Context(), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		t.Fatal(err)
	}
	end, _ := ends.Lookup(topic, 0)
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.brokers), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.KeepControlRecords(),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var out []*kgo.Record
	for next := int64(0); next < end.Offset; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s from %d to %d: %v", topic, next, end.Offset, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			next = r.Offset + 1
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
		})
	}
	return out
}
