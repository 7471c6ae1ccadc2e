package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"pawl/query"
	"pawl/query/dashboard"
)

// consoleAddress is where the demo's console is when nothing else is asked for.
const consoleAddress = "127.0.0.1:8080"

// holdMax bounds how long a verified pipeline's load may stay paused.
const holdMax = time.Minute

// console is what a demo serves: the dashboard of all its pipelines, the way to their instances,
// and the orders to kill and to verify.
type console struct {
	stage *stage
	token string // what requests must carry, as those to an instance; "" for none
	local bool   // it listens where this machine alone can reach it
}

// listenConsole listens on the asked address, on the usual one, or on any; nil for off.
func listenConsole(ctx context.Context, asked string) (net.Listener, error) {
	if asked == "off" {
		return nil, nil
	}
	open := func(addr string) (net.Listener, error) {
		return new(net.ListenConfig).Listen(ctx, "tcp", addr)
	}
	if asked != "" {
		l, err := open(asked)
		if err != nil {
			return nil, usage("--http=%s: %v; give another address, or off", asked, err)
		}
		return l, nil
	}
	l, err := open(consoleAddress)
	if errors.Is(err, syscall.EADDRINUSE) {
		l, err = open("127.0.0.1:0")
	}
	if err != nil {
		return nil, fmt.Errorf("listen for the dashboard; --http off goes without: %w", err)
	}
	return l, nil
}

// openConsole serves the console until stop is called, which ends requests under way.
func (st *stage) openConsole(ctx context.Context, l net.Listener, token string) (stop func()) {
	at, ok := l.Addr().(*net.TCPAddr)
	c := &console{stage: st, token: token, local: ok && at.IP.IsLoopback()}
	life, end := context.WithCancel(ctx)
	handler, free := c.handler()
	closeServer := serveOn(ctx, l, http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) { // streams would last for ever
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(life, cancel)()
			handler.ServeHTTP(w, r.WithContext(ctx))
		}))
	fmt.Fprintf(st.app.stdout, "dashboard: http://%s/\n", l.Addr())
	return func() {
		end()
		closeServer()
		free()
	}
}

// handler routes the console's paths. free closes connections to instances.
func (c *console) handler() (h http.Handler, free func()) {
	proxy, free := c.proxies()
	guarded := http.NewServeMux()
	guarded.HandleFunc("GET /demo/status", c.status)
	guarded.HandleFunc("POST /demo/kill", order(c.kill))
	guarded.HandleFunc("POST /demo/verify", order(c.verify))
	guarded.HandleFunc("/demo/", func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, problem{Status: http.StatusNotFound, Detail: fmt.Sprintf(
			"there is no %s %s; use GET /demo/status, POST /demo/kill or POST /demo/verify",
			r.Method, r.URL.Path)})
	})
	guarded.Handle("/p/", proxy)
	mux := http.NewServeMux()
	mux.Handle("/dashboard.json", c.where())
	mux.Handle("/demo/", query.Guard(c.token, guarded))
	mux.Handle("/p/", query.Guard(c.token, guarded))
	mux.Handle("/", dashboard.Handler())
	return c.trusted(mux), free
}

// trusted refuses what a page of another site makes a browser send: orders, and on this machine's
// own address anything under a name that is not this machine's. From elsewhere only who has the
// token may do more than look, as an instance takes orders from its own machine.
func (c *console) trusted(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	owner := &service{token: c.token}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		reads := r.Method == http.MethodGet || r.Method == http.MethodHead
		switch {
		case c.local && host != "localhost" && net.ParseIP(host) == nil:
			writeProblem(w, problem{Status: http.StatusMisdirectedRequest, Detail: fmt.Sprintf(
				"this is not %.100q; use the address that pawl demo printed", host)})
		case cross.Check(r) != nil:
			writeProblem(w, problem{Status: http.StatusForbidden,
				Detail: "a page of another site may not give orders here"})
		case !reads && !owner.mayAct(r):
			writeProblem(w, problem{Status: http.StatusForbidden, Detail: "orders from another " +
				"machine need api.token: set it, and send it as Authorization: Bearer TOKEN"})
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// demoOrder is the body of a POST.
type demoOrder struct {
	Pipeline string  `json:"pipeline"`
	Hold     float64 `json:"hold_seconds"`
}

// order reads a JSON body; a form of another site cannot send one.
func order(next func(w http.ResponseWriter, o demoOrder)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
		if strings.TrimSpace(kind) != "application/json" {
			writeProblem(w, problem{Status: http.StatusUnsupportedMediaType, Detail: fmt.Sprintf(
				"Content-Type is %.60q; send application/json", kind)})
			return
		}
		var o demoOrder
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			writeProblem(w, problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(
				`the body cannot be read: %v; send {"pipeline":"NAME"}`, err)})
			return
		}
		next(w, o)
	}
}

