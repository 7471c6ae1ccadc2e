package tracing

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"
)

// Config says where spans go and whose they are.
type Config struct {
	// Endpoint is the collector's URL for OTLP over HTTP; /v1/traces is added where it has no path.
	// "" leaves it to OpenTelemetry's environment variables.
	Endpoint string
	// Ratio of the records without a traceparent header that are followed, 0 to 1.
	Ratio float64
	// PerSecond bounds how many records are followed, whatever their headers say. Default 100.
	PerSecond float64
	// Application is the service's name, unless OTEL_SERVICE_NAME gives one.
	Application string
	// Version of the binary.
	Version string
	// OnError is told what goes wrong with the export. May be nil.
	OnError func(error)
}

// On tells whether there is a place for spans: an endpoint, or environment variables of
// OpenTelemetry that name one and don't switch it off.
func On(endpoint string, environ []string) bool {
	set := func(name, value string) bool { return slices.Contains(environ, name+"="+value) }
	if set("OTEL_SDK_DISABLED", "true") || set("OTEL_TRACES_EXPORTER", "none") {
		return false
	}
	return endpoint != "" || slices.ContainsFunc(environ, func(pair string) bool {
		name, value, _ := strings.Cut(pair, "=")
		return value != "" && (name == "OTEL_EXPORTER_OTLP_ENDPOINT" ||
			name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
	})
}

// Tracer is a processor.Tracer that sends spans to a collector.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	ratio    float64
	limit    *rate.Limiter
}

// New starts the export. A collector that cannot be reached loses spans and nothing else.
func New(ctx context.Context, cfg Config) (*Tracer, error) {
	var opts []otlptracehttp.Option
	if cfg.Endpoint != "" {
		u, err := url.Parse(cfg.Endpoint)
		if err != nil {
			return nil, fmt.Errorf("otel.endpoint=%s: %w", cfg.Endpoint, err)
		}
		if strings.Trim(u.Path, "/") == "" {
			u.Path = "/v1/traces"
		}
		opts = append(opts, otlptracehttp.WithEndpointURL(u.String()))
	}
	exporter, err := otlptracehttp.New(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("start the export of traces: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(),
		resource.WithAttributes(attribute.String("service.name", cfg.Application),
			attribute.String("service.version", cfg.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the source of traces: %w", err)
	}
	if cfg.OnError != nil {
		otel.SetErrorHandler(otel.ErrorHandlerFunc(cfg.OnError))
	}
	return newTracer(cfg, sdktrace.WithBatcher(exporter), sdktrace.WithResource(about)), nil
}

func newTracer(cfg Config, opts ...sdktrace.TracerProviderOption) *Tracer {
	if cfg.PerSecond == 0 {
		cfg.PerSecond = 100
	}
	// What is followed is decided here; whatever is begun is exported.
	provider := sdktrace.NewTracerProvider(append(opts,
		sdktrace.WithSampler(sdktrace.AlwaysSample()))...)
	return &Tracer{provider: provider, tracer: provider.Tracer("pawl"), ratio: cfg.Ratio,
		limit: rate.NewLimiter(rate.Limit(cfg.PerSecond), int(max(cfg.PerSecond, 1)))}
}

// closeWait bounds how long a stop waits for the collector.
const closeWait = 3 * time.Second

// Close sends what is left, for at most three seconds.
func (t *Tracer) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeWait)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		return fmt.Errorf("end the export of traces: %w", err)
	}
	return nil
}
