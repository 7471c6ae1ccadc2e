package deadletter

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	app        = "till"
	partitions = 3
	noon       = 1_700_000_000_000
)

// sale is what the till takes.
type sale struct {
	ID    string `avro:"id"`
	Cents int64  `avro:"cents"`
}

func saleType() schemas.Type[sale] {
	return schemas.Avro[sale](`{"type":"record","name":"Sale","namespace":"till","fields":[
		{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`)
}

// till echoes sales; a strict one rejects those below 0.
func till(strict bool) *processor.Pipeline {
	p := processor.New("till")
	echo := processor.Output(p, "receipts", saleType())
	processor.Input(p, "sales", saleType(), func(ctx *processor.Context, s sale) error {
		if strict && s.Cents < 0 {
			return processor.Reject("a sale of %d cents", s.Cents)
		}
		echo.Emit(ctx, ctx.Key(), s)
		return nil
	})
	return p
}

// bed is a cluster in this process with the till's input.
type bed struct {
	t        *testing.T
	registry schemas.Registry
	brokers  []string
	adm      *kadm.Client
	client   *kgo.Client
	enc      *schemas.Encoder[sale]
	dir      string
}

func newBed(t *testing.T) *bed {
	t.Helper()
	c, err := embedded.Start(t.Context(), embedded.Config{SessionTimeoutMin: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	b := &bed{t: t, brokers: []string{c.Addr()}, dir: t.TempDir(),
		registry: schemas.NewClient(schemas.ClientConfig{URL: c.RegistryURL()})}
	b.client, err = kgo.NewClient(kgo.SeedBrokers(b.brokers...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.client.Close)
	b.adm = kadm.NewClient(b.client)
	b.create("sales", partitions)
	id, err := b.registry.Register(t.Context(), "sales-value", saleType().String())
	if err != nil {
		t.Fatal(err)
	}
	b.enc = schemas.NewEncoder(saleType(), id)
	return b
}

func (b *bed) create(topic string, partitions int32) {
	b.t.Helper()
	if _, err := b.adm.CreateTopic(b.t.Context(), partitions, 1, nil, topic); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) value(s sale) []byte {
	b.t.Helper()
	value, err := b.enc.Append(nil, &s)
	if err != nil {
		b.t.Fatal(err)
	}
	return value
}

func (b *bed) send(recs ...*kgo.Record) {
	b.t.Helper()
	if err := b.client.ProduceSync(b.t.Context(), recs...).FirstErr(); err != nil {
		b.t.Fatal(err)
	}
}

// bury writes a dead letter as the engine does, for the record at an offset of sales.
func (b *bed) bury(partition int32, offset int64, exception string, attempt int, ms int64) {
	b.t.Helper()
	h := func(key, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: key, Value: []byte(value)}
	}
	b.send(&kgo.Record{Topic: Topic(app), Partition: partition, Key: []byte("k"),
		Value: b.value(sale{fmt.Sprint(partition, "-", offset), -1}), Timestamp: time.UnixMilli(ms),
		Headers: []kgo.RecordHeader{h("own", "1"), h("__streams.errors.exception", exception),
			h("__streams.errors.message", "why"), h("__streams.errors.topic", "sales"),
			h("__streams.errors.partition", strconv.Itoa(int(partition))),
			h("__streams.errors.offset", strconv.FormatInt(offset, 10)), h("pawl.task", "till-0"),
			h("pawl.epoch", "1"), h("pawl.attempt", strconv.Itoa(attempt))}})
}

// start starts an instance.
func (b *bed) start(strict bool) *processor.Instance {
	b.t.Helper()
	in, err := processor.Start(b.t.Context(), processor.Config{ApplicationID: app,
		InstanceID: "one", Brokers: b.brokers, Registry: b.registry, StateDir: b.dir,
		SessionTimeout: 2 * time.Second, MemoryMax: 64 << 20}, till(strict))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(in.Crash)
	return in
}

func (b *bed) stop(in *processor.Instance) {
	b.t.Helper()
	in.Stop()
	if err := in.Wait(); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) desk(change ...func(*Options)) *Desk {
	b.t.Helper()
	o := Options{ApplicationID: app, Kafka: []kgo.Opt{kgo.SeedBrokers(b.brokers...)},
		Registry: b.registry}
	for _, c := range change {
		c(&o)
	}
	d, err := Open(o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(d.Close)
	return d
}

// drained waits until the group has committed all of sales.
func (b *bed) drained() {
	b.t.Helper()
	d := b.desk()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		lag, err := d.source.Lag(b.t.Context(), "sales")
		if err == nil && lag == 0 {
			return
		}
		if time.Since(began) > time.Minute {
			b.t.Fatalf("after a minute the lag is %d, %v", lag, err)
		}
	}
}

// records are the committed ones of a topic, partition by partition.
func (b *bed) records(topic string) (all []*kgo.Record) {
	b.t.Helper()
	d := b.desk()
	bounds, err := d.source.Bounds(b.t.Context(), topic)
	if err != nil {
		b.t.Fatal(err)
	}
	for p, x := range bounds {
		each := func(rec *kgo.Record) error {
			all = append(all, rec)
			return nil
		}
		err := verify.Each(b.t.Context(), d.source, topic, int32(p), x, each)
		if err != nil {
			b.t.Fatal(err)
		}
	}
	return all
}

func (b *bed) list(f Filter, o ListOptions) *Page {
	b.t.Helper()
	page, err := b.desk().List(b.t.Context(), f, o)
	if err != nil {
		b.t.Fatal(err)
	}
	return page
}

func (b *bed) retry(ids ...ID) *Result {
	b.t.Helper()
	r, err := b.desk().Retry(b.t.Context(), Selection{IDs: ids}, 0, false)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// once demands that every one of n dead letters is on sales again, once.
func (b *bed) once(n int) {
	b.t.Helper()
	seen := make(map[string]int)
	for _, rec := range b.records("sales") {
		if from := header(rec, FromHeader); from != "" {
			seen[from]++
		}
	}
	for from, times := range seen {
		if times != 1 {
			b.t.Errorf("%s was retried %d times", from, times)
		}
	}
	if len(seen) != n {
		b.t.Errorf("%d dead letters were retried, want %d", len(seen), n)
	}
}

func header(rec *kgo.Record, key string) string {
	for _, h := range slices.Backward(rec.Headers) {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

func everything() Selection { return Selection{Filter: &Filter{State: Dead}} }

// dying runs a job that ends for good when it passes a point for the nth time: nothing is aborted,
// and nothing is closed but connections, as at a kill.
func (b *bed) dying(point string, n int, fn func(ctx context.Context, d *Desk) error) {
	b.t.Helper()
	ended := make(chan bool)
	go func() {
		died := true
		defer func() { ended <- died }()
		d, err := Open(Options{ApplicationID: app, Batch: 7,
			Kafka: []kgo.Opt{kgo.SeedBrokers(b.brokers...)}, Passed: func(name string) {
				if name != point {
					return
				}
				if n--; n == 0 {
					goexit()
				}
			}})
		if err != nil {
			b.t.Error(err)
			return
		}
		defer d.Close()
		if err := fn(b.t.Context(), d); err != nil {
			b.t.Error(err)
		}
		died = false
	}()
	if died := <-ended; !died {
		b.t.Errorf("it went through without dying at %s", point)
	}
}

func topicSize(n string) []kadm.AlterConfig {
	return []kadm.AlterConfig{{Name: "max.message.bytes", Value: &n}}
}
