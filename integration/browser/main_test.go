package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"pawl/integration/harness"
	"pawl/integration/harness/process"
)

const (
	demoRate   = 200 // records per second of each pipeline
	startLimit = 90 * time.Second
)

// pipelineNames are those that the demo runs.
var pipelineNames = []string{"fraud", "iot", "activity", "pageviews", "funnel"}

// stage is what the tests of the package share; each is started when a test first asks.
type stage struct {
	harness.Shared
	dir string

	demoOnce sync.Once
	demo     *process.Process
	address  string
	demoErr  error

	browserOnce sync.Once
	browser     context.Context
	stopBrowser func()
	browserErr  error
}

var shared stage

func TestMain(m *testing.M) { os.Exit(shared.run(m)) }

// run runs the tests and ends what they started.
func (s *stage) run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pawl-browser-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "create folder of the demo:", err)
		return 1
	}
	s.dir = dir
	defer os.RemoveAll(dir)
	defer func() {
		if s.stopBrowser != nil {
			s.stopBrowser()
		}
		if s.demo != nil {
			s.demo.Kill9()
		}
	}()
	return s.Shared.Run(m)
}

// chromium is the browser's context. Without Chromium the test is skipped, or fails.
func (s *stage) chromium(tb testing.TB) context.Context {
	tb.Helper()
	s.browserOnce.Do(func() { s.browser, s.stopBrowser, s.browserErr = startChromium() })
	if errors.Is(s.browserErr, errNoChromium) && os.Getenv(requireVariable) != "1" {
		tb.Skipf("skipped for want of a browser: %v", s.browserErr)
	}
	if s.browserErr != nil {
		tb.Fatal(s.browserErr)
	}
	return s.browser
}

// console is the address, host:port, of the demo's dashboard. It asks for the browser first:
// without one there is no use for a demo.
func (s *stage) console(tb testing.TB) string {
	tb.Helper()
	s.chromium(tb)
	program := s.Pawl(tb)
	s.demoOnce.Do(func() { s.demoErr = s.startDemo(program) })
	if s.demoErr != nil {
		tb.Fatal(s.demoErr)
	}
	return s.address
}

// dashboardLine is how the demo tells where its dashboard is.
var dashboardLine = regexp.MustCompile(`dashboard: http://([0-9.:]+)/`)

// startDemo starts a demo that crashes nobody by itself, and waits until its dashboard answers.
func (s *stage) startDemo(program string) error {
	demo, err := process.Start(process.Spec{Name: "pawl demo", Path: program,
		Log: filepath.Join(s.dir, "demo.log"),
		Args: []string{"demo", "--dir", filepath.Join(s.dir, "demo"), "--http", "127.0.0.1:0",
			"--pipelines", strings.Join(pipelineNames, ","), "--partitions", "2",
			"--rate", fmt.Sprint(demoRate), "--crash-every", "0"}})
	if err != nil {
		return err
	}
	s.demo = demo
	limit := time.After(startLimit)
	for {
		out, err := demo.Output()
		if err != nil {
			return err
		}
		if at := dashboardLine.FindStringSubmatch(out); at != nil {
			s.address = at[1]
			return nil
		}
		select {
		case <-demo.Done():
			out, _ := demo.Output() // its last words came after those that were looked at
			return fmt.Errorf("the demo ended with exit code %d:\n%s", demo.ExitCode(), out)
		case <-limit:
			return fmt.Errorf("the demo did not tell where its dashboard is within %v:\n%s",
				startLimit, out)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
