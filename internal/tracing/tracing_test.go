package tracing

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"pawl/internal/embedded"
	"pawl/processor"
	"pawl/schemas"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	sampled   = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	unsampled = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203331-00"
)

// sink is a collector of OpenTelemetry.
type sink struct {
	t  *testing.T
	mu sync.Mutex
	// spans by name
	spans   map[string][]*otlp.Span
	service string
}

// ServeHTTP takes what an exporter posts.
func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	if err != nil || r.URL.Path != "/v1/traces" {
		s.t.Errorf("posted to %s: %v", r.URL, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range request.ResourceSpans {
		for _, a := range from.Resource.Attributes {
			if a.Key == "service.name" {
				s.service = a.Value.GetStringValue()
			}
		}
		for _, scope := range from.ScopeSpans {
			for _, span := range scope.Spans {
				s.spans[span.Name] = append(s.spans[span.Name], span)
			}
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

type word struct {
	Text string `avro:"text"`
}

// copier is a pipeline that copies words.
func copier() (*processor.Pipeline, schemas.Type[word]) {
	typ := schemas.Avro[word](`{"type":"record","name":"Word","fields":[
		{"name":"text","type":"string"}]}`)
	p := processor.New("copy")
	out := processor.Output(p, "copies", typ)
	processor.Input(p, "words", typ, func(ctx *processor.Context, w word) error {
		out.Emit(ctx, ctx.Key(), w)
		return nil
	})
	return p, typ
}

// TestRecordToCommit follows a record over a broker: from its header to the span of its epoch, and
// to the header of its output. Another record, whose header says no, is not followed.
func TestRecordToCommit(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := &sink{t: t, spans: make(map[string][]*otlp.Span)}
	server := httptest.NewServer(got)
	defer server.Close()
	tracer, err := New(ctx, Config{Endpoint: server.URL, Application: "copier",
		OnError: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	outputs := runCopier(ctx, t, tracer)
	if err := tracer.Close(ctx); err != nil {
		t.Fatal(err)
	}
	got.mu.Lock()
	defer got.mu.Unlock()
	whole, commit := got.spans["process words"], got.spans["commit"]
	if len(whole) != 1 || len(commit) != 1 || len(got.spans["decode"]) != 1 ||
		len(got.spans["step"]) != 1 || got.service != "copier" {
		t.Fatalf("service %s, spans %v", got.service, got.spans)
	}
	id := string(whole[0].SpanId)
	if hex(whole[0].TraceId) != sampled[3:35] || hex(whole[0].ParentSpanId) != sampled[36:52] {
		t.Errorf("the record's span does not go on from its header: %v", whole[0])
	}
	for _, name := range []string{"decode", "step"} {
		if string(got.spans[name][0].ParentSpanId) != id {
			t.Errorf("%s is not below the record's span", name)
		}
	}
	if links := commit[0].Links; len(links) != 1 || string(links[0].SpanId) != id {
		t.Errorf("the commit links to %v", links)
	}
	want := map[string]string{"b": "",
		"a": "00-" + sampled[3:35] + "-" + hex(whole[0].SpanId) + "-01"}
	for key, header := range outputs {
		if header != want[key] {
			t.Errorf("output %s carries %q, want %q", key, header, want[key])
		}
	}
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	var text strings.Builder
	for _, c := range b {
		text.WriteByte(digits[c>>4])
		text.WriteByte(digits[c&15])
	}
	return text.String()
}

// runCopier has two words copied, one of them followed, and returns the copies' headers.
func runCopier(ctx context.Context, t *testing.T, tracer *Tracer) map[string]string {
	t.Helper()
	cluster, err := embedded.Start(ctx, embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	p, typ := copier()
	registry := schemas.NewClient(schemas.ClientConfig{URL: cluster.RegistryURL()})
	id, err := registry.Register(ctx, "words-value", typ.String())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(kgo.SeedBrokers(cluster.Addr()), kgo.ConsumeTopics("copies"),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	if _, err := kadm.NewClient(cl).CreateTopics(ctx, 1, 1, nil, "words", "copies"); err != nil {
		t.Fatal(err)
	}
	for key, header := range map[string]string{"a": sampled, "b": unsampled} {
		value, err := schemas.NewEncoder(typ, id).Append(nil, &word{key})
		if err != nil {
			t.Fatal(err)
		}
		err = cl.ProduceSync(ctx, &kgo.Record{Topic: "words", Key: []byte(key), Value: value,
			Headers: []kgo.RecordHeader{{Key: "traceparent", Value: []byte(header)}}}).FirstErr()
		if err != nil {
			t.Fatal(err)
		}
	}
	in, err := processor.Start(ctx, processor.Config{ApplicationID: "copier", Tracer: tracer,
		Brokers: []string{cluster.Addr()}, Registry: registry, StateDir: t.TempDir()}, p)
	if err != nil {
		t.Fatal(err)
	}
	headers := make(map[string]string)
	for len(headers) < 2 && ctx.Err() == nil {
		for _, rec := range cl.PollFetches(ctx).Records() {
			headers[string(rec.Key)] = ""
			for _, h := range rec.Headers {
				if h.Key == "traceparent" {
					headers[string(rec.Key)] += string(h.Value)
				}
			}
		}
	}
	in.Stop()
	if err := in.Wait(); err != nil {
		t.Error(err)
	}
	return headers
}

// TestWhoIsFollowed: the header decides where there is one, the ratio where there is none, and the
// rate bounds both.
func TestWhoIsFollowed(t *testing.T) {
	record := func(header string) *kgo.Record {
		if header == "" {
			return &kgo.Record{Topic: "t"}
		}
		return &kgo.Record{Topic: "t", Headers: []kgo.RecordHeader{{Key: "other"},
			{Key: "traceparent", Value: []byte(header)}}}
	}
	for _, c := range []struct {
		header string
		cfg    Config
		want   int
	}{
		{sampled, Config{Ratio: 0, PerSecond: 1000}, 20},
		{unsampled, Config{Ratio: 1, PerSecond: 1000}, 0},
		{"", Config{Ratio: 1, PerSecond: 1000}, 20},
		{"", Config{Ratio: 0, PerSecond: 1000}, 0},
		{"00-zz", Config{Ratio: 1, PerSecond: 1000}, 20}, // no valid header is none
		{sampled, Config{PerSecond: 1e-9}, 1},
	} {
		tracer, n := newTracer(c.cfg), 0
		for range 20 {
			if s := tracer.Record("t-0", record(c.header)); s != nil {
				s.End(nil)
				n++
			}
		}
		if n != c.want {
			t.Errorf("header %q, %+v: %d of 20 are followed, want %d", c.header, c.cfg, n, c.want)
		}
		if err := tracer.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestFailures: a step and an epoch that fail say so.
func TestFailures(t *testing.T) {
	kept := tracetest.NewSpanRecorder()
	tracer := newTracer(Config{Ratio: 1}, sdktrace.WithSpanProcessor(kept))
	r := tracer.Record("t-0", &kgo.Record{Topic: "t"})
	r.Decoded()
	r.End(errors.New("no"))
	tracer.Epoch(processor.EpochTrace{Commit: 3}, []processor.RecordTrace{r})(errors.New("fenced"))
	failed := make(map[string]bool)
	for _, s := range kept.Ended() {
		failed[s.Name()] = s.Status().Code == codes.Error
	}
	if failed["decode"] || !failed["step"] || !failed["process t"] || !failed["commit"] {
		t.Errorf("failed: %v", failed)
	}
}

func TestOn(t *testing.T) {
	for _, c := range []struct {
		endpoint, environ string
		want              bool
	}{
		{"", "", false}, {"http://c:4318", "", true},
		{"", "OTEL_EXPORTER_OTLP_ENDPOINT=http://c", true},
		{"", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://c", true},
		{"", "OTEL_EXPORTER_OTLP_ENDPOINT=", false}, {"http://c", "OTEL_SDK_DISABLED=true", false},
		{"http://c", "OTEL_TRACES_EXPORTER=none", false},
	} {
		if got := On(c.endpoint, []string{"HOME=x", c.environ}); got != c.want {
			t.Errorf("endpoint %q, %q: %v", c.endpoint, c.environ, got)
		}
	}
}

// BenchmarkNotFollowed is what a record costs that is not followed.
func BenchmarkNotFollowed(b *testing.B) {
	tracer, rec := newTracer(Config{Ratio: 0.000001}), &kgo.Record{Topic: "t"}
	b.ReportAllocs()
	for b.Loop() {
		tracer.Record("t-0", rec)
	}
}
