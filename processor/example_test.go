package processor_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

type payment struct {
	ID    string `avro:"id"`
	Cents int64  `avro:"cents"`
}

type alert struct {
	Payment string `avro:"payment"`
	Count   int64  `avro:"count"`
}

type recent struct {
	Times []time.Time `avro:"times"`
}

const (
	paymentSchema = `{"type":"record","name":"Payment","namespace":"shop","fields":[
		{"name":"id","type":"string"},{"name":"cents","type":"long"}]}`
	alertSchema = `{"type":"record","name":"Alert","namespace":"shop","fields":[
		{"name":"payment","type":"string"},{"name":"count","type":"long"}]}`
	recentSchema = `{"type":"record","name":"Recent","namespace":"shop","fields":[
		{"name":"times","type":{"type":"array","items":
			{"type":"long","logicalType":"timestamp-millis"}}}]}`
)

// velocity alerts when one card pays more than limit times within span of event time.
func velocity(limit int, span time.Duration) *processor.Pipeline {
	p := processor.New("velocity")
	seen := processor.Keyed(p, "recent", schemas.Avro[recent](recentSchema))
	alerts := processor.Output(p, "alerts", schemas.Avro[alert](alertSchema))
	processor.Input(p, "payments", schemas.Avro[payment](paymentSchema),
		func(ctx *processor.Context, pay payment) error {
			if pay.Cents <= 0 {
				return processor.Reject("payment %s of %d cents", pay.ID, pay.Cents)
			}
			r, _ := seen.Get(ctx) // of the record's key, the card
			r.Times = slices.DeleteFunc(append(r.Times, ctx.Time()), func(t time.Time) bool {
				return ctx.Time().Sub(t) >= span
			})
			seen.Set(ctx, r)
			if n := len(r.Times); n > limit {
				alerts.Emit(ctx, ctx.Key(), alert{Payment: pay.ID, Count: int64(n)})
			}
			return nil
		})
	return p
}

// A pipeline is a description; Run, or Start as here, binds it to a cluster.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cluster, err := embedded.Start(ctx, embedded.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	dir, err := os.MkdirTemp("", "pawl-example-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	registry := schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})
	if err := pay(ctx, cluster.Addr(), registry); err != nil {
		fmt.Println(err)
		return
	}

	in, err := processor.Start(ctx, processor.Config{ApplicationID: "shop",
		Brokers: []string{cluster.Addr()}, Registry: registry, StateDir: dir},
		velocity(3, time.Minute))
	if err != nil {
		fmt.Println(err)
		return
	}
	a, err := firstAlert(ctx, cluster.Addr(), registry)
	fmt.Printf("%s is number %d within a minute, error %v\n", a.Payment, a.Count, err)
	in.Stop()
	fmt.Println("stopped:", in.Wait())
	// Output:
	// p4 is number 4 within a minute, error <nil>
	// stopped: <nil>
}

// pay has one card pay four times, ten seconds apart.
func pay(ctx context.Context, addr string, registry schemas.Registry) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "payments"); err != nil {
		return err
	}
	typ := schemas.Avro[payment](paymentSchema)
	id, err := registry.Register(ctx, "payments-value", typ.String())
	if err != nil {
		return err
	}
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for n := range 4 {
		value, err := schemas.NewEncoder(typ, id).Append(nil,
			&payment{ID: fmt.Sprintf("p%d", n+1), Cents: 100})
		if err != nil {
			return err
		}
		rec := &kgo.Record{Topic: "payments", Key: []byte("card-1"), Value: value,
			Timestamp: start.Add(time.Duration(n) * 10 * time.Second)}
		if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil {
			return err
		}
	}
	return nil
}

// firstAlert reads what was committed.
func firstAlert(ctx context.Context, addr string, registry schemas.Registry) (a alert, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics("alerts"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return a, err
	}
	defer cl.Close()
	resolver := schemas.NewResolver(registry)
	for ctx.Err() == nil {
		recs := cl.PollFetches(ctx).Records()
		if len(recs) == 0 {
			continue
		}
		id, _, err := schemas.ParseHeader(recs[0].Value)
		if err == nil {
			err = resolver.Fetch(ctx, id)
		}
		if err == nil {
			dec := schemas.NewDecoder(schemas.Avro[alert](alertSchema), resolver)
			err = dec.Decode(recs[0].Value, &a)
		}
		return a, err
	}
	return a, ctx.Err()
}
