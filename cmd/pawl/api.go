package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/deadletter"
	"pawl/internal/settings"
	"pawl/processor"
	"pawl/query"
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

// serveAPI makes the handler of /v1. close frees its connections to other instances.
func (s *service) serveAPI(set *settings.Settings, address string, log *slog.Logger) (
	close func()) {
	s.token = set.Text("api.token")
	views := set.PageViews()
	desk, closeDesk := openDesk(set, log)
	var stop func()
	s.api, stop = query.New(query.Options{
		DeadLetters: desk,
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
		Address: address, Token: s.token, RequestsPerSecond: float64(set.Int("http.rate.limit")),
		FraudSpan: set.Fraud().Span, IoTSpan: set.IoT().Span, PageViewsSpan: views.Span,
		PageViewsGrace: max(views.Grace, 0),
		Panicked: func(what any, stack []byte) {
			log.Error("a request failed inside", "panic", fmt.Sprint(what), "stack", string(stack))
		},
	})
	return func() {
		stop()
		closeDesk()
	}
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
