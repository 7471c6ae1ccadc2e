package tracing

import (
	"context"
	"math/rand/v2"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"pawl/processor"
)

// Record implements processor.Tracer.
func (t *Tracer) Record(task string, rec *kgo.Record) processor.RecordTrace {
	parent, ok := parentOf(rec)
	if ok && !parent.IsSampled() || !ok && rand.Float64() >= t.ratio || !t.limit.Allow() {
		return nil
	}
	ctx := trace.ContextWithRemoteSpanContext(context.Background(), parent)
	partition := strconv.Itoa(int(rec.Partition))
	ctx, whole := t.tracer.Start(ctx, "process "+rec.Topic,
		trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.system", "kafka"),
			attribute.String("messaging.destination.name", rec.Topic),
			attribute.String("messaging.destination.partition.id", partition),
			attribute.Int64("messaging.kafka.offset", rec.Offset),
			attribute.String("pawl.task", task)))
	_, decode := t.tracer.Start(ctx, "decode")
	return &span{of: t, ctx: ctx, whole: whole, part: decode}
}

// span is a record that is followed.
type span struct {
	of    *Tracer
	ctx   context.Context // of the whole, for its parts
	whole trace.Span
	part  trace.Span // the one under way
}

// Decoded implements processor.RecordTrace.
func (s *span) Decoded() {
	s.part.End()
	_, s.part = s.of.tracer.Start(s.ctx, "step")
}

// Traceparent implements processor.RecordTrace.
func (s *span) Traceparent() []byte { return traceparent(s.whole.SpanContext()) }

// End implements processor.RecordTrace.
func (s *span) End(err error) {
	for _, part := range []trace.Span{s.part, s.whole} {
		fail(part, err)
		part.End()
	}
}

// Epoch implements processor.Tracer.
func (t *Tracer) Epoch(e processor.EpochTrace, records []processor.RecordTrace) func(error) {
	var links []trace.Link
	for _, r := range records {
		links = append(links, trace.Link{SpanContext: r.(*span).whole.SpanContext()})
	}
	_, commit := t.tracer.Start(context.Background(), "commit", trace.WithNewRoot(),
		trace.WithLinks(links...), trace.WithSpanKind(trace.SpanKindProducer),
		trace.WithAttributes(attribute.String("messaging.system", "kafka"),
			attribute.String("pawl.instance", e.Instance), attribute.Int64("pawl.commit", e.Commit),
			attribute.StringSlice("pawl.tasks", e.Tasks)))
	return func(err error) {
		fail(commit, err)
		commit.End()
	}
}

func fail(s trace.Span, err error) {
	if err != nil {
		s.RecordError(err)
		s.SetStatus(codes.Error, err.Error())
	}
}
