package activity_test

import (
	"context"
	"fmt"
	"time"

	"pawl/internal/verify"
	"pawl/pipelines/activity"
	"pawl/schemas"
	schema "pawl/schemas/activity"
)

func ExampleConfig_Validate() {
	cfg := activity.Config{DedupeHorizon: 30 * 24 * time.Hour, BatchSize: 20}
	cfg.EnsureDefaults()
	fmt.Println(cfg.Validate())
	// Output:
	// activity.dedupe.horizon=720h0m0s: out of range; give 1s to 168h0m0s
}

// A site wants batches of 20 and forgets ids after an hour.
func ExampleNew() {
	pipeline := activity.New(activity.Config{DedupeHorizon: time.Hour, BatchSize: 20})
	fmt.Println(pipeline.Name(), pipeline.Validate())
	// processor.Run(ctx, processor.Config{ApplicationID: "site", …}, pipeline)
	// Output:
	// activity <nil>
}

// The same click, sent twice, counts once.
func ExampleOracle() {
	const id = 1 // of the schema in the registry
	resolver := schemas.NewResolver(nil)
	if err := resolver.Add(id, schema.UserEventType().String()); err != nil {
		fmt.Println(err)
		return
	}
	events := schemas.NewEncoder(schema.UserEventType(), id)
	oracle := activity.NewOracle(activity.Config{}, resolver)
	for _, e := range []schema.UserEvent{
		{EventID: "e1", Timestamp: time.UnixMilli(10_000), Value: 2},
		{EventID: "e2", Timestamp: time.UnixMilli(20_000), Value: 3},
		{EventID: "e2", Timestamp: time.UnixMilli(20_000), Value: 3},
		{EventID: "e3", Timestamp: time.UnixMilli(72_000), Value: 4}, // 1m + grace + disorder
	} {
		e.UserID, e.Action = "ann", "click"
		value, err := events.Append(nil, &e)
		if err != nil {
			fmt.Println(err)
			return
		}
		outcome, err := oracle.Feed(context.Background(), verify.Input{Topic: activity.UserEvents,
			Key: []byte("ann"), Value: value, Timestamp: e.Timestamp.UnixMilli()})
		fmt.Println(e.EventID, outcome.Fate, err)
		for _, out := range outcome.Outputs {
			minute := out.Value.(schema.UserAggregate)
			fmt.Println(" ", out.Topic, minute.EventCount, minute.TotalValue, minute.AvgValue)
		}
	}
	// Output:
	// e1 processed <nil>
	// e2 processed <nil>
	// e2 deduplicated <nil>
	// e3 processed <nil>
	//   processed-events 2 5 2.5
}
