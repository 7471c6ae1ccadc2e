package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"pawl/internal/embedded"
	"pawl/internal/settings"
	"pawl/internal/verify"
)

// testCluster is an embedded cluster as if it was given, with the settings for it.
func testCluster(t testing.TB) (*cluster, []string) {
	t.Helper()
	servers, err := embedded.Start(t.Context(), embedded.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(servers.Close)
	flags := []string{"--kafka", servers.Addr(), "--registry", servers.RegistryURL()}
	s, err := settings.Load(settings.Sources{Flags: []settings.Flag{
		{Name: "kafka", Key: "bootstrap.servers", Value: servers.Addr()},
		{Name: "registry", Key: "schema.registry.url", Value: servers.RegistryURL()}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := openCluster(t.Context(), s, t.TempDir())
	if err != nil || c.embedded != nil {
		t.Fatalf("open given cluster: %v, embedded %v", err, c.embedded)
	}
	return c, flags
}

func (c *cluster) admin(t testing.TB) *kadm.Client {
	t.Helper()
	cl, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return kadm.NewClient(cl)
}

// background is a command that runs in this process.
type background struct {
	out, errs output
	stop      context.CancelFunc
	code      chan int
}

func inBackground(t *testing.T, args ...string) *background {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b := &background{stop: stop, code: make(chan int, 1)}
	go func() { b.code <- run(ctx, args, nil, &b.out, &b.errs) }()
	return b
}

// end is the exit code once the command has ended.
func (b *background) end(t *testing.T) int {
	t.Helper()
	select {
	case code := <-b.code:
		return code
	case <-time.After(30 * time.Second):
		t.Fatalf("still running; it said\n%s%s", b.out.String(), b.errs.String())
		return -1
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func eventually(t *testing.T, what string, b *background, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		if ok() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never: %s; it said\n%s%s", what, b.out.String(), b.errs.String())
}

// TestService runs one instance from its first topic to its tidy stop, then doubts its output.
func TestService(t *testing.T) {
	c, flags := testCluster(t)
	adm := c.admin(t)
	args := append([]string{"run", "fraud", "--set", "application.id=svc",
		"--set", "instance.id=one", "--set", "state.dir=" + t.TempDir(),
		"--set", "http.listen=127.0.0.1:0"}, flags...)

	code, plan, said := pawl(nil, append(args, "--dry-run")...)
	if code != 1 || !strings.Contains(plan, "transactions does not exist") {
		t.Errorf("dry run without input: exit %d\n%s%s", code, plan, said)
	}
	code, _, said = pawl(nil, args...)
	if code != 1 || !strings.Contains(said, "topic transactions does not exist") {
		t.Errorf("run without input: exit %d\n%s", code, said)
	}
	if err := createInputs(t.Context(), adm, []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	code, plan, said = pawl(nil, append(args, "--dry-run")...)
	if code != 0 || !strings.Contains(plan, "svc-fraud-changelog") ||
		!strings.Contains(plan, "transactions-value") {
		t.Errorf("dry run: exit %d\n%s%s", code, plan, said)
	}
	if topics, err := adm.ListTopics(t.Context()); err != nil || topics.Has("fraud-decisions") {
		t.Errorf("the dry run made topics: %v", err)
	}

	before := goleak.IgnoreCurrent()
	svc := inBackground(t, args...)
	eventually(t, "it listens", svc, func() bool {
		return strings.Contains(svc.out.String(), "\n")
	})
	line := strings.TrimSpace(svc.out.String())
	addr, ok := strings.CutPrefix(line, "http: listening on ")
	if !ok {
		t.Fatalf("the first line is %q", line)
	}
	eventually(t, "two tasks run", svc, func() bool {
		code, body := get(t, "http://"+addr+"/ready")
		return code == 200 && strings.Count(body, "RUNNING") == 3
	})
	code, _, said = pawl(nil, append([]string{"generate", "fraud", "--count", "500", "--rate", "0",
		"--poison"}, flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	topics := []string{"transactions", "fraud-limits"}
	if err := drain(t.Context(), adm, "svc", topics, 20*time.Second, func(int64) {}); err != nil {
		t.Fatal(err)
	}
	// The group knows of the last epoch before the instance has counted it.
	eventually(t, "the records are counted", svc, func() bool {
		_, body := get(t, "http://"+addr+"/metrics")
		return processed(t, body) >= 500
	})
	checkMetrics(t, addr)
	svc.stop()
	if code := svc.end(t); code != 0 {
		t.Errorf("tidy stop: exit %d\n%s", code, svc.errs.String())
	}
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	adm.Close() // its connections have goroutines too
	if err := goleak.Find(before); err != nil {
		t.Errorf("the service left goroutines behind: %v", err)
	}
	checkVerdict(t, c)
}

// processed adds up messages_processed_total.
func processed(t *testing.T, body string) int {
	t.Helper()
	var sum int
	for line := range strings.Lines(body) {
		var n int
		if strings.HasPrefix(line, "messages_processed_total{") {
			if _, err := fmt.Sscanf(line[strings.LastIndex(line, " "):], "%d", &n); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			sum += n
		}
	}
	return sum
}

func checkMetrics(t *testing.T, addr string) {
	t.Helper()
	_, body := get(t, "http://"+addr+"/metrics")
	if n := processed(t, body); n > 510 { // the transactions, and a few limits
		t.Errorf("messages_processed_total adds up to %d", n)
	}
	for _, want := range []string{"pawl_consumer_lag{", "pawl_lso_lag{", "pawl_restore_progress{",
		"pawl_open_transaction_age_seconds", "message_processing_seconds_bucket", "pawl_late_total",
		"pawl_dead_lettered_total", "pawl_commits_unconfirmed_total",
		"pawl_commit_seconds_bucket"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
}

// checkVerdict expects a match, and after one more record on an output, a mismatch and exit 1.
func checkVerdict(t *testing.T, c *cluster) {
	t.Helper()
	p, err := pipelineNamed("fraud")
	if err != nil {
		t.Fatal(err)
	}
	s, err := settings.Load(settings.Sources{})
	if err != nil {
		t.Fatal(err)
	}
	verdict := func() *verify.Report {
		report, err := c.verdict(t.Context(), p.spec(s), "svc", func(int64, int64) {})
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	good := verdict()
	if good.Oracle != "match" || good.RecordsIn < 500 || good.DeadLettered == 0 {
		t.Fatalf("the verdict on a tidy run is %+v", good)
	}
	cl, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	extra := &kgo.Record{Topic: "fraud-decisions", Key: []byte("u"), Value: []byte("v")}
	if err := cl.ProduceSync(t.Context(), extra).FirstErr(); err != nil {
		t.Fatal(err)
	}
	bad := verdict()
	var out, errs output
	st := &stage{app: &app{stdout: &out, stderr: &errs}, cluster: c}
	for want, report := range map[int]*verify.Report{exitOK: good, exitFailed: bad} {
		err := st.conclude(map[string]*verify.Report{"fraud": report})
		if got := exitCode(err, &errs); got != want {
			t.Errorf("exit %d, want %d for %+v", got, want, report)
		}
	}
	if bad.Extra != 1 || !strings.Contains(out.String(), "oracle: mismatch\n") {
		t.Errorf("one extra record gives %+v\n%s", bad, out.String())
	}
}

// TestUnreachable retries for startup.timeout and names the address.
func TestUnreachable(t *testing.T) {
	start := time.Now()
	code, _, said := pawl(nil, "run", "fraud", "--set", "application.id=a", "--set",
		"state.dir="+t.TempDir(), "--kafka", "127.0.0.1:1", "--registry", "http://127.0.0.1:1",
		"--set", "startup.timeout=1s", "--set", "http.listen=off")
	if took := time.Since(start); code != 1 || !strings.Contains(said, "127.0.0.1:1") ||
		took < 900*time.Millisecond || took > 15*time.Second {
		t.Errorf("exit %d after %v:\n%s", code, took, said)
	}
}

// TestMissingTopic must not wait for a topic that nobody will make.
func TestMissingTopic(t *testing.T) {
	_, flags := testCluster(t)
	code, _, said := pawl(nil, append([]string{"generate", "fraud", "--count", "1"}, flags...)...)
	if code != 1 || !strings.Contains(said, "topic transactions does not exist") {
		t.Errorf("exit %d\n%s", code, said)
	}
}

// TestSchemaRefused finds another schema under a subject, and none where none may be registered.
func TestSchemaRefused(t *testing.T) {
	c, flags := testCluster(t)
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions"}, 1); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"run", "fraud", "--set", "application.id=a", "--set",
		"state.dir=" + t.TempDir(), "--set", "http.listen=off"}, flags...)
	code, _, said := pawl(nil, append(args, "--set", "auto.register.schemas=false")...)
	if code != 2 || !strings.Contains(said, "-value") {
		t.Errorf("no schema: exit %d\n%s", code, said)
	}
	const other = `{"type":"record","name":"Decision","namespace":"pawl.fraud","fields":
		[{"name":"flagged","type":"string"}]}`
	if _, err := c.schemas().Register(t.Context(), "fraud-decisions-value", other); err != nil {
		t.Fatal(err)
	}
	code, _, said = pawl(nil, args...)
	if code != 2 || !strings.Contains(said, "fraud-decisions-value") {
		t.Errorf("another schema: exit %d\n%s", code, said)
	}
}
