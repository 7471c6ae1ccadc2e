//go:build unix

package integration

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"pawl/pipelines/fraud"
	"pawl/processor"
)

// watcher records what one instance's tasks go through.
type watcher struct {
	mu      sync.Mutex
	states  map[string][]processor.TaskState
	running map[string]bool
	last    map[string]time.Time     // of the last commit
	gap     map[string]time.Duration // longest time between two commits
}

func newWatcher() *watcher {
	return &watcher{states: make(map[string][]processor.TaskState), running: make(map[string]bool),
		last: make(map[string]time.Time), gap: make(map[string]time.Duration)}
}

func (w *watcher) listener() processor.Listener {
	return processor.Listener{
		TaskState: func(i processor.TaskStateInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.states[i.Task] = append(w.states[i.Task], i.State)
			w.running[i.Task] = i.State == processor.TaskRunning
			if i.State == processor.TaskClosed {
				delete(w.last, i.Task)
			}
		},
		EpochCommitted: func(e processor.EpochInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			now := time.Now()
			for _, t := range e.PerTask {
				if at, ok := w.last[t.Task]; ok {
					w.gap[t.Task] = max(w.gap[t.Task], now.Sub(at))
				}
				w.last[t.Task] = now
			}
		},
	}
}

func (w *watcher) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, on := range w.running {
		if on {
			n++
		}
	}
	return n
}

// forget starts a new observation.
func (w *watcher) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.states)
	clear(w.gap)
}

// kept lists the tasks that ran here all the time, with the longest pause between their commits.
func (w *watcher) kept() (tasks []string, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for task, on := range w.running {
		if on && len(w.states[task]) == 0 {
			tasks = append(tasks, task)
			longest = max(longest, w.gap[task])
		}
	}
	return tasks, longest
}

// TestScaleOutAndIn goes from one instance to three and back under load. Nothing is lost or
// repeated, and a task that stays where it is goes through no state at all meanwhile.
func TestScaleOutAndIn(t *testing.T) {
	const tasks = 6
	s := newStage(t, shared.Kafka(t), shared.Registry(t), tasks)
	ctx, endLoad := context.WithCancel(t.Context())
	defer endLoad()
	loaded := make(chan error, 1)
	go func() {
		_, err := s.load(ctx, 5_000, 2)
		loaded <- err
	}()
	var in [3]*processor.Instance
	var watch [3]*watcher
	start := func(i int) {
		watch[i] = newWatcher()
		in[i] = s.instance(fmt.Sprintf("i%d", i), watch[i].listener(), nil)
	}
	start(0)
	s.until("one instance runs all tasks", func() bool { return watch[0].count() == tasks })
	time.Sleep(2 * time.Second)
	watch[0].forget()
	start(1)
	start(2)
	s.until("three instances share the tasks", func() bool {
		return watch[0].count() == 2 && watch[1].count() == 2 && watch[2].count() == 2
	})
	kept, pause := watch[0].kept()
	if len(kept) != 2 {
		t.Errorf("scaling out disturbed tasks that did not move: %v", watch[0].states)
	}
	t.Logf("scaling out: %v stayed, longest time between their commits %v", kept, pause)
	time.Sleep(2 * time.Second)
	watch[0].forget()
	in[1].Stop()
	in[2].Stop()
	s.until("one instance runs all tasks again", func() bool { return watch[0].count() == tasks })
	if kept, pause = watch[0].kept(); len(kept) != 2 {
		t.Errorf("scaling in disturbed tasks that did not move: %v", watch[0].states)
	}
	t.Logf("scaling in: %v stayed, longest time between their commits %v", kept, pause)
	time.Sleep(2 * time.Second)
	endLoad()
	if err := <-loaded; err != nil {
		t.Fatal(err)
	}
	s.drained(time.Minute)
	in[0].Stop()
	for i := range in {
		if err := in[i].Wait(); err != nil {
			t.Fatal(err)
		}
	}
	s.check()
}

// until polls until ok holds.
func (s *stage) until(what string, ok func() bool) {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("timed out waiting until %s", what)
		}
	}
}

// instance runs the fraud pipeline in this process.
func (s *stage) instance(name string, l processor.Listener,
	change func(*processor.Config)) *processor.Instance {
	s.t.Helper()
	cfg := processor.Config{ApplicationID: s.app, InstanceID: name, Brokers: []string{s.brokers},
		Registry: s.registry, StateDir: s.t.TempDir(), TopicPrefix: s.prefix(),
		MemoryMax: 256 << 20, Listeners: []processor.Listener{l}}
	if change != nil {
		change(&cfg)
	}
	in, err := processor.Start(s.t.Context(), cfg, fraud.New(fraud.Config{}))
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}
