package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/deadletter"
	"pawl/internal/settings"
	"pawl/processor"
	"pawl/query"
	"pawl/query/past"
)

// advertised is where the other instances reach this one's HTTP: what the settings say, or where it
// listens, if that is an address that they can use.
func (a *app) advertised(s *settings.Settings, at net.Addr) string {
	if told := s.Text("http.advertised"); told != "" {
		return told
	}
	tcp, ok := at.(*net.TCPAddr)
	if !ok || tcp.IP.IsUnspecified() {
		fmt.Fprintf(a.stderr, "notice: http.listen=%s is no address that other instances can use, "+
			"so they cannot answer for this one's keys; set http.advertised\n",
			s.Text("http.listen"))
		return ""
	}
	return tcp.String()
}

// serveHTTP listens as the settings say, until stop is called.
func (a *app) serveHTTP(ctx context.Context, s *settings.Settings, svc *service,
	cfg *processor.Config, log *slog.Logger) (stop func(), err error) {
	addr := s.Text("http.listen")
	if addr == "off" {
		return func() {}, nil
	}
	files, err := openAPIFiles(s)
	if err != nil {
		return nil, s.Explain(err)
	}
	if text := files.mistrusted(); text != "" {
		fmt.Fprintln(a.stderr, "notice:", text)
	}
	listener, err := listen(ctx, addr)
	if err != nil {
		return nil, err
	}
	cfg.Advertise = a.advertised(s, listener.Addr())
	svc.keepPast(s, cfg, log)
	at := listener.Addr()
	if encrypted := files.server(); encrypted != nil {
		files.fault = func(err error) { log.Warn("certificates", "error", err) }
		listener = tls.NewListener(listener, encrypted)
	} else {
		files = nil // api.tls.ca alone is for commands
	}
	closeAlerts := svc.openFeed(s, cfg)
	closeAPI := svc.serveAPI(s, cfg.Advertise, files, log)
	stopServing := serveOn(ctx, listener, svc.handler())
	fmt.Fprintf(a.stdout, "http: listening on %s\n", at)
	return func() {
		svc.feed.Close() // or its clients would be waited for
		stopServing()
		closeAPI()
		closeAlerts()
	}, nil
}

// keepPast makes checkpoints readable, where there is storage of them.
func (s *service) keepPast(set *settings.Settings, cfg *processor.Config, log *slog.Logger) {
	copies := cfg.Checkpoints
	if copies.Target == nil {
		return
	}
	s.past = past.New(past.Config{Target: copies.Target, Limits: copies.Config.Limits,
		Application: cfg.ApplicationID, Pipeline: s.pipeline,
		Dir:      filepath.Join(cfg.StateDir, cfg.ApplicationID+".as-of"),
		MaxBytes: set.Bytes("checkpoint.read.max.bytes"),
		Fault:    func(err error) { log.Warn("checkpoints of the past", "error", err) }})
}

// beginPast lets checkpoints be read; state.dir is this process's by now.
func (s *service) beginPast() {
	if s.past != nil {
		s.past.Start()
	}
}

// endPast deletes what was read of checkpoints.
func (s *service) endPast() {
	if s.past != nil {
		s.past.Close()
	}
}

// serveAPI makes the handler of /v1. close frees its connections to other instances.
func (s *service) serveAPI(set *settings.Settings, address string, files *apiFiles,
	log *slog.Logger) (close func()) {
	s.token, s.readOnly = set.Text("api.token"), set.Text("api.readonly.token")
	s.certificates = set.Text(apiClientCA) != ""
	var copies query.Past
	if s.past != nil {
		copies = s.past
	}
	views := set.PageViews()
	desk, closeDesk := openDesk(set, log)
	var stop func()
	s.api, stop = query.New(query.Options{
		DeadLetters: desk, Steering: s.steering,
		State: func() query.State {
			if in := s.instance.Load(); in != nil {
				return query.Of(in)
			}
			return nil
		},
		Directory: query.NewDirectory(func(ctx context.Context) ([]processor.Member, error) {
			if in := s.instance.Load(); in != nil {
				return in.Members(ctx)
			}
			return nil, errors.New("the instance is starting")
		}),
		Past: copies, DialTLS: files.dial(),
		Address: address, Token: s.token, RequestsPerSecond: float64(set.Int("http.rate.limit")),
		FraudSpan: set.Fraud().Span, IoTSpan: set.IoT().Span, PageViewsSpan: views.Span,
		PageViewsGrace: max(views.Grace, 0),
		Alerts:         s.alerts, AlertsTopic: s.alertsTopic, Feed: s.feed,
		Panicked: func(what any, stack []byte) {
			log.Error("a request failed inside", "panic", fmt.Sprint(what), "stack", string(stack))
		},
	})
	return func() {
		stop()
		closeDesk()
	}
}

// steering is the instance, once there is one.
func (s *service) steering() query.Steering {
	if in := s.instance.Load(); in != nil {
		return in
	}
	return nil
}

// openDesk is where an instance handles dead letters that it is asked to; nil when it cannot.
func openDesk(set *settings.Settings, log *slog.Logger) (query.DeadLetters, func()) {
	cfg := set.Processor()
	d, err := deadletter.Open(deadletter.Options{ApplicationID: cfg.ApplicationID,
		Kafka:    append([]kgo.Opt{kgo.SeedBrokers(cfg.Brokers...)}, cfg.KafkaOptions...),
		Registry: cfg.Registry, KeepTopics: cfg.KeepTopics,
		ReplicationFactor: cfg.ReplicationFactor, TransactionTimeout: cfg.TransactionTimeout})
	if err != nil {
		log.Error("dead letters cannot be handled over HTTP", "error", err)
		return nil, func() {}
	}
	return d, d.Close
}

// bearer adds a token to requests.
type bearer struct {
	token string
	next  *http.Transport
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return b.next.RoundTrip(r)
}

// CloseIdleConnections lets http.Client do so.
func (b *bearer) CloseIdleConnections() { b.next.CloseIdleConnections() }
