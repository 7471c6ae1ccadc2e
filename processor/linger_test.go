package processor

import (
	"testing"
	"time"
)

func TestLinger(t *testing.T) {
	t.Parallel()
	const asked = 40 * time.Millisecond
	for _, test := range []struct {
		name   string
		cfg    Config
		busy   bool
		dirty  int64
		leaves bool
		low    time.Duration // wait for at least this, at most that
		high   time.Duration
	}{
		{name: "what the pipeline asks for", low: 1, high: asked},
		{name: "none set", cfg: Config{CommitLinger: -1}},
		{name: "more set", cfg: Config{CommitLinger: time.Minute}, low: asked + 1,
			high: 100 * time.Millisecond},
		{name: "under load", busy: true, low: asked + 1, high: 100 * time.Millisecond},
		{name: "full", dirty: 12 << 20},
		{name: "given up", leaves: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.cfg.MemoryMax = 1 << 30
			test.cfg.EnsureDefaults()
			one := &task{}
			one.opened.Store(time.Now().UnixNano())
			one.idle.Store(!test.busy)
			one.dirty.Store(test.dirty)
			in := &Instance{cfg: test.cfg, pipe: New("p").Linger(asked), slots: map[int32]*slot{
				0: {task: one, state: TaskRunning, leaving: test.leaves}}}
			if wait := in.due(); wait < test.low || wait > test.high {
				t.Errorf("seals after %v, want %v to %v", wait, test.low, test.high)
			}
		})
	}
}

func TestNegativeLinger(t *testing.T) {
	t.Parallel()
	p := New("p").Linger(-time.Second)
	if len(p.faults) != 1 {
		t.Errorf("faults: %v", p.faults)
	}
}
