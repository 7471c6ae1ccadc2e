package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"pawl/deadletter"
	"pawl/internal/settings"
	"pawl/processor"
	"pawl/replay"
)

const killVariable = "PAWL_KILL_AT"

// killAt is a demand to die when a point is passed for the nth time.
type killAt struct {
	point  string
	n      int64
	passed atomic.Int64
	kill   func() // replaced in tests
}

// variable is the value of a variable in the environment, of which the last one counts; "" without.
func variable(environ []string, name string) (value string) {
	for _, pair := range environ {
		if v, ok := strings.CutPrefix(pair, name+"="); ok {
			value = v
		}
	}
	return value
}

// parseKillAt reads PAWL_KILL_AT from the environment; nil without it.
func parseKillAt(environ []string) (*killAt, error) {
	value := variable(environ, killVariable)
	if value == "" {
		return nil, nil
	}
	fault := func(format string, args ...any) error {
		return settings.Faults{{Key: killVariable, Value: value, Source: "environment",
			What: fmt.Sprintf(format, args...)}}
	}
	point, count, counted := strings.Cut(value, ":")
	points := slices.Concat(processor.Points(), processor.CheckpointPoints(), replay.Points(),
		deadletter.Points())
	if !slices.Contains(points, point) {
		return nil, fault("no such point; use %s", strings.Join(points, ", "))
	}
	n := int64(1)
	if counted {
		var err error
		if n, err = strconv.ParseInt(count, 10, 64); err != nil || n < 1 {
			return nil, fault("%q is not a count; write %s:1 for the first time", count, point)
		}
	}
	return &killAt{point: point, n: n, kill: killSelf}, nil
}

// pass is called at every point.
func (k *killAt) pass(name string) {
	if name == k.point && k.passed.Add(1) == k.n {
		k.kill()
	}
}

// warning is printed at start: nobody may run with this unawares.
func (k *killAt) warning() string {
	return fmt.Sprintf("warning: %s=%s:%d is set: this process will kill itself at that point",
		killVariable, k.point, k.n)
}

// killSelf ends the process as kill -9 does: no deferred call runs, nothing is flushed.
func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(fmt.Sprintf("kill this process: %v", err))
	}
	select {} // not a step further
}
