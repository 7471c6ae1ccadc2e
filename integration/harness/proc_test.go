//go:build unix

package harness

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pawl/integration/harness/servers"
)

// TestProc builds a program and starts it twice.
func TestProc(t *testing.T) {
	path := Build(t, t.TempDir(), "./testdata/child")
	opts := ProcOptions{Args: []string{"hello"}, Env: []string{"CHILD_WORD=world"}}

	p := Start(t, path, opts)
	for end := time.Now().Add(20 * time.Second); !strings.Contains(p.Output(), "\n"); {
		if time.Now().After(end) {
			t.Fatal("the child said nothing")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got, want := p.Output(), "ready hello world\n"; got != want {
		t.Errorf("output %q, want %q", got, want)
	}
	if runtime.GOOS == "linux" && (p.PeakRSS() == 0 || p.CPUTime() < 0) {
		t.Errorf("peak memory %d, processor time %v", p.PeakRSS(), p.CPUTime())
	}
	p.Pause()
	p.Resume()
	if code := p.Stop(); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}

	p = Start(t, path, opts)
	p.Kill9()
	if code := p.Wait(time.Second); code != -1 {
		t.Errorf("exit code after SIGKILL %d, want -1", code)
	}
}

// fakeTB records how a test was ended.
type fakeTB struct {
	testing.TB
	ended string
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Skipf(format string, args ...any) {
	f.ended = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (f *fakeTB) Fatal(args ...any) {
	f.ended = "fail: " + fmt.Sprint(args...)
	runtime.Goexit()
}

// ending runs a function as a test of its own and tells how it ended that test.
func ending(run func(testing.TB)) string {
	tb := &fakeTB{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(tb)
	}()
	<-done
	return tb.ended
}

func TestMissingServersSkipOrFail(t *testing.T) {
	missing := fmt.Errorf("start: %w", &servers.Unavailable{What: "no java found", Mend: "install"})
	for _, row := range []struct {
		required, want string
		err            error
	}{
		{"", "skip: ", missing},
		{"1", "fail: ", missing},
		{"", "fail: ", fmt.Errorf("node 1 ended with exit code 1")},
		{"1", "", nil},
	} {
		t.Setenv(requireVariable, row.required)
		got := ending(func(tb testing.TB) { check(tb, row.err) })
		if !strings.HasPrefix(got, row.want) || (row.want == "") != (got == "") {
			t.Errorf("required %q, error %v: test ended with %q, want %q", row.required, row.err,
				got, row.want)
		}
	}
}

func TestGivenServersAreUsedAndNotHarmed(t *testing.T) {
	t.Setenv(kafkaVariable, "a:1,b:2")
	t.Setenv(registryVariable, "http://c:3/apis/ccompat/v6/")
	if c := shared.Kafka(t); c.Bootstrap() != "a:1,b:2" || c.Nodes() != 0 {
		t.Errorf("given cluster: %q with %d nodes", c.Bootstrap(), c.Nodes())
	}
	if r := shared.Registry(t); r.URL() != "http://c:3/apis/ccompat/v6" {
		t.Errorf("given registry: %q", r.URL())
	}
	for name, harm := range map[string]func(testing.TB){
		"kill":  func(tb testing.TB) { Kafka(tb, KafkaOptions{}).Kill(1) },
		"shape": func(tb testing.TB) { Kafka(tb, KafkaOptions{Brokers: 3}) },
		"stop":  func(tb testing.TB) { Registry(tb).Stop() },
	} {
		if got := ending(harm); !strings.HasPrefix(got, "skip: ") {
			t.Errorf("%s: test ended with %q, want a skip", name, got)
		}
	}
}

func TestIDsDiffer(t *testing.T) {
	t.Run("Sub Ünit/x", func(t *testing.T) {
		one, two := ID(t), ID(t)
		if one == two || !strings.HasPrefix(one, "idsdiffer-sub-") {
			t.Errorf("ID = %q and %q", one, two)
		}
	})
}
