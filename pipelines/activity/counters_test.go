package activity_test

import (
	"testing"
	"time"

	"pawl/internal/pipelinetest"
	"pawl/pipelines/activity"
	"pawl/processor"
)

// TestCounters: what is counted is what was emitted.
func TestCounters(t *testing.T) {
	t.Parallel()
	load := activity.LoadConfig{Seed: 1, Users: 10, Rate: 3, Poison: 0.02, Late: 0.02,
		Duplicates: 0.1, Start: time.UnixMilli(1_790_000_000_000)}
	one := func(window string) func(any) processor.Counted {
		return func(any) processor.Counted {
			return processor.Counted{Counter: activity.WindowsCounter, Value: window}
		}
	}
	pipelinetest.Counters(t, activity.NewGenerator(load), 2_000,
		activity.New(activity.Config{BatchSize: 7}), map[string]func(any) processor.Counted{
			activity.ProcessedEvents: one(activity.PerMinute),
			activity.UserAggregates:  one(activity.FiveMinutes),
			activity.UserBatches:     one(activity.Batches),
		})
}
