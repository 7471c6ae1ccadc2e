package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"pawl/internal/metrics"
	"pawl/processor"
	"pawl/query"
	"pawl/query/dashboard"
)

// service is the instance as HTTP shows it, also before it has started.
type service struct {
	pipeline string
	metrics  *metrics.Metrics
	instance atomic.Pointer[processor.Instance]
	token    string       // what requests must carry; "" for none
	api      http.Handler // of /v1
}

func newService(pipeline string) *service {
	s := &service{pipeline: pipeline, api: http.NotFoundHandler()}
	s.metrics = metrics.New(pipeline, s.status)
	s.metrics.Build(build())
	return s
}

// status is a snapshot of the instance.
func (s *service) status() processor.Status {
	in := s.instance.Load()
	if in == nil {
		return processor.Status{State: "CREATED", Reason: "the instance is starting"}
	}
	return in.Status()
}

// handler routes the service's paths; whatever goes wrong is answered as problem+json.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("pong\n")) // the client may have gone
	})
	mux.HandleFunc("GET /ready", func(w http.ResponseWriter, _ *http.Request) {
		answerReady(w, s.status())
	})
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, "application/json", http.StatusOK,
			reportStatus(s.pipeline, s.status(), s.metrics.Totals()))
	})
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.HandleFunc(checkpointsPath, s.takeCheckpoints)
	for _, path := range []string{"/ping", "/ready", "/status", "/metrics"} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, problem{Status: http.StatusMethodNotAllowed,
				Detail: fmt.Sprintf("%s %s is not possible; use GET", r.Method, r.URL.Path)})
		})
	}
	for _, path := range []string{"/v1/", "/openapi.yaml", "/openapi.json"} {
		mux.Handle(path, s.api)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem{Status: http.StatusNotFound, Detail: fmt.Sprintf(
			"there is no %s; try /, /ping, /ready, /status, /metrics or what /openapi.yaml "+
				"lists", r.URL.Path)})
	})
	return withDashboard(s.pipeline, query.Guard(s.token, mux, "/ping", "/ready"))
}

// withDashboard adds the dashboard, which holds no data and so needs no token.
func withDashboard(pipeline string, next http.Handler) http.Handler {
	page, where := dashboard.Handler(), dashboard.Instance(pipeline)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch at := r.URL.Path; {
		case at == "/" || strings.HasPrefix(at, "/assets/"):
			page.ServeHTTP(w, r)
		case at == "/dashboard.json":
			where.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// serve listens on addr and serves until stop is called, which waits for requests under way.
func serve(ctx context.Context, addr string, h http.Handler) (at string, stop func(), err error) {
	listener, err := listen(ctx, addr)
	if err != nil {
		return "", nil, err
	}
	return listener.Addr().String(), serveOn(ctx, listener, h), nil
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on http.listen=%s: %w", addr, err)
	}
	return listener, nil
}

// serveOn serves until stop is called.
func serveOn(ctx context.Context, listener net.Listener, h http.Handler) (stop func()) {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(listener) // always ErrServerClosed, by stop
	}()
	return func() {
		// The caller's context has ended by now; requests get a moment of their own.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(grace); errors.Is(err, context.DeadlineExceeded) {
			_ = server.Close() // a reader that does not read keeps nobody waiting
		}
		<-ended
	}
}

// problem is an error answer of RFC 9457.
type problem struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail"`
	State  string      `json:"instance_state,omitempty"`
	Tasks  []taskReady `json:"tasks,omitempty"`
}

func writeProblem(w http.ResponseWriter, p problem) {
	p.Type, p.Title = "about:blank", http.StatusText(p.Status)
	writeJSON(w, "application/problem+json", p.Status, p)
}

func writeJSON(w http.ResponseWriter, kind string, status int, body any) {
	encoded, err := json.Marshal(body)
	if err != nil {
		status, encoded = http.StatusInternalServerError, []byte(`{"title":"cannot encode"}`)
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	_, _ = w.Write(append(encoded, '\n')) // the client may have gone
}
