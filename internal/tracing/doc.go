// Package tracing follows chosen records by OpenTelemetry: a record that is not chosen costs a look
// at its headers, and when tracing is off nothing is there to look.
//
// A followed record is a span with the children decode and step, below the span that its
// traceparent header names; its outputs carry the record's span on. An epoch that commits followed
// records is a span with a link to each. A record whose header says that it is sampled is followed,
// one whose header says that it is not is not, and of those without a header a share is. All
// together are bounded by a rate.
//
// Files: tracing.go (export), spans.go (what processor.Tracer asks for), parent.go (the header).
package tracing
