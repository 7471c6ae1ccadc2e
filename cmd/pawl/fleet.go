package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"pawl/integration/harness/process"
	"pawl/internal/settings"
)

// startsWithoutRunning is how often an instance may end by itself before it ever ran; then what it
// says is the answer.
const startsWithoutRunning = 3

// fleet keeps a number of instances running.
type fleet struct {
	spec    fleetSpec
	members []*instance
	client  *http.Client
	event   func(text string)

	wait     sync.WaitGroup
	ending   sync.Once
	stopping chan struct{}
	failed   chan error // one that cannot run at all
}

// fleetSpec says what the instances are.
type fleetSpec struct {
	exe      string
	pipeline string
	dir      string // for state, settings and logs
	count    int
	settings *settings.Settings
	token    string // api.token
	override map[string]string
	event    func(text string)
	profile  string // where each instance has a folder for its profiles; "": none are taken

	// environ, when set, gives further environment of an instance's process.
	environ func(name string) ([]string, error)
	// ended, when set, is told of each end of a process that nobody asked for, and decides whether
	// it is started again.
	ended func(m *instance, proc *process.Process) error
}

// newFleet starts nothing yet.
func newFleet(spec fleetSpec) *fleet {
	return &fleet{spec: spec, client: statusClient(spec.token), event: spec.event,
		stopping: make(chan struct{}), failed: make(chan error, spec.count)}
}

// start writes each instance's settings file and starts it. End the fleet with stop or kill, also
// after an error.
func (f *fleet) start(ctx context.Context) error {
	for n := range f.spec.count {
		member, err := f.spec.member(n + 1)
		if err == nil {
			err = member.start()
		}
		if err != nil {
			return fmt.Errorf("start instance %d of %s: %w", n+1, f.spec.pipeline, err)
		}
		f.members = append(f.members, member)
	}
	for _, member := range f.members {
		f.wait.Go(func() { f.keep(ctx, member) })
	}
	for _, member := range f.members {
		f.wait.Go(func() { f.poll(ctx, member) })
	}
	return nil
}

// member is the nth instance, with a state directory of its own.
func (s fleetSpec) member(n int) (*instance, error) {
	name := fmt.Sprintf("%s-%d", s.pipeline, n)
	override := map[string]string{
		"instance.id":     name,
		"state.dir":       filepath.Join(s.dir, "state-"+name),
		"http.listen":     "127.0.0.1:0",
		"http.advertised": "",
		"log.format":      "text",
		// They are asked by this process, at addresses that no certificate is for.
		apiCert: "", apiKey: "", apiCA: "", apiClientCA: "",
	}
	for key, value := range s.override {
		override[key] = value
	}
	file := filepath.Join(s.dir, name+".yaml")
	if err := s.settings.WriteFile(file, override); err != nil {
		return nil, err
	}
	args := []string{"run", s.pipeline, "--config", file}
	if s.profile != "" {
		args = append(args, "--profile", filepath.Join(s.profile, name))
	}
	for _, key := range sortedKeys(override) {
		if s.settings.FromEnviron(key) { // the child would see the variable, over its file
			args = append(args, "--set", key+"="+override[key])
		}
	}
	m := &instance{name: name, dir: override["state.dir"], spec: process.Spec{Name: name,
		Path: s.exe, Args: args, Log: filepath.Join(s.dir, name+".log")}}
	if s.environ != nil {
		var err error
		if m.spec.Env, err = s.environ(name); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// keep starts the member again whenever it ends, at once when it was killed.
func (f *fleet) keep(ctx context.Context, m *instance) {
	failures := 0
	for {
		proc := m.process()
		select {
		case <-proc.Done():
		case <-f.stopping:
			return
		}
		select {
		case <-f.stopping:
			return
		default:
		}
		if last, _ := m.known(); last != nil {
			failures = 0
		}
		if code := proc.ExitCode(); code >= 0 || f.spec.ended != nil {
			failures++
			if err := f.judge(m, proc, failures); err != nil {
				f.failed <- err
				return
			}
			if code >= 0 && !f.pause(ctx, time.After(time.Second)) {
				return
			}
		}
		if !f.pause(ctx, m.released()) {
			return
		}
		if err := m.start(); err != nil {
			f.failed <- fmt.Errorf("start %s again: %w", m.name, err)
			return
		}
	}
}

// judge tells of an end that nobody asked for; an error says that it was the last one.
func (f *fleet) judge(m *instance, proc *process.Process, failures int) error {
	if f.spec.ended != nil {
		return f.spec.ended(m, proc)
	}
	code := proc.ExitCode()
	f.event(fmt.Sprintf("%s ended by itself with exit code %d, see %s", m.name, code,
		proc.LogPath()))
	if failures >= startsWithoutRunning || code == exitRefused {
		return fmt.Errorf("%s cannot run; it said:\n%s", m.name, proc.Tail(10))
	}
	return nil
}

// pause waits for until, and tells whether the fleet goes on.
func (f *fleet) pause(ctx context.Context, until <-chan time.Time) bool {
	select {
	case <-until:
		return true
	case <-ctx.Done():
	case <-f.stopping:
	}
	return false
}

// poll keeps a member's status fresh. Each member has its own: a frozen one holds up no other.
func (f *fleet) poll(ctx context.Context, m *instance) {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		case <-f.stopping:
			return
		}
		m.poll(ctx, f.client)
	}
}

// runs tells whether any live member has the place's task running.
func (f *fleet) runs(p place) bool {
	for _, m := range f.members {
		last, _ := m.known()
		if last != nil && m.process().Running() && last.runs(p) {
			return true
		}
	}
	return false
}

// end ends the goroutines; from then on nothing is started again.
func (f *fleet) end() {
	f.ending.Do(func() { close(f.stopping) })
	f.wait.Wait()
}

// stop asks every member to stop tidily and waits; one that takes longer than limit is killed.
func (f *fleet) stop(limit time.Duration) error {
	f.end()
	errs := make([]error, len(f.members))
	var stopped sync.WaitGroup
	for n, m := range f.members {
		stopped.Go(func() {
			if !m.process().Running() {
				return
			}
			errs[n] = m.process().Stop(limit)
			if errs[n] == nil && m.process().ExitCode() != exitOK {
				errs[n] = fmt.Errorf("%s stopped with exit code %d:\n%s", m.name,
					m.process().ExitCode(), m.process().Tail(10))
			}
		})
	}
	stopped.Wait()
	f.client.CloseIdleConnections()
	return errors.Join(errs...)
}

// kill ends everything without ado; after stop it does nothing.
func (f *fleet) kill() {
	f.end()
	for _, m := range f.members {
		m.process().Kill9()
	}
	f.client.CloseIdleConnections()
}
