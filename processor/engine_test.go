package processor_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

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
	client   *kgo.Client
	adm      *kadm.Client
	dir      string
}

func newBed(t *testing.T, partitions int32) *bed {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t, goleak.IgnoreCurrent()) })
	cluster, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, cluster: cluster, client: cl, adm: kadm.NewClient(cl), dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})}
	t.Cleanup(func() { cl.Close(); cluster.Close() })
	if _, err := b.adm.CreateTopic(t.Context(), partitions, 1, nil, "in"); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bed) config(name string) processor.Config {
	return processor.Config{ApplicationID: "app", InstanceID: name, Brokers: []string{b.cluster.Addr()},
		Registry: b.registry, StateDir: b.dir + "/" + name, SessionTimeout: 2 * time.Second,
		Listeners: []processor.Listener{{
			Notice:    func(s string) { b.t.Logf("%s %s: %s", time.Now().Format("05.000"), name, s) },
			TaskState: func(i processor.TaskStateInfo) { b.t.Logf("%s %s: %+v", time.Now().Format("05.000"), name, i) },
			EpochAborted: func(i processor.AbortInfo) {
				b.t.Logf("%s: aborted: %+v", name, i)
			},
		}}}
}

// produce writes n events over the given number of keys.
func (b *bed) produce(n, keys int) {
	b.t.Helper()
	typ := schemas.Avro[event](eventSchema)
	id, err := b.registry.Register(b.t.Context(), "in-value", typ.String())
	if err != nil {
		b.t.Fatal(err)
	}
	enc := schemas.NewEncoder(typ, id)
	var recs []*kgo.Record
	for i := range n {
		e := event{Key: fmt.Sprintf("k%d", i%keys), N: 1}
		v, err := enc.Append(nil, &e)
		if err != nil {
			b.t.Fatal(err)
		}
		recs = append(recs, &kgo.Record{Topic: "in", Key: []byte(e.Key), Value: v})
	}
	if err := b.client.ProduceSync(b.t.Context(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// outputs reads n committed outputs and checks that each key counts up by one from 1.
func (b *bed) outputs(n int) {
	b.t.Helper()
	cl, err := kgo.NewClient(kgo.SeedBrokers(b.cluster.Addr()), kgo.ConsumeTopics("out"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond))
	if err != nil {
		b.t.Fatal(err)
	}
	defer cl.Close()
	r := schemas.NewResolver(b.registry)
	typ := schemas.Avro[event](eventSchema)
	dec := schemas.NewDecoder(typ, r)
	last := make(map[string]int64)
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	defer cancel()
	for got := 0; got < n; {
		fetches := cl.PollFetches(ctx)
		if ctx.Err() != nil {
			b.t.Fatalf("%d of %d outputs", got, n)
		}
		fetches.EachRecord(func(rec *kgo.Record) {
			got++
			var e event
			id, _, _ := schemas.ParseHeader(rec.Value)
			if _, ok := r.Cached(id); !ok {
				if err := r.Fetch(ctx, id); err != nil {
					b.t.Fatal(err)
				}
			}
			if err := dec.Decode(rec.Value, &e); err != nil {
				b.t.Fatal(err)
			}
			if e.N != last[e.Key]+1 {
				b.t.Fatalf("key %s: %d after %d", e.Key, e.N, last[e.Key])
			}
			last[e.Key] = e.N
		})
	}
}

func (b *bed) start(name string, p *processor.Pipeline) *processor.Instance {
	b.t.Helper()
	in, err := processor.Start(b.t.Context(), b.config(name), p)
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

func stop(t *testing.T, in *processor.Instance) {
	t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestCountsOnceAcrossRestarts(t *testing.T) {
	b := newBed(t, 4)
	b.produce(1000, 10)
	in := b.start("a", counting(nil))
	b.outputs(1000)
	stop(t, in)
	b.produce(1000, 10)
	in = b.start("a", counting(nil))
	b.outputs(2000)
	stop(t, in)
}

func TestCrashLosesAndRepeatsNothing(t *testing.T) {
	b := newBed(t, 4)
	total := 0
	for range 5 {
		b.produce(2000, 10)
		total += 2000
		in := b.start("a", counting(nil))
		time.Sleep(300 * time.Millisecond)
		in.Crash()
	}
	in := b.start("a", counting(nil))
	b.outputs(total)
	stop(t, in)
}
