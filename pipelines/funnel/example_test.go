package funnel_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/internal/embedded"
	"pawl/pipelines/funnel"
	"pawl/processor"
	"pawl/schemas"
	schema "pawl/schemas/funnel"
)

// A customer follows an ad, looks, hesitates and buys. Another one's event, minutes later, says
// that the session is over.
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
	if err := shop(ctx, cluster.Addr(), registry); err != nil {
		fmt.Println(err)
		return
	}

	in, err := processor.Start(ctx, processor.Config{ApplicationID: "shop",
		Brokers: []string{cluster.Addr()}, Registry: registry, StateDir: dir},
		funnel.New(funnel.Config{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := first(ctx, cluster.Addr(), registry, funnel.Conversions, schema.ConversionType())
	fmt.Printf("%s paid %.2f, %v after the view, error %v\n", c.UserID, c.Value,
		time.Duration(c.DurationMs)*time.Millisecond, err)
	a, err := first(ctx, cluster.Addr(), registry, funnel.AttributedPurchases,
		schema.AttributedPurchaseType())
	fmt.Printf("campaign %s brought %s, error %v\n", a.Campaign, a.EventID, err)
	in.Stop()
	fmt.Println("stopped:", in.Wait())
	// Output:
	// ann paid 19.90, 1m30s after the view, error <nil>
	// campaign spring brought e3, error <nil>
	// stopped: <nil>
}

// shop makes the input topics and sends what happened.
func shop(ctx context.Context, addr string, registry schemas.Registry) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopics(ctx, 1, 1, nil, funnel.UserEvents, funnel.AdClicks)
	if err != nil {
		return err
	}
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	err = send(ctx, cl, registry, funnel.AdClicks, "ann", start, schema.AdClickType(),
		schema.AdClick{ClickID: "c1", UserID: "ann", Campaign: "spring", Timestamp: start})
	for n, e := range []schema.UserEvent{
		{UserID: "ann", Timestamp: start.Add(10 * time.Second), Action: funnel.ActionView},
		{UserID: "ann", Timestamp: start.Add(40 * time.Second), Action: funnel.ActionAddCart,
			Value: 19.90},
		{UserID: "ann", Timestamp: start.Add(100 * time.Second), Action: funnel.ActionPurchase,
			Value: 19.90},
		{UserID: "bob", Timestamp: start.Add(10 * time.Minute), Action: "login"},
	} {
		if err != nil {
			return err
		}
		e.EventID = fmt.Sprintf("e%d", n+1)
		err = send(ctx, cl, registry, funnel.UserEvents, e.UserID, e.Timestamp,
			schema.UserEventType(), e)
	}
	return err
}

// send sends one value.
func send[V any](ctx context.Context, cl *kgo.Client, registry schemas.Registry, topic, key string,
	at time.Time, typ schemas.Type[V], v V,
) error {
	id, err := registry.Register(ctx, topic+"-value", typ.String())
	if err != nil {
		return err
	}
	value, err := schemas.NewEncoder(typ, id).Append(nil, &v)
	if err != nil {
		return err
	}
	return cl.ProduceSync(ctx, &kgo.Record{Topic: topic, Key: []byte(key), Value: value,
		Timestamp: at}).FirstErr()
}

// first reads the first value that was committed to a topic.
func first[V any](ctx context.Context, addr string, registry schemas.Registry, topic string,
	typ schemas.Type[V],
) (v V, err error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return v, err
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
			err = schemas.NewDecoder(typ, resolver).Decode(recs[0].Value, &v)
		}
		return v, err
	}
	return v, ctx.Err()
}
