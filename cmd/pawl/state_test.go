package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"pawl/checkpoint"
	"pawl/query/past"
	"pawl/schemas/record"
	"pawl/statestore"
)

// stateBed is an application of two instances that has processed a load.
type stateBed struct {
	cluster *cluster
	adm     *kadm.Client
	flags   []string // the cluster and the application
	runs    []*background
	addrs   []string
	dirs    []string
}

func newStateBed(t *testing.T) *stateBed {
	t.Helper()
	b := &stateBed{}
	b.cluster, b.flags = testCluster(t)
	b.flags = append(b.flags, "--set", "application.id=st", "--set", "idle.timeout=off")
	b.adm = b.cluster.admin(t)
	if err := createInputs(t.Context(), b.adm, []string{"transactions"}, 4); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		b.dirs = append(b.dirs, t.TempDir())
		b.run(t, i)
	}
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "3000", "--rate",
		"0", "--users", "300", "--poison"}, b.flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	err := drain(t.Context(), b.adm, "st", []string{"transactions", "fraud-limits"}, 20*time.Second,
		func(int64) {})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *stateBed) run(t *testing.T, i int) {
	t.Helper()
	svc := inBackground(t, append([]string{"run", "fraud", "--set", fmt.Sprint("instance.id=i", i),
		"--set", "state.dir=" + b.dirs[i], "--set", "http.listen=127.0.0.1:0",
		"--set", "api.token=t0ken"}, b.flags...)...)
	b.runs = append(b.runs, svc)
	eventually(t, "it listens", svc, func() bool {
		_, addr, ok := strings.Cut(svc.out.String(), listeningAt)
		if ok && strings.Contains(addr, "\n") {
			b.addrs = append(b.addrs, strings.TrimSpace(addr))
		}
		return ok && strings.Contains(addr, "\n")
	})
	eventually(t, "it is ready", svc, func() bool {
		code, body := get(t, "http://"+b.addrs[i]+"/ready")
		return code == 200 && strings.Contains(body, "fraud-")
	})
}

// say runs a state command that must succeed.
func (b *stateBed) say(t *testing.T, args ...string) string {
	t.Helper()
	code, out, said := pawl([]string{"PAWL_API_TOKEN=t0ken"}, append(append([]string{"state"},
		args...), b.flags...)...)
	if code != 0 {
		t.Fatalf("%v: exit %d\n%s", args, code, said)
	}
	return out
}

func (b *stateBed) stop(t *testing.T) {
	t.Helper()
	for _, svc := range b.runs {
		svc.stop()
		if code := svc.end(t); code != 0 {
			t.Fatalf("run: exit %d\n%s", code, svc.errs.String())
		}
	}
}

// TestState reads the same store from everywhere: through each instance, from the changelog, from a
// checkpoint of each task and from the folders.
func TestState(t *testing.T) {
	b := newStateBed(t)
	live := b.say(t, "scan", "velocity", "--http", b.addrs[0])
	if n := strings.Count(live, "\n"); n < 250 || !strings.HasPrefix(live, `{"key":"`) {
		t.Fatalf("%d rows: %.300s", n, live)
	}
	if other := b.say(t, "scan", "velocity", "--http", b.addrs[1]); other != live {
		t.Error("the second instance says something else")
	}
	var first struct{ Key string }
	line, _, _ := strings.Cut(live, "\n")
	if err := json.Unmarshal([]byte(line), &first); err != nil {
		t.Fatal(err)
	}
	b.getFrom(t, first.Key, line)
	b.askAPI(t, first.Key)
	b.stop(t)

	if got := b.say(t, "scan", "velocity", "--set", "http.listen=127.0.0.1:1"); got != live {
		t.Errorf("the changelog differs:\n%.300s\n%.300s", got, live)
	}
	code, got, said := pawl(nil, "state", "scan", "velocity", "--from", "checkpoint", "--url",
		b.checkpoints(t))
	if code != 0 || got != live {
		t.Errorf("the checkpoints differ: exit %d\n%s\n%.300s", code, said, got)
	}
	got = ""
	for task := range 4 {
		for _, dir := range b.dirs {
			folder := filepath.Join(dir, "st", fmt.Sprint("fraud-", task))
			if _, err := os.Stat(filepath.Join(folder, "LOCK")); err == nil {
				// The first instance had all tasks before there was anything in them.
				code, out, said := pawl(nil, "state", "scan", "velocity", "--from", folder)
				if got += out; code != 0 {
					t.Error(said)
				}
			}
		}
	}
	if got != live {
		t.Errorf("the folders differ:\n%.300s\n%.300s", got, live)
	}
	b.export(t, live)
	b.past(t)
}

