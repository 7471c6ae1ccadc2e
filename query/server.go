package query

import (
	"context"
	"net/http"
	"runtime/debug"
	"time"
)

// Options is what New makes a handler of.
type Options struct {
	// State gives the state of this process, nil while there is none yet. It must answer quickly.
	State func() State
	// Directory knows where the other tasks are.
	Directory Directory
	// Address is where others reach this instance, "" when they do not.
	Address string
	// Token, when set, is what requests must carry and what is sent to other instances.
	Token string
	// RequestsPerSecond bounds what is answered; 0 means no bound.
	RequestsPerSecond float64
	// Timeout bounds one request, with the waiting that it asks for. Default 35s.
	Timeout time.Duration
	// FraudSpan, IoTSpan and PageViewsSpan are the windows of the pipelines' own answers.
	FraudSpan, IoTSpan, PageViewsSpan time.Duration
	// PageViewsGrace is how far the watermark must pass a second before it counts.
	PageViewsGrace time.Duration
	// Panicked is told of a handler that panicked, and its stack. Default: nobody.
	Panicked func(what any, stack []byte)
}

type server struct {
	options Options
	client  *http.Client
}

// New is the handler of /v1 and of the OpenAPI description. Close frees what it keeps open to other
// instances. Guard is left to the caller, whose other paths need it too.
func New(o Options) (h http.Handler, close func()) {
	if o.Timeout == 0 {
		o.Timeout = waitMax + 5*time.Second
	}
	if o.Panicked == nil {
		o.Panicked = func(any, []byte) {}
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: time.Minute,
		ResponseHeaderTimeout: o.Timeout}
	s := &server{options: o, client: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for the instance that was asked
		}}}
	mux := http.NewServeMux()
	for path, handler := range s.routes() {
		mux.HandleFunc("GET "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "GET, HEAD")
			refuse(http.StatusMethodNotAllowed, "%s %s is not possible; use GET", r.Method,
				r.URL.Path).write(w, r)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(http.StatusNotFound, "there is no %.200q; /openapi.yaml lists what there is",
			r.URL.Path).write(w, r)
	})
	return identified(s.recovering(limited(o.RequestsPerSecond, s.timed(mux)))),
		transport.CloseIdleConnections
}

// routes are the paths with what answers them.
func (s *server) routes() map[string]http.HandlerFunc {
	only := s.only
	return map[string]http.HandlerFunc{
		"/openapi.yaml":                                 answerYAML,
		"/openapi.json":                                 answerJSON,
		"/v1/state/keyvalue/{store}/{key}":              keyValue().handle(s),
		"/v1/state/keyvalues/{store}":                   keyValues().handle(s),
		"/v1/state/keyvalues/{store}/range/{from}/{to}": keyRange().handle(s),
		"/v1/state/windowed/{store}/{key}/{from}/{to}":  windowed().handle(s),
		"/v1/state/instances":                           s.instances,
		"/v1/tasks":                                     s.tasks,
		"/v1/pageviews/top":                             only("pageviews", s.topPages().handle(s)),
		"/v1/fraud/users/{id}":                          only("fraud", s.fraudUser().handle(s)),
		"/v1/iot/sensors/{id}":                          only("iot", s.sensor().handle(s)),
		"/v1/activity/users/{id}":                       only("activity", activeUser().handle(s)),
		"/v1/funnel":                                    only("funnel", funnel().handle(s)),
		"/v1/topology":                                  s.topology().handle(s),
		"/v1/windows/{store}/{key}":                     windows().handle(s),
	}
}

// only answers 404 where another pipeline runs.
func (s *server) only(pipeline string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if state := s.options.State(); state != nil && state.Shape().Pipeline != pipeline {
			refuse(http.StatusNotFound, "this is an instance of %s, and %s is answered by those "+
				"of %s", state.Shape().Pipeline, r.URL.Path, pipeline).write(w, r)
			return
		}
		next(w, r)
	}
}

// timed ends a request that takes too long.
func (s *server) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.options.Timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// recovering answers 500 for a handler that panics: the tasks go on.
func (s *server) recovering(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			what := recover()
			if what == nil {
				return
			}
			s.options.Panicked(what, debug.Stack())
			refuse(http.StatusInternalServerError, "request %s failed inside; the log has why",
				w.Header().Get(requestID)).write(w, r)
		}()
		next.ServeHTTP(w, r)
	})
}
