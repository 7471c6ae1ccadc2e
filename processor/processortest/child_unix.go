//go:build unix

package processortest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"pawl/integration/harness/process"
	"pawl/processor"
	"pawl/schemas"
)

// childVariable tells a process of the test binary that it is an instance.
const childVariable = "PAWL_CHAOS_INSTANCE"

// role is what an instance is told.
type role struct {
	Test     string // that started it
	Instance string
	Brokers  string
	Registry string
	Dir      string
	Point    string // where it kills itself; "" for nowhere
	Nth      int64  // the how manyth time it passes there
}

// given is the role of this process; nil in the test itself.
func given(t testing.TB) *role {
	t.Helper()
	text, ok := os.LookupEnv(childVariable)
	if !ok {
		return nil
	}
	r := new(role)
	if err := json.Unmarshal([]byte(text), r); err != nil {
		t.Fatalf("%s: %v", childVariable, err)
	}
	return r
}

// config is how an instance in this role runs.
func (r *role) config(engine processor.Config) processor.Config {
	cfg := engine
	cfg.InstanceID, cfg.StateDir = r.Instance, filepath.Join(r.Dir, r.Instance)
	cfg.Brokers = strings.Split(r.Brokers, ",")
	cfg.Registry = schemas.NewClient(schemas.ClientConfig{URL: r.Registry})
	cfg.Listeners = append(cfg.Listeners, processor.Listener{
		Notice:       func(text string) { fmt.Println(text) },
		TaskState:    func(i processor.TaskStateInfo) { fmt.Println(i.Task, i.State, i.Reason) },
		EpochAborted: func(i processor.AbortInfo) { fmt.Println("aborted:", i.Reason, i.Err) },
	})
	var passed atomic.Int64
	cfg.Point = func(name string) {
		if name == r.Point && passed.Add(1) == r.Nth {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL) // a process may always kill itself
			select {}                                      // not a step further
		}
	}
	return cfg
}

// play runs the pipeline until SIGTERM, and ends the process.
func (r *role) play(engine processor.Config, pipeline func() *processor.Pipeline) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	in, err := processor.Start(ctx, r.config(engine), pipeline())
	if err != nil {
		if ctx.Err() != nil {
			os.Exit(0) // it was asked to stop before it had started
		}
		fmt.Println(err)
		os.Exit(1)
	}
	context.AfterFunc(ctx, in.Stop)
	if err := in.Wait(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is an instance as the test sees it.
type child struct {
	role   role
	log    string
	proc   *process.Process
	failed int // ends by itself, one after the other
}

// start starts the process, which kills itself at the nth passage of a point unless that is "".
func (c *child) start(point string, nth int64) error {
	c.role.Point, c.role.Nth = point, nth
	text, err := json.Marshal(c.role)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c.proc, err = process.Start(process.Spec{Name: c.role.Instance, Path: self, Log: c.log,
		Args: []string{"-test.run=" + only(c.role.Test), "-test.timeout=0", "-test.count=1"},
		Env:  []string{childVariable + "=" + string(text)}})
	return err
}
