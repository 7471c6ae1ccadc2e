package processor_test

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/verify"
	"pawl/processor"
	"pawl/schemas"
	"pawl/statestore"
)

// priced emits, per event, its key's sum of prices so far. The price of an event is that of its
// number, which may stand on any partition of the global topic; before is called first.
func priced(before func(*processor.Context)) *processor.Pipeline {
	p := processor.New("counting")
	typ := schemas.Avro[event](eventSchema)
	_, prices := processor.GlobalTableInput(p, "prices", typ)
	sums := processor.Keyed(p, "sums", typ)
	out := processor.Output(p, "out", typ)
	processor.Input(p, "in", typ, func(ctx *processor.Context, e event) error {
		if before != nil {
			before(ctx)
		}
		price, _ := prices.Get(ctx, fmt.Sprint(e.N))
		s, _ := sums.Get(ctx)
		s.Key = e.Key
		s.N += price.N
		sums.Set(ctx, s)
		out.Emit(ctx, e.Key, s)
		return nil
	})
	return p
}

// pricedModel says the same with two maps.
type pricedModel struct {
	resolver  *schemas.Resolver
	dec       *schemas.Decoder[event]
	state     map[string]any // "prices 7" and "sums k1"
	watermark int64
}

func pricedSpec() verify.Spec {
	typ := schemas.Avro[event](eventSchema)
	return verify.Spec{Pipeline: "counting",
		Inputs:  []verify.Topic{{Name: "prices", Global: true}, {Name: "in"}},
		Outputs: []verify.OutputTopic{verify.NewOutput("out", typ)},
		NewModel: func(r *schemas.Resolver) verify.Model {
			return &pricedModel{resolver: r, dec: schemas.NewDecoder(typ, r),
				state: make(map[string]any), watermark: math.MinInt64}
		},
		Canonical: func(ctx context.Context, state map[string][]byte, r *schemas.Resolver,
			_ int64) (map[string]any, error) {
			out := make(map[string]any)
			dec := schemas.NewDecoder(typ, r)
			for k, raw := range state {
				key, err := statestore.DecodeKey([]byte(k))
				if err != nil {
					return nil, err
				}
				var e event
				if _, err := verify.Read(ctx, r, dec, raw, &e); err != nil {
					return nil, err
				}
				out[fmt.Sprint(key[0], " ", key[1])] = e.N
			}
			return out, nil
		}}
}

// Feed implements verify.Model.
func (m *pricedModel) Feed(ctx context.Context, in verify.Input) (verify.Outcome, error) {
	key := in.Topic + " " + string(in.Key)
	if in.Value == nil {
		delete(m.state, key)
		return verify.Outcome{}, nil
	}
	var e event
	exception, err := verify.Read(ctx, m.resolver, m.dec, in.Value, &e)
	if err != nil || exception != "" {
		return verify.Outcome{Fate: verify.Dead, Exception: exception}, err
	}
	if in.Topic == "prices" {
		m.state[key] = e.N
		return verify.Outcome{}, nil
	}
	m.watermark = max(m.watermark, in.Timestamp-2000)
	key = "sums " + string(in.Key)
	sum, _ := m.state[key].(int64)
	price, _ := m.state["prices "+strconv.FormatInt(e.N, 10)].(int64)
	m.state[key] = sum + price
	return verify.Outcome{Outputs: []verify.Output{{Topic: "out", Key: string(in.Key),
		Timestamp: in.Timestamp, Value: event{Key: e.Key, N: sum + price}}}}, nil
}

// Idle implements verify.Model.
func (m *pricedModel) Idle(watermark int64) []verify.Output {
	m.watermark = watermark
	return nil
}

// Watermark implements verify.Model.
func (m *pricedModel) Watermark() int64 { return m.watermark }

// State implements verify.Model.
func (m *pricedModel) State() map[string]any { return m.state }

// verified compares all that stands in Kafka with the model.
func (b *bed) verified() *verify.Report {
	b.t.Helper()
	source, err := verify.NewKafka("app", kgo.SeedBrokers(b.cluster.Addr()))
	if err != nil {
		b.t.Fatal(err)
	}
	defer source.Close()
	r, err := verify.Check(b.t.Context(), verify.Options{Spec: pricedSpec(), ApplicationID: "app",
		Source: source, Registry: b.registry})
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Logf("%+v", *r)
	if r.Oracle != "match" {
		b.t.Errorf("the oracle says %s: %+v", r.Oracle, r.Examples)
	}
	return r
}

// read waits until these tasks have committed the global topic to its end.
func (b *bed) read(tasks ...int32) {
	b.t.Helper()
	ends, err := b.adm.ListEndOffsets(b.t.Context(), "prices")
	if err != nil {
		b.t.Fatal(err)
	}
	waitFor(b.t, "the tasks to read the global topic", func() bool {
		for _, task := range tasks {
			pos, ok := b.position(task)
			if !ok {
				return false
			}
			for _, in := range pos.Inputs {
				end, _ := ends.Lookup(in.Topic, in.Partition)
				if in.Topic == "prices" && in.Offset != end.Offset {
					return false
				}
			}
		}
		return true
	})
}

// pricing produces events and prices in a fixed order of time; several share a millisecond.
type pricing struct {
	b    *bed
	enc  map[string]*schemas.Encoder[event] // by topic
	n    int64
	sent map[string]int
	bad  int
}

// run sends n records, updates of prices among them: new ones, deletions and broken ones.
func (g *pricing) run(n int) {
	g.b.t.Helper()
	var recs []*kgo.Record
	for range n {
		g.n++
		at := noon + g.n/3
		r := &kgo.Record{Topic: "in", Key: fmt.Appendf(nil, "k%d", g.n%17), Timestamp: stamp(at),
			Value: g.value("in", event{Key: fmt.Sprint("k", g.n%17), N: g.n * 7 % 10})}
		if g.n%5 == 0 {
			item := g.n * 3 / 5 % 10
			r = &kgo.Record{Topic: "prices", Key: fmt.Append(nil, item), Timestamp: stamp(at)}
			switch g.n / 5 % 7 {
			case 0:
			case 1:
				r.Value = []byte{1, 2, 3}
				g.bad++
			default:
				r.Value = g.value("prices", event{Key: fmt.Sprint(item), N: g.n})
			}
		}
		recs = append(recs, r)
		g.sent[r.Topic]++
	}
	if err := g.b.client.ProduceSync(g.b.t.Context(), recs...).FirstErr(); err != nil {
		g.b.t.Fatal(err)
	}
}

func newPricing(t *testing.T, tasks, partitions int32) *pricing {
	b := newBed(t, tasks)
	b.topic("prices", partitions, nil)
	return pricingOf(b)
}

func pricingOf(b *bed) *pricing {
	g := &pricing{b: b, sent: make(map[string]int), enc: make(map[string]*schemas.Encoder[event])}
	typ := schemas.Avro[event](eventSchema)
	for _, topic := range []string{"in", "prices"} {
		id, err := b.registry.Register(b.t.Context(), topic+"-value", typ.String())
		if err != nil {
			b.t.Fatal(err)
		}
		g.enc[topic] = schemas.NewEncoder(typ, id)
	}
	return g
}

// value is e as a value of a topic.
func (g *pricing) value(topic string, e event) []byte {
	g.b.t.Helper()
	value, err := g.enc[topic].Append(nil, &e)
	if err != nil {
		g.b.t.Fatal(err)
	}
	return value
}