// act finds a pipeline of the demo, or answers that there is none.
func (c *console) act(w http.ResponseWriter, name string) *act {
	var known []string
	for _, t := range c.stage.acts {
		if t.pipeline.name == name {
			return t
		}
		known = append(known, t.pipeline.name)
	}
	writeProblem(w, problem{Status: http.StatusNotFound, Detail: fmt.Sprintf(
		"pipeline %.60q is not in this demo; it has %s", name, strings.Join(known, ", "))})
	return nil
}

// where tells the dashboard where it finds each pipeline.
func (c *console) where() dashboard.Where {
	at := dashboard.Where{Mode: "demo", Demo: true}
	for _, t := range c.stage.acts {
		at.Pipelines = append(at.Pipelines,
			dashboard.Pipeline{Name: t.pipeline.name, Base: "/p/" + t.pipeline.name})
	}
	return at
}

// kill crashes one instance of a pipeline.
func (c *console) kill(w http.ResponseWriter, o demoOrder) {
	t := c.act(w, o.Pipeline)
	if t == nil {
		return
	}
	var killed victim
	err := errBusy
	if !t.trial.busy() {
		killed, err = t.crasher.order()
	}
	if err == nil && killed.name == "" {
		err = fmt.Errorf("no instance of %s is up; try again", o.Pipeline)
	}
	if err != nil {
		writeProblem(w, problem{Status: http.StatusConflict, Detail: err.Error()})
		return
	}
	writeJSON(w, "application/json", http.StatusOK, map[string]any{"pipeline": o.Pipeline,
		"instance": killed.name, "pid": killed.pid})
}

// verify has a pipeline verified; the verdict is in the status once it is known.
func (c *console) verify(w http.ResponseWriter, o demoOrder) {
	t := c.act(w, o.Pipeline)
	if t == nil {
		return
	}
	if o.Hold < 0 || o.Hold > holdMax.Seconds() {
		writeProblem(w, problem{Status: http.StatusBadRequest, Detail: fmt.Sprintf(
			"hold_seconds=%v is out of range; give 0 to %v", o.Hold, holdMax.Seconds())})
		return
	}
	if err := t.trial.order(time.Duration(o.Hold * float64(time.Second))); err != nil {
		writeProblem(w, problem{Status: http.StatusConflict, Detail: err.Error()})
		return
	}
	writeJSON(w, "application/json", http.StatusAccepted,
		map[string]any{"pipeline": o.Pipeline, "verdict": verdictChecking})
}

// actStatus is one pipeline of the demo.
type actStatus struct {
	Instances    []memberStatus `json:"instances"`
	Crashes      int            `json:"crashes"`
	Recovering   bool           `json:"recovering"`
	LastRecovery *float64       `json:"last_recovery_seconds"` // null while one is under way
	Sent         int64          `json:"sent"`
	trialStatus
}

type memberStatus struct {
	Name  string `json:"name"`
	State string `json:"state"`
	PID   int    `json:"pid"`
	Addr  string `json:"addr"`
}

// status answers with what the demo does.
func (c *console) status(w http.ResponseWriter, _ *http.Request) {
	all := map[string]actStatus{}
	for _, t := range c.stage.acts {
		crashes, took, recovering := t.crasher.latest()
		one := actStatus{Instances: []memberStatus{}, Crashes: crashes, Recovering: recovering,
			Sent: t.sent.Load(), trialStatus: t.trial.status()}
		if took > 0 {
			s := seconds(took)
			one.LastRecovery = &s
		}
		for _, m := range t.fleet.members {
			one.Instances = append(one.Instances, m.standing())
		}
		slices.SortFunc(one.Instances, func(a, b memberStatus) int {
			return strings.Compare(a.Name, b.Name)
		})
		all[t.pipeline.name] = one
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, "application/json", http.StatusOK, map[string]any{"pipelines": all})
}

// standing is an instance as the console shows it; without an address it cannot be asked now.
func (i *instance) standing() memberStatus {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := memberStatus{Name: i.name, State: "starting", PID: i.proc.PID(), Addr: i.addr}
	switch {
	case !i.proc.Running():
		s.State, s.Addr = "down", ""
	case i.last != nil:
		s.State = i.last.State
	}
	return s
}
