//go:build unix

package processortest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/internal/law"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

// What an instance under Chaos runs with, unless it says else: short times, so that much happens.
const (
	chaosSession     = 2 * time.Second
	chaosTransaction = 5 * time.Second
	chaosIdle        = time.Second
	chaosMemory      = 128 << 20

	drainLimit = 90 * time.Second // for what is left when nothing goes wrong any more
	stopLimit  = 30 * time.Second
)

// stage is a cluster with a pipeline's input on it.
type stage struct {
	t       testing.TB
	set     settings
	app     *processor.Offline // encodes, and knows the topics
	cluster *embedded.Cluster
	client  *kgo.Client
	source  *verify.Kafka
	inputs  []string
	kinds   map[string]string
}

// havoc plays an instance in a child, and in the test everything else.
func havoc(t testing.TB, set settings, pipeline func() *processor.Pipeline, records []Record) {
	t.Helper()
	e := &set.engine
	e.SessionTimeout, e.TransactionTimeout = chaosSession, chaosTransaction
	e.IdleTimeout, e.MemoryMax = chaosIdle, chaosMemory
	if r := given(t); r != nil {
		if r.Test == t.Name() {
			r.play(set.engine, pipeline)
		}
		return // the instance of another test, which comes on the way to it
	}
	if testing.Short() {
		t.Skipf("Chaos takes %v and more; run it without -short", set.duration)
	}
	if len(records) == 0 {
		t.Fatal("Chaos needs records; without any nothing can be lost")
	}
	s := newStage(t, set, pipeline)
	p := newPlay(s, records)
	defer p.kill()
	p.run()
	s.drain(p)
	p.stop()
	s.judge(pipeline, p)
}

// newStage starts the cluster and creates the input topics.
func newStage(t testing.TB, set settings, pipeline func() *processor.Pipeline) *stage {
	t.Helper()
	s := &stage{t: t, kinds: make(map[string]string)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := savedRegistry(t, set.engine.Registry)
	must(err)
	s.cluster, err = embedded.Start(t.Context(), embedded.Config{DataDir: dir,
		SessionTimeoutMin: chaosSession})
	must(err)
	t.Cleanup(s.cluster.Close)
	set.engine.Registry = schemas.NewClient(schemas.ClientConfig{URL: s.cluster.RegistryURL()})
	s.set = set
	s.app, err = processor.NewOffline(set.engine, set.partitions, pipeline())
	must(err)
	s.client, err = kgo.NewClient(kgo.SeedBrokers(s.cluster.Addr()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	must(err)
	t.Cleanup(s.client.Close)
	s.source, err = verify.NewKafka(set.engine.ApplicationID, kgo.SeedBrokers(s.cluster.Addr()))
	must(err)
	t.Cleanup(s.source.Close)
	for _, topic := range s.app.Topics() {
		s.kinds[topic.Name] = topic.Kind
		if topic.Kind != processor.TopicInput && topic.Kind != processor.TopicTable {
			continue
		}
		s.inputs = append(s.inputs, topic.Name)
		configs := make(map[string]*string)
		for key, value := range topic.Configs {
			configs[key] = &value
		}
		_, err := kadm.NewClient(s.client).CreateTopic(t.Context(), int32(set.partitions), 1,
			configs, topic.Name)
		must(err)
	}
	return s
}

// savedRegistry is a data directory whose registry has the schemas of a test's own under their
// ids; "" when there are none.
func savedRegistry(t testing.TB, from schemas.Registry) (dir string, err error) {
	memory, ok := from.(*schemas.Memory)
	if !ok || len(memory.Subjects()) == 0 {
		return "", nil
	}
	text, err := json.Marshal(memory)
	if err != nil {
		return "", err
	}
	dir = t.TempDir()
	return dir, os.WriteFile(filepath.Join(dir, "registry.json"), text, 0o644)
}

// send sends records evenly over a time, and waits until the broker has all of them.
func (s *stage) send(ctx context.Context, records []Record, over time.Duration) error {
	const ahead = 5 * time.Millisecond
	began := time.Now()
	failed := make(chan error, 1)
	for i, r := range records {
		due := time.Duration(float64(over) * float64(i) / float64(len(records)))
		if early := due - time.Since(began); early > ahead {
			select {
			case <-time.After(early):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		rec, err := encode(s.app, r)
		if err == nil && s.kinds[r.Topic] != processor.TopicInput &&
			s.kinds[r.Topic] != processor.TopicTable {
			err = fmt.Errorf("%s is no input of the pipeline; its inputs are %v", r.Topic, s.inputs)
		}
		if err != nil {
			return fmt.Errorf("record %d: %w", i, err)
		}
		if rec.Key != nil {
			rec.Partition = s.app.Partition(rec.Topic, rec.Key)
		}
		s.client.Produce(ctx, rec, func(_ *kgo.Record, err error) {
			if err != nil {
				select {
				case failed <- fmt.Errorf("send record %d: %w", i, err):
				default:
				}
			}
		})
	}
	if err := s.client.Flush(ctx); err != nil {
		return err
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// head is how many records stand before the first one of a stream: what tables hold at the start.
func (s *stage) head(records []Record) int {
	for i, r := range records {
		if s.kinds[r.Topic] == processor.TopicInput {
			return i
		}
	}
	return len(records)
}

// drain waits until the group has committed all input.
func (s *stage) drain(p *play) {
	s.t.Helper()
	for began := time.Now(); ; {
		lag, err := s.source.Lag(s.t.Context(), s.inputs...)
		if err == nil && lag == 0 {
			return
		}
		if time.Since(began) > drainLimit {
			s.t.Fatalf("%d records are not processed %v after the last fault (%v)\n%s", lag,
				drainLimit, err, p.story())
		}
		p.keep()
		time.Sleep(50 * time.Millisecond)
	}
}

// judge compares what is in Kafka with the undisturbed pass.
func (s *stage) judge(pipeline func() *processor.Pipeline, p *play) {
	s.t.Helper()
	spec, err := law.Spec(pipeline, s.set.engine)
	if err != nil {
		s.t.Fatal(err)
	}
	report, err := verify.Check(s.t.Context(), verify.Options{Spec: spec, Source: s.source,
		ApplicationID: s.set.engine.ApplicationID, Registry: s.set.engine.Registry})
	if err != nil {
		s.t.Fatal(errors.Join(err, errors.New(p.story())))
	}
	if report.Oracle != "match" {
		text := ""
		for _, e := range report.Examples {
			text += e.String() + "\n"
		}
		s.t.Fatalf("seed %d: not what one undisturbed pass leaves: %d missing, %d extra, %d "+
			"different, %d of state, %d of the ledger\n%s%s", p.seed, report.Missing, report.Extra,
			report.Different, report.StateDifferent, report.LedgerDifferent, text, p.story())
	}
	s.t.Logf("seed %d: %s: %d records in, %d out, %d dead, %d late, %d state keys: as in one "+
		"undisturbed pass", p.seed, p.counted(), report.RecordsIn, report.RecordsOut,
		report.DeadLettered, report.Late, report.StateKeys)
}
