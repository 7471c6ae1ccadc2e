package audit

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	app        = "shop-app"
	partitions = 2
	noon       = 1_790_000_000_000 // long ago, so that what may be shed is
)

// order is the input of the shop; its sums per window are an output too.
type order struct {
	ID    string `avro:"id"`
	Cents int64  `avro:"cents"`
}

func orderType() schemas.Type[order] {
	return schemas.Avro[order](`{"type":"record","name":"test.Order","fields":[
		{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`)
}

// shop has all that an audit looks at: two inputs, one of them a table, two outputs of one record,
// windows closed by records and by idle ticks, and every fate that a record may have. By cents:
// below 0 is rejected, 13 is filtered, 7 may be shed.
func shop() *processor.Pipeline {
	p := processor.New("shop")
	typ := orderType()
	_, rates := processor.TableInput(p, "rates", typ)
	echo, sums := processor.Output(p, "echo", typ), processor.Output(p, "sums", typ)
	closed := processor.Aggregate(p, "sums", processor.Tumbling(time.Second), typ,
		func(a, o order) order { return order{ID: "sum", Cents: a.Cents + o.Cents} },
		func(ctx *processor.Context, _ processor.Span, a order) { sums.Emit(ctx, ctx.Key(), a) })
	twice := func(ctx *processor.Context, o order) error {
		r, _ := rates.Get(ctx)
		o.Cents += r.Cents
		echo.Emit(ctx, ctx.Key(), o)
		echo.Emit(ctx, ctx.Key()+"'", o)
		return nil
	}
	handle := processor.Filter(func(o order) bool { return o.Cents != 13 },
		processor.Dedupe(p, "ids", time.Minute, func(o order) string { return o.ID },
			processor.Branch(twice, closed)))
	processor.Input(p, "orders", typ, func(ctx *processor.Context, o order) error {
		if o.Cents < 0 {
			return processor.Reject("an order of %d cents", o.Cents)
		}
		return handle(ctx, o)
	}).Late("orders", 5*time.Second).Shed(processor.Shedding[order]{MaxLatency: time.Hour, Below: 1,
		Priority: func(o order) int {
			if o.Cents == 7 {
				return 0
			}
			return 1
		}})
	return p
}

// bed is a broker in this process with the shop's inputs.
type bed struct {
	t        *testing.T
	kafka    *kfake.Cluster
	registry *schemas.Memory
	opts     []kgo.Opt
	client   *kgo.Client
	dir      string
	enc      *schemas.Encoder[order]
}

func newBed(t *testing.T) *bed {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1),
		kfake.SeedTopics(partitions, "orders", "rates"),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := &bed{t: t, kafka: c, registry: schemas.NewMemory(), dir: t.TempDir(),
		opts: []kgo.Opt{kgo.SeedBrokers(c.ListenAddrs()...)}}
	b.client, err = kgo.NewClient(append(b.opts,
		kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	id, err := b.registry.Register(t.Context(), "orders-value", orderType().String())
	if err != nil {
		t.Fatal(err)
	}
	b.enc = schemas.NewEncoder(orderType(), id)
	return b
}

// put writes one record at ms after noon.
func (b *bed) put(topic string, partition int32, key string, o order, ms int64) {
	b.t.Helper()
	value, err := b.enc.Append(nil, &o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.send(&kgo.Record{Topic: topic, Partition: partition, Key: []byte(key), Value: value,
		Timestamp: time.UnixMilli(noon + ms)})
}

func (b *bed) send(rec *kgo.Record) {
	b.t.Helper()
	if err := b.client.ProduceSync(b.t.Context(), rec).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// trade writes n orders to each partition, from ms after noon on, among them every kind that ends
// other than well.
func (b *bed) trade(n int, ms int64) {
	b.t.Helper()
	for p := range int32(partitions) {
		for i := range n {
			at := ms + int64(i)*100
			o := order{ID: fmt.Sprintf("%d-%d-%d", p, ms, i), Cents: int64(100 + i)}
			switch i % 12 {
			case 3:
				o.Cents = -1
			case 4:
				o.Cents = 13
			case 5:
				o.Cents = 7
			case 6:
				o.ID = fmt.Sprintf("%d-%d-%d", p, ms, i-6)
			case 7:
				at -= 9_000
			case 8:
				b.put("rates", p, fmt.Sprintf("k%d", i%3), o, at)
			}
			b.put("orders", p, fmt.Sprintf("k%d", i%3), o, at)
		}
	}
}

func (b *bed) start(name string, change func(*processor.Config)) *processor.Instance {
	b.t.Helper()
	cfg := processor.Config{ApplicationID: app, InstanceID: name, Brokers: b.kafka.ListenAddrs(),
		Registry: b.registry, StateDir: b.dir + "/" + name, IdleTimeout: 300 * time.Millisecond,
		MaxOutOfOrderness: 200 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	in, err := processor.Start(b.t.Context(), cfg, shop())
	if err != nil {
		b.t.Fatal(err)
	}
	return in
}

func (b *bed) stop(in *processor.Instance) {
	b.t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

// drained waits until the group has committed the ends of the topics.
func (b *bed) drained(group string, topics ...string) {
	b.t.Helper()
	k, err := verify.NewKafka(group, b.opts...)
	if err != nil {
		b.t.Fatal(err)
	}
	defer k.Close()
	b.await("all input to be committed", func() bool {
		lag, err := k.Lag(b.t.Context(), topics...)
		return err == nil && lag == 0
	})
}

func (b *bed) await(what string, ok func() bool) {
	b.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			b.t.Fatalf("waited a minute for %s", what)
		}
	}
}

// ends is how many offsets a topic has.
func (b *bed) ends(topic string) (n int64) {
	b.t.Helper()
	listed, err := kadm.NewClient(b.client).ListEndOffsets(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	listed.Each(func(o kadm.ListedOffset) { n += max(o.Offset, 0) })
	return n
}

// audit audits the shop on the broker.
func (b *bed) audit(change func(*Options)) *Report {
	b.t.Helper()
	o := Options{ApplicationID: app, Pipeline: shop(), Kafka: b.opts, Registry: b.registry}
	if change != nil {
		change(&o)
	}
	r, err := Run(context.Background(), o)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// clean expects a report without violations.
func clean(t *testing.T, r *Report) {
	t.Helper()
	for _, v := range r.Violations {
		t.Error(v)
	}
	if !r.Clean() || r.Total() != 0 {
		t.Errorf("%d violations: %v", r.Total(), r.Counts)
	}
}

// ran is a shop that two instances have run one after the other, with orders that were there
// before the first one and others that came under each; the second one saw them end and ticked.
func ran(t *testing.T, more func(b *bed)) *bed {
	t.Helper()
	b := newBed(t)
	b.put("rates", 0, "k0", order{Cents: 5}, 0)
	b.put("rates", 1, "k1", order{Cents: 6}, 0)
	b.trade(40, 20_000)
	one := b.start("one", nil)
	b.drained(app, "orders", "rates")
	b.trade(30, 30_000)
	b.drained(app, "orders", "rates")
	b.stop(one)
	two := b.start("two", nil)
	b.trade(30, 40_000)
	b.drained(app, "orders", "rates")
	b.await("idle ticks", func() bool { return b.ends(app+"-ticks") >= 2*(2+partitions) })
	if more != nil {
		more(b)
	}
	b.stop(two)
	return b
}
