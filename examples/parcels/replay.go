package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"pawl/processor"
	"pawl/replay"
)

// again has the pipeline as it is in this program process all scans once more, beside the one that
// runs, and prints how what comes out differs from what production wrote.
func again(ctx context.Context, at cluster, dir string) error {
	o := replay.Options{ID: fmt.Sprint("trial-", time.Now().Unix()), Pipeline: parcels(),
		Point: replay.Point{Earliest: true},
		Config: processor.Config{ApplicationID: "parcels", Brokers: at.brokers,
			Registry: at.registry, StateDir: dir}}
	r, err := replay.Shadow(ctx, o)
	if err != nil {
		return err
	}
	fmt.Printf("%d scans again, identical: %v\n", r.Records, r.Identical)
	for _, topic := range slices.Sorted(maps.Keys(r.Topics)) {
		d := r.Topics[topic]
		fmt.Printf("%-20s same %d, missing %d, extra %d, different %d\n", topic, d.Same,
			d.Missing, d.Extra, d.Different)
	}
	_, err = replay.Clean(ctx, o, false) // its topics and files
	return err
}
