package audit_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/audit"
	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

type parcel struct {
	Grams int64 `avro:"grams"`
}

func parcelType() schemas.Type[parcel] {
	return schemas.Avro[parcel](`{"type":"record","name":"Parcel","fields":[
		{"name":"grams","type":"long"}]}`)
}

// scales hands on what weighs something.
func scales() *processor.Pipeline {
	p := processor.New("scales")
	weighed := processor.Output(p, "weighed", parcelType())
	processor.Input(p, "parcels", parcelType(), func(ctx *processor.Context, v parcel) error {
		if v.Grams == 0 {
			return processor.Reject("a parcel of 0 grams")
		}
		weighed.Emit(ctx, ctx.Key(), v)
		return nil
	})
	return p
}

// What an application did is added up again from its topics alone.
func ExampleRun() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cluster, err := embedded.Start(ctx, embedded.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cluster.Close()
	registry := schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})
	if err := weigh(ctx, cluster.Addr(), registry, 300, 0, 200); err != nil {
		fmt.Println(err)
		return
	}

	report, err := audit.Run(ctx, audit.Options{ApplicationID: "depot", Pipeline: scales(),
		Kafka: []kgo.Opt{kgo.SeedBrokers(cluster.Addr())}, Registry: registry})
	if err != nil {
		fmt.Println(err)
		return
	}
	in := report.Inputs["parcels-0"]
	fmt.Println("records:", in.Records, "processed:", in.Processed, "dead:", in.Dead)
	fmt.Println("outputs:", report.Outputs, "violations:", len(report.Violations))
	// Output:
	// records: 3 processed: 2 dead: 1
	// outputs: 2 violations: 0
}

// weigh has the pipeline process parcels until all of them are committed.
func weigh(ctx context.Context, addr string, registry schemas.Registry, grams ...int64) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(addr))
	if err != nil {
		return err
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopic(ctx, 1, 1, nil, "parcels"); err != nil {
		return err
	}
	id, err := registry.Register(ctx, "parcels-value", parcelType().String())
	if err != nil {
		return err
	}
	enc := schemas.NewEncoder(parcelType(), id)
	for _, g := range grams {
		value, err := enc.Append(nil, &parcel{Grams: g})
		if err != nil {
			return err
		}
		rec := &kgo.Record{Topic: "parcels", Key: []byte("belt"), Value: value}
		if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "pawl-example-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	left := int64(len(grams))
	return processor.Run(ctx, processor.Config{ApplicationID: "depot", Brokers: []string{addr},
		Registry: registry, StateDir: dir, Listeners: []processor.Listener{{
			EpochCommitted: func(e processor.EpochInfo) {
				if left -= e.Records; left <= 0 {
					stop()
				}
			}}}}, scales())
}
