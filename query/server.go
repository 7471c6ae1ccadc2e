package query

import (
	"context"
	"net"
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
	// Past reads checkpoints; nil where there are none.
	Past Past
	// DialTLS connects to other instances where these speak TLS; nil where they do not.
	DialTLS func(ctx context.Context, network, address string) (net.Conn, error)
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
	// Alerts are what AlertsTopic has, and Feed is what /v1/events sends; nil for none of them.
	Alerts      Alerts
	AlertsTopic string
	Feed        *Feed
	// DeadLetters handles the application's dead letters; nil while it cannot be done.
	DeadLetters DeadLetters
	// Steering gives what pauses and drains this process, nil while there is nothing to.
	Steering func() Steering
	// Panicked is told of a handler that panicked, and its stack. Default: nobody.
	Panicked func(what any, stack []byte)
}

type server struct {
	options Options
	client  *http.Client
	stands  *stands
	bodies  bodies
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
		DisableCompression: true, ResponseHeaderTimeout: o.Timeout, DialTLSContext: o.DialTLS}
	s := &server{options: o, stands: newStands(), client: &http.Client{Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for the instance that was asked
		}}}
	mux := http.NewServeMux()
	for path, handler := range s.routes() {
		mux.HandleFunc("GET "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			may := methods(path)
			w.Header().Set("Allow", may)
			refuse(http.StatusMethodNotAllowed, "%.20s %.200s is not possible; use %s", r.Method,
				r.URL.Path, may).write(w, r)
		})
	}
	for path, handler := range s.actions() {
		mux.HandleFunc("POST "+path, handler)
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", "POST")
			refuse(http.StatusMethodNotAllowed, "%s %s is not possible; use POST", r.Method,
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

// methods are what a path takes, as the header Allow has them. What is changed with POST is the
// caller's affair.
func methods(path string) string {
	if path == "/v1/checkpoints" {
		return "GET, HEAD, POST"
	}
	return "GET, HEAD"
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
		"/v1/checkpoints":                               s.checkpoints,
		"/v1/pageviews/top":                             only("pageviews", s.topPages().handle(s)),
		"/v1/fraud/users/{id}":                          only("fraud", s.fraudUser().handle(s)),
		"/v1/iot/sensors/{id}":                          only("iot", s.sensor().handle(s)),
		"/v1/activity/users/{id}":                       only("activity", activeUser().handle(s)),
		"/v1/funnel":                                    only("funnel", funnel().handle(s)),
		"/v1/fraud/alerts":                              only("fraud", s.alerts(fraudAlerts())),
		"/v1/iot/alerts":                                only("iot", s.alerts(iotAlerts())),
		eventsPath:                                      s.events,
		"/v1/topology":                                  s.topology().handle(s),
		"/v1/windows/{store}/{key}":                     windows().handle(s),
		"/v1/deadletters":                               s.listLetters,
		"/v1/deadletters/{id}":                          s.showLetter,
	}
}

// actions are the paths that change something, by POST.
func (s *server) actions() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"/v1/deadletters/{id}/retry":   s.retryLetter,
		"/v1/deadletters/{id}/discard": s.discardLetter,
		"/v1/pause":                    s.steer(steerPause),
		"/v1/resume":                   s.steer(steerResume),
		"/v1/drain":                    s.steer(steerDrain),
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

// timed ends a request that takes too long, but for the one that is to.
func (s *server) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == eventsPath {
			next.ServeHTTP(w, r)
			return
		}
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
