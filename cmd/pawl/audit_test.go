package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAudit audits a service while it runs and after it, and doubts it after a forged output.
func TestAudit(t *testing.T) {
	c, flags := testCluster(t)
	adm := c.admin(t)
	if err := createInputs(t.Context(), adm, []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	own := append([]string{"--set", "application.id=aud"}, flags...)
	report := filepath.Join(t.TempDir(), "audit.json")
	audit := append([]string{"audit", "fraud", "--report", report}, own...)
	code, _, said := pawl(nil, audit...)
	if code != 1 || !strings.Contains(said, "fraud-limits does not exist") {
		t.Errorf("before the first run: exit %d\n%s", code, said)
	}
	svc := inBackground(t, append([]string{"run", "fraud", "--set", "instance.id=one",
		"--set", "state.dir=" + t.TempDir(), "--set", "http.listen=off"}, own...)...)
	eventually(t, "the limits topic", svc, func() bool {
		topics, err := adm.ListTopics(t.Context())
		return err == nil && topics.Has("fraud-limits")
	})
	code, _, said = pawl(nil, append([]string{"generate", "fraud", "--count", "2000", "--rate",
		"0", "--poison"}, flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	eventually(t, "all is processed", svc, func() bool {
		all, err := groupProgress(t.Context(), adm, "aud", []string{"transactions"})
		return err == nil && lag(all) == 0
	})
	code, out, said := pawl(nil, audit...)
	if code != 0 || !strings.Contains(out, "aud is live") || readJSON(t, report)["live"] != true {
		t.Errorf("live: exit %d\n%s%s", code, out, said)
	}
	svc.stop()
	if code := svc.end(t); code != 0 {
		t.Fatalf("run: exit %d\n%s", code, svc.errs.String())
	}
	code, out, said = pawl(nil, audit...)
	if code != 0 || !strings.Contains(out, "violations: 0\n") || strings.Contains(out, "\x1b") {
		t.Errorf("stopped: exit %d\n%s%s", code, out, said)
	}
	wantAudit(t, readJSON(t, report))
	t.Log(out)

	cl, err := c.client()
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	forged := &kgo.Record{Topic: "fraud-alerts", Key: []byte("x"), Value: []byte("x")}
	if err := cl.ProduceSync(t.Context(), forged).FirstErr(); err != nil {
		t.Fatal(err)
	}
	code, out, said = pawl(nil, audit...)
	if code != 1 || !strings.Contains(out, "violation: output-unaccounted fraud-alerts-") ||
		!strings.Contains(out, "violations: 1\n") || said != "" {
		t.Errorf("forged: exit %d\n%s%s", code, out, said)
	}
	if v := readJSON(t, report)["violations"].([]any); len(v) != 1 {
		t.Errorf("violations %v", v)
	} else {
		wantKeys(t, "violation", v[0].(map[string]any), "invariant where detail")
	}
}

// wantAudit checks the report's shape.
func wantAudit(t *testing.T, got map[string]any) {
	t.Helper()
	wantKeys(t, "report", got, "inputs epochs claims outputs violations live complete")
	inputs := got["inputs"].(map[string]any)
	account := inputs["transactions-0"].(map[string]any)
	wantKeys(t, "inputs.transactions-0", account,
		"offsets processed late dead deduplicated filtered shed")
	if len(inputs) != 4 || account["processed"].(float64) < 100 || got["complete"] != true ||
		got["outputs"].(float64) < 1500 || got["claims"] != 2.0 {
		t.Errorf("report %v", got)
	}
}

// TestAuditRefused lists what is wrong with the command line.
func TestAuditRefused(t *testing.T) {
	for want, args := range map[string][]string{
		"needs one pipeline":         {"audit"},
		"pipeline \"x\" is unknown":  {"audit", "x"},
		"application.id":             {"audit", "fraud", "--kafka", "127.0.0.1:1"},
		"schema.registry.url":        {"audit", "fraud", "--kafka", "127.0.0.1:1"},
		"--report=/nowhere/at/all/r": {"audit", "fraud", "--report", "/nowhere/at/all/r"},
	} {
		if code, _, said := pawl(nil, args...); code != 2 || !strings.Contains(said, want) {
			t.Errorf("%v: exit %d, want 2 and %q: %s", args, code, want, said)
		}
	}
	code, _, said := pawl(nil, "audit", "fraud", "--kafka", "127.0.0.1:1", "--registry",
		"http://127.0.0.1:1", "--set", "application.id=a", "--set", "startup.timeout=1s")
	if code != 1 || !strings.Contains(said, "127.0.0.1:1") {
		t.Errorf("no broker: exit %d: %s", code, said)
	}
}
