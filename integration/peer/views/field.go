//go:build unix

package views

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
	"pawl/schemas"
)

// field is where the contest takes place: a broker and a registry, and a folder.
type field struct {
	options  Options
	dir      string
	kafka    *servers.Cluster // nil when the options give one
	apicurio *servers.Registry
	brokers  string
	url      string // of the registry
	registry schemas.Registry
	client   *kgo.Client
	adm      *kadm.Client
	prefix   string // of the names of all topics and ids
}

// openField starts the servers, or connects to those of the options.
func openField(ctx context.Context, o Options) (f *field, err error) {
	dir, err := os.MkdirTemp(o.Dir, "pawl-views-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the contest: %w", err)
	}
	f = &field{options: o, dir: dir, prefix: filepath.Base(dir) + "-", brokers: o.Kafka,
		url: o.Registry}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if o.Kafka == "" {
		if err := f.serve(ctx); err != nil {
			return nil, err
		}
	}
	f.registry = schemas.NewClient(schemas.ClientConfig{URL: f.url})
	if f.client, err = kgo.NewClient(f.seeds()...); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", f.brokers, err)
	}
	f.adm = kadm.NewClient(f.client)
	return f, nil
}

func (f *field) serve(ctx context.Context) (err error) {
	f.kafka, err = servers.StartKafka(ctx, filepath.Join(f.dir, "kafka"), servers.KafkaOptions{})
	if err != nil {
		return err
	}
	f.brokers = f.kafka.Bootstrap()
	if f.apicurio, err = servers.StartRegistry(ctx, f.dir); err != nil {
		return err
	}
	f.url = f.apicurio.URL()
	return nil
}

// close ends the servers and removes all they kept; of a cluster that was given, the topics and
// groups.
func (f *field) close() {
	if f.client != nil {
		if f.kafka == nil {
			// The contest's context may have ended, yet nothing may stay behind.
			ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
			if err := errors.Join(f.clear(ctx, nil), f.dropGroups(ctx)); err != nil {
				f.told("%v", err)
			}
			cancel()
		}
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

// seeds lead a client to the broker.
func (f *field) seeds() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(strings.Split(f.brokers, ",")...)}
}

// brokerCPU is the processor time of the broker so far; nothing is known of one that was given.
func (f *field) brokerCPU() (time.Duration, error) {
	if f.kafka == nil {
		return 0, nil
	}
	proc, err := f.kafka.Process(1)
	if err != nil {
		return 0, err
	}
	return proc.CPUTime()
}

// source is the broker for whoever compares.
func (f *field) source(group string) (*verify.Kafka, error) {
	return verify.NewKafka(group, f.seeds()...)
}

// register makes a schema known under a topic's subject, and gives its id.
func (f *field) register(ctx context.Context, topic, text string) (int32, error) {
	return schemas.Bind(ctx, f.registry, schemas.NewResolver(f.registry), topic+"-value", text,
		true)
}

// createTopics makes topics that take records of any time, and keep them.
func (f *field) createTopics(ctx context.Context, names ...string) error {
	forever, always := "-1", strconv.FormatInt(math.MaxInt64, 10)
	config := map[string]*string{"retention.ms": &forever,
		"message.timestamp.after.max.ms": &always}
	for _, name := range names {
		_, err := f.adm.CreateTopic(ctx, int32(f.options.Partitions), -1, config, name)
		if err != nil {
			return fmt.Errorf("create topic %s: %w", name, err)
		}
	}
	return nil
}

// clear deletes all topics of the contest but those named, and waits until they are gone.
func (f *field) clear(ctx context.Context, but []string) error {
	for {
		topics, err := f.adm.ListTopics(ctx)
		if err != nil {
			return fmt.Errorf("list topics: %w", err)
		}
		names := slices.DeleteFunc(topics.Names(), func(name string) bool {
			return !strings.HasPrefix(name, f.prefix) || slices.Contains(but, name)
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

// dropGroups deletes the groups of the contest.
func (f *field) dropGroups(ctx context.Context) error {
	groups, err := f.adm.ListGroups(ctx)
	if err != nil {
		return fmt.Errorf("list groups: %w", err)
	}
	names := slices.DeleteFunc(groups.Groups(), func(name string) bool {
		return !strings.HasPrefix(name, f.prefix)
	})
	if len(names) == 0 {
		return nil
	}
	deleted, err := f.adm.DeleteGroups(ctx, names...)
	if err == nil {
		err = deleted.Error()
	}
	if err != nil {
		return fmt.Errorf("delete groups %s: %w", strings.Join(names, ", "), err)
	}
	return nil
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

// arena is one pipeline's place on the field: its input is loaded.
type arena struct {
	*field
	view
	prefix  string   // of the pipeline's topics
	topics  []string // the inputs, as they are named on the broker
	records int64    // in them
	truth   *truth
}

// preload fills the inputs of a pipeline, with times that end about now, and asks the oracle.
func (f *field) preload(ctx context.Context, v view) (*arena, error) {
	a := &arena{field: f, view: v, prefix: f.prefix + v.name + "-"}
	rename := map[string]string{}
	for _, in := range v.inputs() {
		rename[in] = a.prefix + in
		a.topics = append(a.topics, a.prefix+in)
	}
	if err := f.createTopics(ctx, a.topics...); err != nil {
		return nil, err
	}
	o := &f.options
	start := time.Now().Add(-time.Duration(float64(o.Events) / o.Pace * float64(time.Second)))
	generator := v.load(o, start)
	for _, s := range generator.Schemas() { // of an output too, whose values are poison
		if _, ok := rename[s.Topic]; !ok {
			rename[s.Topic] = a.prefix + s.Topic
		}
	}
	loaded, err := loadgen.Run(ctx, loadgen.Config{Generator: generator, Options: f.seeds(),
		Registry: f.registry, SubjectStrategy: schemas.TopicName, Rename: rename, Count: o.Events})
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("load the input of %s: %w", v.name, err)
	}
	for _, n := range loaded.Topics {
		a.records += n
	}
	a.truth, err = a.findTruth(ctx)
	return a, err
}
