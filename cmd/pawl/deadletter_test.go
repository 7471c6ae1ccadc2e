package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"pawl/deadletter"
	"pawl/integration/harness/process"
	"pawl/internal/verify"
)

// morgue is the fraud service with dead letters.
type morgue struct {
	t       *testing.T
	cluster *cluster
	adm     *kadm.Client
	flags   []string // that lead to the application
	dir     string
}

// newMorgue has n records die.
func newMorgue(t *testing.T, n int) *morgue {
	t.Helper()
	c, flags := testCluster(t)
	m := &morgue{t: t, cluster: c, adm: c.admin(t), dir: t.TempDir(),
		flags: append([]string{"--set", "application.id=dead"}, flags...)}
	if err := createInputs(t.Context(), m.adm, []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	cl, err := c.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for i := range n {
		rec := &kgo.Record{Topic: "transactions", Partition: int32(i % 2), Key: []byte("u"),
			Value: fmt.Appendf(nil, "poison %d", i), Timestamp: time.UnixMilli(int64(i) * 1000)}
		if err := cl.ProduceSync(t.Context(), rec).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// serve runs the service until all is processed; visit is shown its address meanwhile.
func (m *morgue) serve(visit func(address string)) {
	m.t.Helper()
	svc := inBackground(m.t, append([]string{"run", "fraud", "--set", "instance.id=one",
		"--set", "state.dir=" + m.dir, "--set", "http.listen=127.0.0.1:0",
		"--set", "deadletter.breaker.ratio=1"}, m.flags...)...) // nearly all of it is poison
	m.drained(svc)
	found := regexp.MustCompile(`listening on (\S+)`).FindStringSubmatch(svc.out.String())
	if visit != nil && found != nil {
		visit("http://" + found[1])
	}
	m.drained(svc)
	svc.stop()
	if code := svc.end(m.t); code != 0 {
		m.t.Fatalf("run: exit %d\n%s", code, svc.errs.String())
	}
}

func (m *morgue) drained(svc *background) {
	m.t.Helper()
	eventually(m.t, "all is processed", svc, func() bool {
		all, err := groupProgress(m.t.Context(), m.adm, "dead", []string{"transactions"})
		return err == nil && len(all) > 0 && lag(all) == 0
	})
}

// do runs a command on the dead letters.
func (m *morgue) do(want int, args ...string) string {
	m.t.Helper()
	code, out, said := pawl(nil, append(append([]string{"deadletter"}, args...), m.flags...)...)
	if code != want {
		m.t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, out, said)
	}
	return out + said
}

// list gives the ids in a state.
func (m *morgue) list(state string) (ids []string) {
	m.t.Helper()
	_, out, _ := pawl(nil, append([]string{"deadletter", "list", "--json", "--limit", "0",
		"--state", state}, m.flags...)...)
	var page deadletter.Page
	if err := json.Unmarshal([]byte(out), &page); err != nil {
		m.t.Fatalf("%v: %s", err, out)
	}
	for _, l := range page.Letters {
		ids = append(ids, l.ID.String())
	}
	return ids
}

// put says how often each dead letter's record was put back.
func (m *morgue) put() map[string]int {
	m.t.Helper()
	source, err := verify.NewKafka("dead", m.cluster.options()...)
	if err != nil {
		m.t.Fatal(err)
	}
	defer source.Close()
	bounds, err := source.Bounds(m.t.Context(), "transactions")
	if err != nil {
		m.t.Fatal(err)
	}
	times := make(map[string]int)
	for p, b := range bounds {
		err := eachRecord(m.t.Context(), source, "transactions", int32(p), b,
			func(rec *kgo.Record) error {
				for _, h := range rec.Headers {
					if h.Key == deadletter.FromHeader {
						times[string(h.Value)]++
					}
				}
				return nil
			})
		if err != nil {
			m.t.Fatal(err)
		}
	}
	return times
}

// TestDeadletterKilled: a retry of everything is killed twenty times at points drawn from a seed.
// Every record is put back once, dies again with attempt 2, and the application adds up.
func TestDeadletterKilled(t *testing.T) {
	const letters = 240
	m := newMorgue(t, letters)
	m.serve(nil)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	chance := rand.New(rand.NewPCG(7, 7))
	points := deadletter.Points()
	for kill := range 20 {
		n := 1 + chance.IntN(3)
		point := points[chance.IntN(len(points))]
		if point == "deadletter-fenced" {
			n = 1
		}
		p, err := process.Start(process.Spec{Path: exe, Log: filepath.Join(t.TempDir(), "log"),
			Env: []string{fmt.Sprintf("PAWL_KILL_AT=%s:%d", point, n)},
			Args: append([]string{"deadletter", "retry", "--all", "--execute", "--batch", "4"},
				m.flags...)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill9)
		if code, err := p.Wait(time.Minute); err != nil || code != -1 {
			t.Fatalf("kill %d at %s:%d: exit %d, %v; want death by signal\n%s", kill, point, n,
				code, err, p.Tail(20))
		}
	}
	before := len(m.list("retried"))
	m.do(0, "retry", "--all", "--execute")
	times := m.put()
	for id, n := range times {
		if n != 1 {
			t.Errorf("%s was put back %d times", id, n)
		}
	}
	if len(times) != letters || before == 0 || before == letters {
		t.Errorf("%d of %d were put back, %d before the last run", len(times), letters, before)
	}
	t.Logf("after 20 kills %d of %d were put back, each once", before, letters)
	m.serve(nil)
	out := m.do(0, "list", "--state", "dead", "--limit", "3")
	if dead := m.list("dead"); len(dead) != letters || !strings.Contains(out, "  2        dead") {
		t.Errorf("%d died again\n%s", len(dead), out)
	}
	if code, out, said := pawl(nil, append([]string{"audit", "fraud"}, m.flags...)...); code != 0 {
		t.Errorf("audit: exit %d\n%s%s", code, out, said)
	}
}

// TestDeadletterCommands goes through list, show, retry and discard, and the same over HTTP.
func TestDeadletterCommands(t *testing.T) {
	m := newMorgue(t, 6)
	m.do(1, "list") // no topic yet
	m.serve(func(address string) { m.visit(t, address) })
	out := m.do(0, "list", "--values", "--limit", "2")
	if !strings.Contains(out, "DecodeError") || !strings.Contains(out, "transactions-1@2") ||
		!strings.Contains(out, "and 5 older ones") || !strings.Contains(out, "0x706f69736f6e2035") {
		t.Errorf("list\n%s", out)
	}
	if out := m.do(0, "list", "--since", "1970-01-01T00:00:04", "--until",
		"1970-01-01T00:00:05"); !strings.Contains(out, "\n1 dead letters\n") &&
		!strings.Contains(out, "\n2 dead letters\n") {
		t.Errorf("list by time\n%s", out)
	}
	out = m.do(0, "show", "dead-dlq:1:2")
	for _, want := range []string{"transactions-1@2", "70 6f 69 73 6f 6e 20 35", "poison 5",
		"__streams.errors.exception = DecodeError", "attempt 1", "key          u"} {
		if !strings.Contains(out, want) {
			t.Errorf("show without %q\n%s", want, out)
		}
	}
	before := len(m.put())
	if out := m.do(0, "retry", "--all", "--topic", "transactions"); !strings.Contains(out,
		"nothing was changed; --execute") || len(m.put()) != before {
		t.Errorf("dry run\n%s", out)
	}
	if out := m.do(0, "retry", "dead-dlq:1:2"); !strings.Contains(out,
		"dead-dlq:1:2 retried to transactions:1:") || m.put()["dead-dlq:1:2"] != 1 {
		t.Errorf("retry\n%s", out)
	}
	if out := m.do(0, "retry", "dead-dlq:1:2"); !strings.Contains(out, "already") {
		t.Errorf("retry again\n%s", out)
	}
	out = m.do(1, "discard", "dead-dlq:1:2", "dead-dlq:1:1", "--reason", "x")
	if !strings.Contains(out, "dead-dlq:1:2 refused: it was retried at") ||
		!slices.Contains(m.list("discarded"), "dead-dlq:1:1") {
		t.Errorf("discard\n%s", out)
	}
	if out := m.do(1, "retry", "dead-dlq:1:0", "--max-attempts", "1"); !strings.Contains(out,
		"tried 1 times already, and the cap is 1") {
		t.Errorf("cap\n%s", out)
	}
}

// visit asks an instance over HTTP.
func (m *morgue) visit(t *testing.T, address string) {
	t.Helper()
	if code, body := get(t, address+"/v1/deadletters?limit=1"); code != 200 ||
		!strings.Contains(body, `"id":"dead-dlq:1:2"`) || !strings.Contains(body, `"more":5`) {
		t.Errorf("list: %d %s", code, body)
	}
	if code, body := get(t, address+"/v1/deadletters/dead-dlq:0:0"); code != 200 ||
		!strings.Contains(body, `"value_base64":"cG9pc29uIDA="`) {
		t.Errorf("show: %d %s", code, body)
	}
	for path, body := range map[string]string{"retry": "{}", "discard": `{"reason":"over HTTP"}`} {
		id := map[string]string{"retry": "dead-dlq:0:1", "discard": "dead-dlq:0:2"}[path]
		answer, err := http.Post(address+"/v1/deadletters/"+id+"/"+path, "application/json",
			strings.NewReader(body))
		if err != nil {
			t.Error(err)
			continue
		}
		answer.Body.Close()
		if answer.StatusCode != 200 {
			t.Errorf("%s: %s", path, answer.Status)
		}
	}
	if m.put()["dead-dlq:0:1"] != 1 || fmt.Sprint(m.list("discarded")) != "[dead-dlq:0:2]" {
		t.Errorf("put back %v, discarded %v", m.put(), m.list("discarded"))
	}
}

// TestDeadletterRefused lists what is wrong with the command line.
func TestDeadletterRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"needs a dead letter's ID":       {"show"},
		"is no dead letter; write TOPIC": {"show", "x"},
		"give either IDs":                {"retry"},
		"give either IDs, as":            {"retry", "a:0:0", "--all"},
		"--max-attempts=0 is below 1":    {"retry", "a:0:0", "--max-attempts", "0"},
		"filters go with --all":          {"retry", "a:0:0", "--topic", "x"},
		"exclude each other":             {"retry", "--all", "--execute", "--dry-run"},
		"--reason is missing":            {"discard", "a:0:0"},
		"--since=x is neither":           {"list", "--since", "x"},
		"--state=x is unknown":           {"list", "--state", "x"},
		"--limit=-1 is negative":         {"list", "--limit", "-1"},
		"application.id":                 {"list", "--kafka", "127.0.0.1:1"},
		"command \"x\" is unknown":       {"x"},
	} {
		code, _, said := pawl(nil, append([]string{"deadletter"}, args...)...)
		if code != 2 || !strings.Contains(said, want) {
			t.Errorf("%v: exit %d, want 2 and %q: %s", args, code, want, said)
		}
	}
}
