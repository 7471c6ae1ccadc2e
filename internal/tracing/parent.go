package tracing

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// headers are a record's headers as OpenTelemetry reads them.
type headers []kgo.RecordHeader

// Get implements propagation.TextMapCarrier. As in Kafka, the last header of a name counts.
func (h headers) Get(key string) string {
	for i := len(h) - 1; i >= 0; i-- {
		if h[i].Key == key {
			return string(h[i].Value)
		}
	}
	return ""
}

// Set implements propagation.TextMapCarrier and does nothing: records are only read.
func (h headers) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (h headers) Keys() []string {
	var keys []string
	for i := range h {
		keys = append(keys, h[i].Key)
	}
	return keys
}

// parentOf is the span that the record's headers name; ok is false when they name none.
func parentOf(rec *kgo.Record) (parent trace.SpanContext, ok bool) {
	named := false
	for i := range rec.Headers {
		named = named || rec.Headers[i].Key == "traceparent"
	}
	if !named {
		return trace.SpanContext{}, false
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), headers(rec.Headers))
	parent = trace.SpanContextFromContext(ctx)
	return parent, parent.IsValid()
}

// traceparent is the header that names a span.
func traceparent(s trace.SpanContext) []byte {
	return []byte("00-" + s.TraceID().String() + "-" + s.SpanID().String() + "-" +
		s.TraceFlags().String())
}
