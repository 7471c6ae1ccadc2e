package processor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is the input of the counting pipeline: the running count per key is emitted per record.
type event struct {
	Key string `avro:"key"`
	N   int64  `avro:"n"`
}

const eventSchema = `{"type":"record","name":"Event","namespace":"test","fields":[
	{"name":"key","type":"string"},{"name":"n","type":"long"}]}`

// counting emits, per event, its key's running sum. Handlers may be replaced by a test.
func counting(handle func(ctx *processor.Context, e event, sum int64) error) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	sums := processor.Keyed(p, "sums", typ)
	out := processor.Output(p, "out", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		s, _ := sums.Get(ctx)
		if handle != nil {
			if err := handle(ctx, e, s.N); err != nil {
				return err
			}
		}
		s.Key = e.Key
		s.N += e.N
		sums.Set(ctx, s)
		out.Emit(ctx, e.Key, s)
		return nil
	})
	return p
}

// bed is a cluster with the counting pipeline's input.
type bed struct {
	t        *testing.T
	cluster  *embedded.Cluster
	registry schemas.Registry
	resolver *schemas.Resolver // of what is read back
	client   *kgo.Client       // partitions by key
	manual   *kgo.Client       // partitions as the record says
	adm      *kadm.Client
	dir      string
}

func newBed(t *testing.T, partitions int32, options ...kfake.Opt) *bed {
	t.Helper()
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second,
		Options: options})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	watchJoins(cluster.Kafka())
	b := &bed{t: t, cluster: cluster, dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	b.resolver = schemas.NewResolver(b.registry)
	b.client = b.newClient()
	b.manual = b.newClient(kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(24<<20))
	b.adm = kadm.NewClient(b.client)
	b.topic("in", partitions, nil)
	return b
}

func (b *bed) newClient(opts ...kgo.Opt) *kgo.Client {
	b.t.Helper()
	cl, err := kgo.NewClient(append(opts, kgo.SeedBrokers(b.cluster.Addr()))...)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(cl.Close)
	return cl
}

func (b *bed) topic(name string, partitions int32, configs map[string]*string) {
	b.t.Helper()
	if _, err := b.adm.CreateTopic(b.t.Context(), partitions, 1, configs, name); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) config(name string) processor.Config {
	log := func(format string, args ...any) {
		b.t.Logf("%s %s: %s", time.Now().Format("05.000"), name, fmt.Sprintf(format, args...))
	}
	return processor.Config{ApplicationID: "app", InstanceID: name,
		Brokers: []string{b.cluster.Addr()}, Registry: b.registry, StateDir: b.dir + "/" + name,
		SessionTimeout: 2 * time.Second,
		Listeners: []processor.Listener{{
			Notice:       func(s string) { log("%s", s) },
			TaskState:    func(i processor.TaskStateInfo) { log("%+v", i) },
			EpochAborted: func(i processor.AbortInfo) { log("aborted: %+v", i) },
		}}}
}

// value is e in wire format.
func (b *bed) value(e event) []byte {
	b.t.Helper()
	return encode(b, "in-value", schemas.Avro[event](eventSchema), e)
}

// encode writes v as a producer would: its schema registered under the subject.
func encode[V any](b *bed, subject string, typ schemas.Type[V], v V) []byte {
	b.t.Helper()
	id, err := b.registry.Register(b.t.Context(), subject, typ.String())
	if err != nil {
		b.t.Fatal(err)
	}
	value, err := schemas.NewEncoder(typ, id).Append(nil, &v)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

// produce writes n events over the given number of keys.
func (b *bed) produce(n, keys int) {
	b.t.Helper()
	values := make([][]byte, keys)
	var recs []*kgo.Record
	for i := range n {
		key := fmt.Sprintf("k%d", i%keys)
		if values[i%keys] == nil {
			values[i%keys] = b.value(event{Key: key, N: 1})
		}
		recs = append(recs, &kgo.Record{Topic: "in", Key: []byte(key), Value: values[i%keys]})
	}
	if err := b.client.ProduceSync(b.t.Context(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// put writes records to the partitions they name, in order.
func (b *bed) put(recs ...*kgo.Record) {
	b.t.Helper()
	if err := b.manual.ProduceSync(b.t.Context(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) start(name string, p *processor.Pipeline) *processor.Instance {
	b.t.Helper()
	return b.startWith(b.config(name), p)
}

func (b *bed) startWith(cfg processor.Config, p *processor.Pipeline) *processor.Instance {
	b.t.Helper()
	in, err := processor.Start(b.t.Context(), cfg, p)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(in.Crash) // so that a failed test leaves nothing running
	return in
}

func stop(t *testing.T, in *processor.Instance) {
	t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
}
