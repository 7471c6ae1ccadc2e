package activity

import (
	"math"
	"time"

	"pawl/processor"
	schema "pawl/schemas/activity"
)

// Names of the topics, and of the operators with their tables. The late topics are
// `<application.id>-per-minute-late` and `<application.id>-five-minutes-late`.
const (
	// Name is the pipeline's name.
	Name = "activity"
	// UserEvents is the input topic.
	UserEvents = "user-events"
	// ProcessedEvents is the output topic of the minutes.
	ProcessedEvents = "processed-events"
	// UserAggregates is the output topic of the five minutes.
	UserAggregates = "user-aggregates"
	// UserBatches is the output topic of the batches.
	UserBatches = "user-batches"
	// PerMinute names the windows of a minute.
	PerMinute = "per-minute"
	// FiveMinutes names the windows of five minutes.
	FiveMinutes = "five-minutes"
	// Batches names the windows of so many events.
	Batches = "batches"
	// WindowsCounter is the metric of results by window.
	WindowsCounter = "activity_windows_total"
	// Seen names the table of remembered event ids.
	Seen = "seen"
)

// New describes the pipeline. cfg should be valid; zero fields mean their defaults.
func New(cfg Config) *processor.Pipeline {
	cfg.EnsureDefaults()
	p := processor.New(Name).Linger(100 * time.Millisecond)
	aggregate := schema.UserAggregateType()
	closed := processor.Count(p, WindowsCounter, "Windows and batches of users that were emitted, "+
		"by window.", "window", PerMinute, FiveMinutes, Batches)
	count := processor.Branch(
		windows(p, PerMinute, time.Minute, cfg.grace(), closed,
			processor.Output(p, ProcessedEvents, aggregate)),
		windows(p, FiveMinutes, 5*time.Minute, cfg.grace(), closed,
			processor.Output(p, UserAggregates, aggregate)),
		processor.AggregateCount(p, Batches, cfg.BatchSize, schema.BatchType(), addToBatch,
			emitBatch(processor.Output(p, UserBatches, schema.UserBatchType()), closed)),
	)
	once := processor.Dedupe(p, Seen, cfg.DedupeHorizon,
		func(e schema.UserEvent) string { return e.EventID }, count)
	processor.Input(p, UserEvents, schema.UserEventType(), once).
		EventTime(func(e schema.UserEvent) time.Time { return e.Timestamp }).
		Key(func(e schema.UserEvent) string { return e.UserID }).
		Check(check)
	return p
}

// check refuses what no event is.
func check(e schema.UserEvent) error {
	switch {
	case e.EventID == "":
		return processor.Reject("event_id is empty; give each event an id of its own")
	case e.Action == "":
		return processor.Reject("action of event %.100q is empty; name one", e.EventID)
	case math.IsNaN(e.Value) || math.IsInf(e.Value, 0):
		return processor.Reject("value of event %.100q is %v; give a finite number", e.EventID,
			e.Value)
	}
	return nil
}

// windows adds up a user's events in windows of one size.
func windows(p *processor.Pipeline, name string, size, grace time.Duration,
	closed *processor.Counter, out *processor.Out[schema.UserAggregate],
) processor.Handler[schema.UserEvent] {
	add := func(s schema.Sum, e schema.UserEvent) schema.Sum {
		s.EventCount++
		s.TotalValue += e.Value
		return s
	}
	emit := func(ctx *processor.Context, span processor.Span, s schema.Sum) {
		user := ctx.Key()
		closed.Inc(ctx, name)
		out.Emit(ctx, user, schema.UserAggregate{UserID: user, WindowStart: span.Start,
			WindowEnd: span.End, EventCount: s.EventCount, TotalValue: s.TotalValue,
			AvgValue: s.TotalValue / float64(s.EventCount)})
	}
	return processor.Aggregate(p, name, processor.Tumbling(size).Grace(grace),
		schema.SumType(), add, emit)
}

// addToBatch adds an event to the user's batch.
func addToBatch(b schema.Batch, e schema.UserEvent) schema.Batch {
	at := e.Timestamp.UnixMilli()
	if b.EventCount == 0 {
		b.FirstTimestamp = at
	}
	b.LastTimestamp = at
	b.EventCount++
	b.TotalValue += e.Value
	return b
}

// emitBatch returns what becomes of a full batch.
func emitBatch(out *processor.Out[schema.UserBatch], closed *processor.Counter,
) func(*processor.Context, int64, schema.Batch) {
	return func(ctx *processor.Context, number int64, b schema.Batch) {
		user := ctx.Key()
		closed.Inc(ctx, Batches)
		out.Emit(ctx, user, schema.UserBatch{UserID: user, Batch: number,
			FirstTimestamp: time.UnixMilli(b.FirstTimestamp),
			LastTimestamp:  time.UnixMilli(b.LastTimestamp),
			EventCount:     b.EventCount, TotalValue: b.TotalValue,
			AvgValue: b.TotalValue / float64(b.EventCount)})
	}
}