// getFrom gets one key, which must be the line.
func (b *stateBed) getFrom(t *testing.T, key, line string) {
	t.Helper()
	for _, from := range [][]string{{"--http", b.addrs[1]}, {"--from", "changelog"}} {
		out := b.say(t, append([]string{"get", "velocity", key}, from...)...)
		if strings.TrimSpace(out) != line {
			t.Errorf("get %v: %s, want %s", from, out, line)
		}
		args := append(append([]string{"state", "get", "velocity", "nobody"}, from...), b.flags...)
		code, _, said := pawl([]string{"PAWL_API_TOKEN=t0ken"}, args...)
		if code != 1 || !strings.Contains(said, "has no key nobody") {
			t.Errorf("no such key %v: exit %d %s", from, code, said)
		}
	}
	code, _, said := pawl(nil, append([]string{"state", "get", "velocity", key, "--http",
		b.addrs[0]}, b.flags...)...)
	if code != 1 || !strings.Contains(said, "wants a token") {
		t.Errorf("without a token: exit %d %s", code, said)
	}
	if out := b.say(t, "scan", "velocity", "--limit", "3", "--http", b.addrs[0]); strings.Count(out,
		"\n") != 3 {
		t.Errorf("three rows: %s", out)
	}
}

// askAPI asks both instances over HTTP.
func (b *stateBed) askAPI(t *testing.T, user string) {
	t.Helper()
	for _, addr := range b.addrs {
		for path, open := range map[string]bool{"/ping": true, "/ready": true, "/status": false,
			"/metrics": false, "/v1/tasks": false, "/openapi.yaml": false, "/nothing": false} {
			code, _ := get(t, "http://"+addr+path)
			if (code == http.StatusUnauthorized) == open {
				t.Errorf("%s without a token: %d", path, code)
			}
		}
		l := &stateLive{address: addr, client: &instanceClient{scheme: "http",
			Client: &http.Client{Transport: &bearer{token: "t0ken",
				next: &http.Transport{DisableKeepAlives: true}}}}}
		answer, found, err := l.ask(t.Context(), "/v1/fraud/users/"+user)
		if err != nil || !found || !answer.Complete || answer.Tasks[0].Epoch < 1 {
			t.Errorf("%+v %v %v", answer, found, err)
		}
		answer, _, err = l.ask(t.Context(), "/v1/tasks")
		if err != nil || !answer.Complete || len(answer.Tasks) != 4 {
			t.Errorf("tasks: %+v %v", answer, err)
		}
		answer, _, err = l.ask(t.Context(), "/v1/state/instances")
		if err != nil || !answer.Complete || len(answer.Instances) != 2 {
			t.Errorf("instances: %+v %v", answer, err)
		}
	}
}

