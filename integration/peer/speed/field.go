//go:build unix

package speed

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/integration/harness/servers"
	"pawl/internal/loadgen"
	"pawl/internal/verify"
	"pawl/pipelines/fraud"
	"pawl/schemas"
	schema "pawl/schemas/fraud"
)

// Prefixes of the two inputs' names, and of what Pawl writes when it reads them.
const (
	bulk  = "bulk-"
	paced = "paced-"
)

// field is where the contest takes place: a broker and a registry of its own, and the input.
type field struct {
	options  Options
	dir      string
	kafka    *servers.Cluster
	apicurio *servers.Registry
	registry schemas.Registry
	client   *kgo.Client
	adm      *kadm.Client
	decision int32  // schema id of decisions
	truth    *truth // of the bulk topic
}

// openField starts the servers.
func openField(ctx context.Context, o Options) (*field, error) {
	dir, err := os.MkdirTemp(o.Dir, "pawl-peers-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the contest: %w", err)
	}
	f := &field{options: o, dir: dir}
	if err := f.open(ctx); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *field) open(ctx context.Context) (err error) {
	if f.kafka, err = servers.StartKafka(ctx, filepath.Join(f.dir, "kafka"),
		servers.KafkaOptions{JVM: f.options.jvm}); err != nil {
		return err
	}
	if f.apicurio, err = servers.StartRegistry(ctx, f.dir); err != nil {
		return err
	}
	f.registry = schemas.NewClient(schemas.ClientConfig{URL: f.apicurio.URL()})
	f.decision, err = schemas.Bind(ctx, f.registry, schemas.NewResolver(f.registry),
		"decisions-value", schema.DecisionType().String(), true)
	if err != nil {
		return err
	}
	// Topics come and go.
	if f.client, err = kgo.NewClient(append(f.brokers(),
		kgo.MetadataMinAge(100*time.Millisecond))...); err != nil {
		return fmt.Errorf("connect to %s: %w", f.kafka.Bootstrap(), err)
	}
	f.adm = kadm.NewClient(f.client)
	return nil
}

// close ends the servers and removes all they kept.
func (f *field) close() {
	if f.client != nil {
		f.client.Close()
	}
	if f.apicurio != nil {
		f.apicurio.Close()
	}
	if f.kafka != nil {
		f.kafka.Close()
	}
	if err := os.RemoveAll(f.dir); err != nil {
		f.told("%v", err)
	}
}

func (f *field) told(format string, args ...any) {
	if f.options.Told != nil {
		f.options.Told(fmt.Sprintf(format, args...))
	}
}

// brokers leads a client to the broker.
func (f *field) brokers() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(strings.Split(f.kafka.Bootstrap(), ",")...)}
}

// brokerCPU is the processor time of the broker so far.
func (f *field) brokerCPU() (time.Duration, error) {
	proc, err := f.kafka.Process(1)
	if err != nil {
		return 0, err
	}
	return proc.CPUTime()
}

// source is the broker for whoever verifies.
func (f *field) source(group string) (*verify.Kafka, error) {
	return verify.NewKafka(group, f.brokers()...)
}

// createTopic makes a topic that takes records of any time, and keeps them, and waits until it can
// be used.
func (f *field) createTopic(ctx context.Context, name string) error {
	forever, always := "-1", strconv.FormatInt(math.MaxInt64, 10)
	config := map[string]*string{"retention.ms": &forever,
		"message.timestamp.after.max.ms": &always}
	_, err := f.adm.CreateTopic(ctx, int32(f.options.Partitions), 1, config, name)
	for err == nil {
		if _, err = f.outputs(ctx, name); err == nil {
			return nil
		}
		if errors.Is(err, kerr.UnknownTopicOrPartition) ||
			errors.Is(err, kerr.LeaderNotAvailable) || errors.Is(err, kerr.NotLeaderForPartition) {
			err = pause(ctx)
		}
	}
	return fmt.Errorf("create topic %s: %w", name, err)
}

// clear deletes all topics but Kafka's own and the bulk input, and waits until they are gone.
func (f *field) clear(ctx context.Context) error {
	for {
		topics, err := f.adm.ListTopics(ctx)
		if err != nil {
			return fmt.Errorf("list topics: %w", err)
		}
		names := slices.DeleteFunc(topics.Names(), func(name string) bool {
			return name == bulk+fraud.Transactions
		})
		if len(names) == 0 {
			return nil
		}
		deleted, err := f.adm.DeleteTopics(ctx, names...)
		if err == nil {
			err = deleted.Error()
		}
		if err != nil && !errors.Is(err, kerr.UnknownTopicOrPartition) {
			return fmt.Errorf("delete topics %s: %w", strings.Join(names, ", "), err)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("topics %s are not gone: %w", strings.Join(names, ", "), err)
		}
	}
}

// pollEvery is how often the broker and the contestant are looked at.
const pollEvery = 20 * time.Millisecond

// pause waits between two looks.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(pollEvery):
		return nil
	}
}

// load is the seeded input: sound transactions, some out of order, no limits of users' own. None
// are too late where all have to be answered.
func (f *field) load(seed uint64, start time.Time, rate float64, late bool) *fraud.Generator {
	cfg := fraud.LoadConfig{Pipeline: rules(), Seed: seed, Users: f.options.Users, Start: start,
		Rate: rate, Poison: -1, LimitsEvery: -1}
	if !late {
		cfg.Late = -1
	}
	return fraud.NewGenerator(cfg)
}

// preload fills an input with events whose times end about now.
func (f *field) preload(ctx context.Context, topic string, seed uint64, count int64,
	late bool) error {
	pace := f.options.Pace
	start := time.Now().Add(-time.Duration(float64(count) / pace * float64(time.Second)))
	_, err := loadgen.Run(ctx, loadgen.Config{Generator: f.load(seed, start, pace, late),
		Options: f.brokers(), Registry: f.registry, SubjectStrategy: schemas.TopicName,
		Rename: map[string]string{fraud.Transactions: topic,
			fraud.LimitsTopic: strings.TrimSuffix(topic, fraud.Transactions) + fraud.LimitsTopic},
		Count: count})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("load %s: %w", topic, err)
	}
	return nil
}

// outputs is how many offsets of a topic a read_committed reader has before it, markers included.
func (f *field) outputs(ctx context.Context, topic string) (int64, error) {
	ends, err := f.adm.ListCommittedOffsets(ctx, topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return 0, fmt.Errorf("end offsets of %s: %w", topic, err)
	}
	var sum int64
	ends.Each(func(o kadm.ListedOffset) { sum += o.Offset })
	return sum, nil
}
