package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

// proxies leads /p/PIPELINE/… to an instance of the pipeline, streams too. free closes connections.
func (c *console) proxies() (h http.Handler, free func()) {
	var all []*upInstances
	mux := http.NewServeMux()
	for _, t := range c.stage.acts {
		up := &upInstances{pipeline: t.pipeline.name, members: t.fleet.addresses,
			next: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
				ResponseHeaderTimeout: 40 * time.Second}}
		all = append(all, up)
		mux.Handle("/p/"+t.pipeline.name+"/", up.proxy())
	}
	mux.HandleFunc("/p/", func(w http.ResponseWriter, r *http.Request) {
		rest := strings.TrimPrefix(r.URL.Path, "/p/")
		name, _, _ := strings.Cut(rest, "/")
		if c.act(w, name) != nil {
			writeProblem(w, problem{Status: http.StatusNotFound,
				Detail: fmt.Sprintf("there is no %.200q", r.URL.Path)})
		}
	})
	return mux, func() {
		for _, up := range all {
			up.next.CloseIdleConnections()
		}
	}
}

// addresses are those of the instances that can be asked now.
func (f *fleet) addresses() []string {
	var running, others []string
	for _, m := range f.members {
		switch s := m.standing(); {
		case s.Addr == "":
		case s.State == "RUNNING":
			running = append(running, s.Addr)
		default:
			others = append(others, s.Addr)
		}
	}
	return append(running, others...)
}

// upInstances is a transport to whichever instance of a pipeline answers.
type upInstances struct {
	pipeline string
	members  func() []string
	next     *http.Transport
}

// errNoneUp says that there is nobody to ask.
var errNoneUp = errors.New("no instance is up")

// proxy is the reverse proxy of a pipeline. The path stays escaped as it is: keys have slashes.
func (u *upInstances) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			path := strings.TrimPrefix(r.In.URL.EscapedPath(), "/p/"+u.pipeline)
			plain, err := url.PathUnescape(path)
			if err != nil {
				plain, path = path, "" // unreachable: the server has read it
			}
			r.Out.URL.Scheme, r.Out.URL.Host = "http", u.pipeline
			r.Out.URL.Path, r.Out.URL.RawPath = plain, path
			r.Out.Host = ""
		},
		Transport:     u,
		FlushInterval: -1, // an event is of now
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			w.Header().Set("Retry-After", "1")
			status := http.StatusBadGateway
			if errors.Is(err, errNoneUp) {
				status = http.StatusServiceUnavailable
			}
			writeProblem(w, problem{Status: status,
				Detail: fmt.Sprintf("%s: %v; try again", u.pipeline, err)})
		},
	}
}

// RoundTrip implements http.RoundTripper. What only looks is tried with each instance: one that was
// just killed refuses.
func (u *upInstances) RoundTrip(r *http.Request) (*http.Response, error) {
	err := errNoneUp
	for _, addr := range u.members() {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		ask := r.Clone(r.Context())
		ask.URL.Host = addr
		response, failed := u.next.RoundTrip(ask)
		if failed == nil {
			return response, nil
		}
		err = failed
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			break
		}
	}
	return nil, err
}