// checkpoints copies each stopped task's store to a storage.
func (b *stateBed) checkpoints(t *testing.T) (url string) {
	t.Helper()
	url = "file://" + t.TempDir()
	ctx := context.Background()
	target, err := checkpoint.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	env := statestore.NewEnv(nil, 1<<20, func(err error) { t.Error(err) })
	defer env.Close()
	for _, dir := range b.dirs {
		tasks, err := filepath.Glob(filepath.Join(dir, "st", "fraud-*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, folder := range tasks {
			task := filepath.Base(folder)
			snap, err := env.Snapshot(folder)
			if err != nil {
				t.Fatal(err)
			}
			var pos record.Position
			err = env.Inspect(folder, func(s *statestore.Pebble) error {
				var err error
				_, pos, err = past.Describe(s, nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			id := int32(snap.Mark.Position[1])<<24 | int32(snap.Mark.Position[2])<<16 |
				int32(snap.Mark.Position[3])<<8 | int32(snap.Mark.Position[4])
			series, err := checkpoint.NewSeries(target, "st", task)
			if err != nil {
				t.Fatal(err)
			}
			d := checkpoint.Describe(checkpoint.Origin{Application: "st", Task: task,
				Pipeline: "fraud", Changelog: "st-fraud-changelog", Version: "test",
				PositionSchema: checkpoint.Schema{ID: id, Text: record.PositionType().String()}},
				snap, pos)
			w := checkpoint.NewWriter(series, checkpoint.Policy{}, checkpoint.Limits{})
			if _, err := w.Write(ctx, folder, d, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := target.Close(); err != nil {
		t.Fatal(err)
	}
	return url
}

// export compares the file with the rows and its last line with the file.
func (b *stateBed) export(t *testing.T, live string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "v.jsonl")
	b.say(t, "export", "velocity", "--from", "changelog", "--to", file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndexByte(text[:len(text)-1], '\n') + 1
	var end exportEnd
	if err := json.Unmarshal(text[at:], &end); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(text[:at])
	if string(text[:at]) != live || end.SHA256 != hex.EncodeToString(sum[:]) ||
		int(end.Rows) != strings.Count(live, "\n") || len(end.Tasks) != 4 {
		t.Errorf("export ends with %s", text[at:])
	}
	left, _ := filepath.Glob(file + "*")
	if len(left) != 1 {
		t.Errorf("files left: %v", left)
	}
}

// past reads the changelog as of earlier epochs, which the embedded broker has not compacted: the
// digest of each position record vouches for what is read.
func (b *stateBed) past(t *testing.T) {
	t.Helper()
	whole := strings.Count(b.say(t, "scan", "velocity", "--task", "fraud-0", "--from", "changelog"),
		"\n")
	early := strings.Count(b.say(t, "scan", "velocity", "--task", "fraud-0", "--epoch", "1"), "\n")
	if early > whole || early == 0 && whole == 0 {
		t.Errorf("%d keys after the first epoch, %d at the end", early, whole)
	}
	code, _, said := pawl(nil, append([]string{"state", "scan", "velocity", "--task", "fraud-0",
		"--epoch", "99999"}, b.flags...)...)
	if code != 1 || !strings.Contains(said, "no position record of epoch 99999") {
		t.Errorf("an epoch to come: exit %d %s", code, said)
	}
	if out := b.say(t, "scan", "velocity", "--as-of", "2001-01-01T00:00:00Z"); out != "" {
		t.Errorf("before everything there was %s", out)
	}
}

// TestStateRefused lists what is wrong with the command line.
func TestStateRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"needs a STORE and a KEY":                {"get", "velocity"},
		`store "velo" is unknown; use fraud-lim`: {"scan", "velo", "--pipeline", "fraud"},
		`--pipeline=x is unknown`:                {"scan", "velocity", "--pipeline", "x"},
		"--rest=":                                {"get", "velocity", "k", "--rest", "[1.5]"},
		"begin with a time":                      {"get", "timers-expiry", "k"},
		"counts its own epochs":                  {"scan", "velocity", "--epoch", "3"},
		"only the changelog has": {"scan", "velocity", "--as-of",
			"2026-01-02T15:04:05Z", "--from", "live"},
		"--as-of=yesterday is not a time": {"scan", "velocity", "--as-of", "yesterday"},
		"--limit=-1 is negative":          {"scan", "velocity", "--limit", "-1"},
		"--to= names no file":             {"export", "velocity"},
		"--from=/nowhere/x":               {"scan", "velocity", "--from", "/nowhere/x"},
		"application.id= (from default)":  {"scan", "velocity", "--from", "changelog"},
		"no storage is named":             {"scan", "velocity", "--from", "checkpoint"},
		`command "gut" is unknown`:        {"gut"},
		"needs one pipeline":              {"doctor"},
		"state.dir= (from default)":       {"doctor", "fraud"},
	} {
		code, _, said := pawl(nil, append([]string{"state"}, args...)...)
		if code != 2 || !strings.Contains(said, want) {
			t.Errorf("%v: exit %d, want 2 and %q: %s", args, code, want, said)
		}
	}
}

// TestStateDoctor finds nothing, live and stopped, and then an offset that was set back.
func TestStateDoctor(t *testing.T) {
	b := newStateBed(t)
	args := append([]string{"state", "doctor", "fraud", "--set", "state.dir=" + b.dirs[0]},
		b.flags...)
	code, out, said := pawl(nil, args...)
	if code != 0 || !strings.Contains(out, "st is live") || strings.Contains(out, "REFUSED") {
		t.Errorf("live: exit %d\n%s%s", code, out, said)
	}
	b.stop(t)
	code, out, said = pawl(nil, args...)
	if code != 0 || !strings.Contains(out, "st is stopped") || !strings.Contains(out,
		"fraud-3: ok") || !strings.Contains(out, "store here: epoch ") {
		t.Errorf("stopped: exit %d\n%s%s", code, out, said)
	}
	o := kadm.Offsets{}
	o.AddOffset("transactions", 2, 1, -1)
	if err := b.adm.CommitAllOffsets(t.Context(), "st", o); err != nil {
		t.Fatal(err)
	}
	code, out, _ = pawl(nil, args...)
	if code != 1 || !strings.Contains(out, "fraud-2: REFUSED") ||
		!strings.Contains(out, "differs: the group's offset of transactions-2 is 1, but") ||
		!strings.Contains(out, "mend: set the group's offsets back") {
		t.Errorf("set back: exit %d\n%s", code, out)
	}
	code, out, _ = pawl(nil, append(args, "--json")...)
	var r doctorReport
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || !r.Refused ||
		r.Tasks[2].Refused == "" || r.Tasks[1].Refused != "" || r.Tasks[0].Position == nil {
		t.Errorf("JSON: exit %d %v\n%s", code, err, out)
	}
}
