package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/schemas"
)

// cluster is where the topics are.
type cluster struct {
	brokers  []string
	registry schemas.Registry
}

// scan has three depots scan fifty parcels a second, each a second of event time after the last,
// until ctx ends. Every other one is at Ulm.
func scan(ctx context.Context, at cluster) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(at.brokers...), kgo.DefaultProduceTopic("scans"))
	if err != nil {
		return err
	}
	defer cl.Close()
	_, err = kadm.NewClient(cl).CreateTopic(ctx, 4, -1, nil, "scans")
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		return fmt.Errorf("create topic scans: %w", err)
	}
	id, err := at.registry.Register(ctx, "scans-value", scanType().String())
	if err != nil {
		return err
	}
	encoder := schemas.NewEncoder(scanType(), id)
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	first := time.Now().Add(-24 * time.Hour)
	for n := 0; ctx.Err() == nil; n++ {
		s := Scan{Parcel: fmt.Sprint("p", first.Unix(), "-", n),
			Depot: []string{"Ulm", "Kiel", "Ulm", "Gera"}[n%4],
			At:    first.Add(time.Duration(n) * time.Second)}
		value, err := encoder.Append(nil, &s)
		if err != nil {
			return err
		}
		rec := &kgo.Record{Key: []byte(s.Depot), Value: value, Timestamp: s.At}
		if err := cl.ProduceSync(ctx, rec).FirstErr(); err != nil && ctx.Err() == nil {
			return fmt.Errorf("send scan %d: %w", n, err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
	return nil
}

// watch prints what is committed, until ctx ends.
func watch(ctx context.Context, at cluster) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(at.brokers...),
		kgo.ConsumeTopics("depot-loads", "depot-alerts"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		return err
	}
	defer cl.Close()
	resolver := schemas.NewResolver(at.registry)
	decoder := schemas.NewDecoder(loadType(), resolver)
	for ctx.Err() == nil {
		for _, rec := range cl.PollFetches(ctx).Records() {
			id, _, err := schemas.ParseHeader(rec.Value)
			if err == nil {
				err = resolver.Fetch(ctx, id)
			}
			var l Load
			if err == nil {
				err = decoder.Decode(rec.Value, &l)
			}
			if err != nil {
				return fmt.Errorf("%s-%d offset %d: %w", rec.Topic, rec.Partition, rec.Offset, err)
			}
			fmt.Printf("%-12s %s %s to %s: %d parcels\n", rec.Topic, l.Depot,
				l.From.UTC().Format("15:04"), l.To.UTC().Format("15:04"), l.Parcels)
		}
	}
	return nil
}
