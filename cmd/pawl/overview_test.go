package main

import (
	"encoding/json"
	"strings"
	"testing"

	"pawl/internal/survey"
	"pawl/processor"
)

// ranch is the fraud service that is looked at and steered.
type ranch struct {
	t     *testing.T
	flags []string // that lead to the application
	svc   *background
	addr  string
}

func newRanch(t *testing.T) *ranch {
	t.Helper()
	c, flags := testCluster(t)
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	return &ranch{t: t, flags: append([]string{"--set", "application.id=ranch"}, flags...)}
}

// serve starts an instance and waits for its tasks.
func (r *ranch) serve(dir string) {
	r.t.Helper()
	r.svc = inBackground(r.t, append([]string{"run", "fraud", "--set", "instance.id=one",
		"--set", "state.dir=" + dir, "--set", "http.listen=127.0.0.1:0"}, r.flags...)...)
	eventually(r.t, "two tasks run", r.svc, func() bool {
		line, _, _ := strings.Cut(r.svc.out.String(), "\n")
		r.addr = strings.TrimPrefix(line, listeningAt)
		code, body := get(r.t, "http://"+r.addr+"/ready")
		return code == 200 && strings.Count(body, "RUNNING") == 3
	})
}

func (r *ranch) generate(seed string) {
	r.t.Helper()
	r.do(0, "generate", "fraud", "--count", "500", "--rate", "0", "--seed", seed)
}

// do runs a command on the application and gives what it printed.
func (r *ranch) do(want int, args ...string) string {
	r.t.Helper()
	code, out, said := pawl(nil, append(args, r.flags...)...)
	if code != want {
		r.t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, out, said)
	}
	return out + said
}

func (r *ranch) status(args ...string) survey.Report {
	r.t.Helper()
	code, out, said := pawl(nil, append(append([]string{"status", "--json"}, args...),
		r.flags...)...)
	var report survey.Report
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		r.t.Fatalf("status: exit %d, %v\n%s%s", code, err, out, said)
	}
	return report
}

// TestStatus looks at an application before, while and after it runs, and steers it.
func TestStatus(t *testing.T) {
	r := newRanch(t)
	before := r.status("fraud")
	if before.State != survey.Stopped || len(before.Tasks) != 2 || len(before.Notes) == 0 ||
		before.Tasks[0].State != "STOPPED" || before.Tasks[0].Inputs[0].Committed != -1 {
		t.Errorf("before the first start: %+v", before)
	}
	if said := r.do(1, "status"); !strings.Contains(said, "it has never run there") {
		t.Errorf("without a changelog: %s", said)
	}
	r.do(1, "pause", "fraud")
	dir := t.TempDir()
	r.serve(dir)
	r.generate("1")
	var seen survey.Report
	eventually(t, "all is processed", r.svc, func() bool {
		seen = r.status()
		return seen.Lag == 0 && seen.Tasks[0].Epoch > 0 && seen.Tasks[1].Epoch > 0
	})
	r.running(seen)
	r.paused()
	r.generate("3")
	if said := r.do(0, "drain", "--timeout", "1m"); !strings.Contains(said, "have stopped") {
		t.Errorf("drain: %s", said)
	}
	if code := r.svc.end(t); code != 0 {
		t.Errorf("drained: exit %d\n%s", code, r.svc.errs.String())
	}
	after := r.status()
	if after.State != survey.Stopped || after.Lag != 0 || after.Tasks[0].Epoch <=
		seen.Tasks[0].Epoch || after.Tasks[0].Watermark == nil || len(after.Notes) != 0 {
		t.Errorf("after the end: %+v", after)
	}
}

// TestStatusNamesHotKeys: the key of a task that takes much, and no other.
func TestStatusNamesHotKeys(t *testing.T) {
	hot := func(task string, keys ...processor.HotKey) *survey.Task {
		return &survey.Task{Task: task, HotKeys: keys}
	}
	var out strings.Builder
	if err := printSurvey(&out, &survey.Report{Tasks: []*survey.Task{
		hot("fraud-0", processor.HotKey{Key: `a\"b`, Share: 0.437}, processor.HotKey{Key: "c",
			Share: 0.25}),
		hot("fraud-1", processor.HotKey{Key: "d", Share: 0.19}), hot("fraud-2")}}); err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(out.String(), "INPUT")
	_, lines, _ = strings.Cut(lines, "\n")
	if want := "task fraud-0: the key \"a\\\"b\" takes 44% of its records\n"; lines != want {
		t.Errorf("printed\n%swant\n%s", lines, want)
	}
}

// running looks at what is told of a running application.
func (r *ranch) running(seen survey.Report) {
	r.t.Helper()
	one, task := seen.Instances[0], seen.Tasks[1]
	if seen.State != survey.Running || seen.Group != "Stable" || len(seen.Instances) != 1 ||
		one.Instance != "one" || one.Address != r.addr || !one.Answered || one.Paused ||
		one.State != "RUNNING" || strings.Join(one.Tasks, " ") != "fraud-0 fraud-1" {
		r.t.Errorf("instance: %+v of %+v", one, seen)
	}
	if task.Task != "fraud-1" || task.Instance != "one" || task.State != "RUNNING" ||
		task.Writer != "ranch-one" || task.Restored == nil || *task.Restored != 1 ||
		task.Watermark == nil || len(task.Inputs) != 2 || task.Inputs[0].Committed == 0 ||
		task.Inputs[0].Committed != task.Inputs[0].End {
		r.t.Errorf("task: %+v", task)
	}
	text := r.do(0, "status")
	for _, want := range []string{"application ranch (fraud) is running: 1 instances, 2 tasks, " +
		"lag 0", "fraud-1  one", "transactions-1"} {
		if !strings.Contains(text, want) {
			r.t.Errorf("no %q in\n%s", want, text)
		}
	}
	quiet := r.status("--offline")
	if quiet.Instances[0].Answered || quiet.Tasks[0].State != "UNKNOWN" || len(quiet.Notes) != 1 ||
		quiet.Tasks[0].Epoch != seen.Tasks[0].Epoch {
		r.t.Errorf("offline: %+v", quiet)
	}
}

// paused holds the application up while there is something to do.
func (r *ranch) paused() {
	r.t.Helper()
	if said := r.do(0, "pause"); !strings.Contains(said, "instance one at "+r.addr+" is paused") {
		r.t.Errorf("pause: %s", said)
	}
	r.generate("2")
	seen := r.status()
	if seen.State != survey.Paused || seen.Lag == 0 || !seen.Instances[0].Paused ||
		seen.Tasks[0].State != "RUNNING" {
		r.t.Errorf("paused: %+v", seen)
	}
	if again := r.status(); again.Lag != seen.Lag || again.Tasks[0].Epoch != seen.Tasks[0].Epoch {
		r.t.Errorf("lag %d, then %d, while paused", seen.Lag, again.Lag)
	}
	r.do(0, "resume", "--http", r.addr)
	eventually(r.t, "it goes on", r.svc, func() bool { return r.status().Lag == 0 })
}
