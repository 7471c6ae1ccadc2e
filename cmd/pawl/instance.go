package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"pawl/integration/harness/process"
	"pawl/internal/metrics"
)

// listeningAt is what a service prints before its address.
const listeningAt = "http: listening on "

// instance is `pawl run` as a child process, which can be killed and started again. Its parent's
// death kills it too.
type instance struct {
	name string
	dir  string // of its state
	spec process.Spec

	mu     sync.Mutex
	proc   *process.Process
	addr   string // of its HTTP server; empty until it has told
	logged int64  // size of the log when the process was started
	last   *statusReport
	before metrics.Totals // of the processes before this one
	once   []string       // environment of the next process alone
	held   chan time.Time // not nil while no process may be started; closed when one may
	asked  bool           // somebody is about to end the process, or has it end itself
	starts int
}

// start starts the process; an earlier one must have ended.
func (i *instance) start() error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.logged = 0
	if info, err := os.Stat(i.spec.Log); err == nil {
		i.logged = info.Size()
	}
	spec := i.spec
	spec.Env = slices.Concat(spec.Env, i.once)
	proc, err := process.Start(spec)
	if err != nil {
		return err
	}
	i.once, i.asked = nil, len(i.once) > 0
	i.starts++
	if i.last != nil {
		i.before = i.before.Plus(i.last.Totals)
	}
	i.proc, i.addr, i.last = proc, "", nil
	return nil
}

// hold keeps the fleet from starting the instance again until release is called, once.
func (i *instance) hold() (release func()) {
	i.mu.Lock()
	defer i.mu.Unlock()
	held := make(chan time.Time)
	i.held = held
	return func() { close(held) }
}

// released is closed when the instance may be started.
func (i *instance) released() <-chan time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.held == nil {
		i.held = make(chan time.Time)
		close(i.held)
	}
	return i.held
}

// expectEnd says that the process is about to be ended, so that its end surprises nobody. The next
// process has env in its environment.
func (i *instance) expectEnd(env ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.asked, i.once = true, env
}

// current is the process that was started last, and where it begins in the log.
func (i *instance) current() (proc *process.Process, from int64) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.proc, i.logged
}

// saidSince tells whether a log has the text after an offset.
func saidSince(log string, from int64, text string) bool {
	all, err := os.ReadFile(log)
	return err == nil && int64(len(all)) > from && strings.Contains(string(all[from:]), text)
}

// started is how often a process was started.
func (i *instance) started() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.starts
}

// expected tells whether somebody asked for the end of the process.
func (i *instance) expected() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked
}

// process is the one that was started last.
func (i *instance) process() *process.Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.proc
}

// poll asks the process for its status; nil while it cannot answer.
func (i *instance) poll(ctx context.Context, client *http.Client) *statusReport {
	i.mu.Lock()
	proc, addr, logged := i.proc, i.addr, i.logged
	i.mu.Unlock()
	if proc == nil || !proc.Running() {
		return nil
	}
	if addr == "" {
		addr = toldAddress(i.spec.Log, logged)
	}
	report := fetchStatus(ctx, client, addr)
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.proc != proc {
		return nil // it was replaced meanwhile
	}
	i.addr = addr
	if report == nil || report.PID != proc.PID() {
		return nil
	}
	i.last = report
	return report
}

// known is the last status of the process and the sums of all processes so far.
func (i *instance) known() (*statusReport, metrics.Totals) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.last == nil {
		return nil, i.before
	}
	return i.last, i.before.Plus(i.last.Totals)
}

// toldAddress looks for the HTTP address in the log after from.
func toldAddress(log string, from int64) string {
	text, err := os.ReadFile(log)
	if err != nil || int64(len(text)) < from {
		return ""
	}
	_, rest, found := strings.Cut(string(text[from:]), listeningAt)
	line, _, complete := strings.Cut(rest, "\n")
	if !found || !complete {
		return ""
	}
	return line
}

func fetchStatus(ctx context.Context, client *http.Client, addr string) *statusReport {
	if addr == "" {
		return nil
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://%s/status", addr), nil)
	if err != nil {
		return nil
	}
	response, err := client.Do(request)
	if err != nil {
		return nil // it is starting, frozen or dead; the process tells which
	}
	defer response.Body.Close()
	var report statusReport
	if response.StatusCode != http.StatusOK ||
		json.NewDecoder(response.Body).Decode(&report) != nil {
		return nil
	}
	return &report
}

// runs tells whether the status has the task of a place running.
func (r *statusReport) runs(p place) bool {
	for _, t := range r.Tasks {
		for _, in := range t.Inputs {
			if in.Topic == p.topic && in.Partition == p.partition {
				return t.State == "RUNNING"
			}
		}
	}
	return false
}

// places are the input partitions of the status' tasks.
func (r *statusReport) places() []place {
	var all []place
	for _, t := range r.Tasks {
		for _, in := range t.Inputs {
			all = append(all, place{in.Topic, in.Partition})
		}
	}
	return all
}

// statusClient gives up soon: a status is asked for several times a second.
func statusClient(token string) *http.Client {
	return &http.Client{Timeout: time.Second, Transport: &bearer{token: token,
		next: &http.Transport{DisableKeepAlives: true}}}
}
