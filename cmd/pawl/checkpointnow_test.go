package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
)

// TestCheckpointNow asks a running service, before it has storage and with it.
func TestCheckpointNow(t *testing.T) {
	c, flags := testCluster(t)
	if err := createInputs(t.Context(), c.admin(t), []string{"transactions"}, 2); err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	dir := t.TempDir()
	serve := func(sets ...string) (*background, string) {
		args := append([]string{"run", "fraud", "--set", "application.id=now",
			"--set", "state.dir=" + dir, "--set", "http.listen=127.0.0.1:0"}, flags...)
		svc := inBackground(t, append(args, sets...)...)
		addr := ""
		eventually(t, "two tasks run", svc, func() bool {
			line, _, _ := strings.Cut(svc.out.String(), "\n")
			addr = strings.TrimPrefix(line, listeningAt)
			code, body := get(t, "http://"+addr+"/ready")
			return code == 200 && strings.Count(body, "RUNNING") == 3
		})
		return svc, addr
	}
	svc, addr := serve()
	code, _, said := pawl(nil, "checkpoint", "now", "--http", addr)
	if code != 1 || !strings.Contains(said, "set checkpoint.url") {
		t.Errorf("without storage: exit %d\n%s", code, said)
	}
	stopped(t, svc)
	svc, addr = serve("--set", "checkpoint.url=file://"+root)
	code, _, said = pawl(nil, append([]string{"generate", "fraud", "--count", "500", "--rate", "0"},
		flags...)...)
	if code != 0 {
		t.Fatalf("generate: exit %d\n%s", code, said)
	}
	report := answer[takenReport](t, 0, "checkpoint", "now", "--http", addr)
	if len(report.Checkpoints) != 2 || report.Checkpoints[0].Result != "written" ||
		report.Checkpoints[1].ID == "" || report.Checkpoints[1].Uploaded == 0 {
		t.Errorf("now: %+v", report)
	}
	rows := answer[[]checkpointRow](t, 0, "checkpoint", "list", "--url", "file://"+root)
	if len(rows) != 2 || !rows[0].Complete {
		t.Errorf("list: %+v", rows)
	}
	code, out, _ := pawl(nil, "checkpoint", "now", "--http", addr)
	if code != 0 || strings.Count(out, " epoch ") != 2 {
		t.Errorf("now: exit %d\n%s", code, out)
	}
	checkpointsShown(t, addr)
	stopped(t, svc)
	code, _, said = pawl(nil, "checkpoint", "now", "--http", addr)
	if code != 1 || !strings.Contains(said, addr) {
		t.Errorf("of nobody: exit %d\n%s", code, said)
	}
	code, _, said = pawl(nil, "checkpoint", "now", "--http", "127.0.0.1:0")
	if code != 2 || !strings.Contains(said, "--http") {
		t.Errorf("at no port: exit %d\n%s", code, said)
	}
}

func stopped(t *testing.T, svc *background) {
	t.Helper()
	svc.stop()
	if code := svc.end(t); code != 0 {
		t.Fatalf("exit %d\n%s", code, svc.errs.String())
	}
}

// checkpointsShown looks for them in what the service tells of itself.
func checkpointsShown(t *testing.T, addr string) {
	t.Helper()
	_, body := get(t, "http://"+addr+"/metrics")
	for _, want := range []string{`pawl_checkpoints_total{pipeline="fraud",task="fraud-0"} `,
		`pawl_checkpoint_age_seconds{pipeline="fraud",task="fraud-1"} `,
		`pawl_restore_rung{pipeline="fraud",rung="local",task="fraud-0"} 1`,
		`pawl_checkpoint_failures_total{pipeline="fraud",task="fraud-0"} 0`,
		`pawl_checkpoint_uploaded_bytes_total{`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in /metrics", want)
		}
	}
	_, body = get(t, "http://"+addr+"/status")
	if !strings.Contains(body, `"restored_from":"local"`) ||
		!strings.Contains(body, `"checkpoint":"000000`) {
		t.Errorf("status: %s", body)
	}
}

// TestWhoMayAskForCheckpoints: this machine, and whoever has the token, but no page in a browser.
func TestWhoMayAskForCheckpoints(t *testing.T) {
	for _, c := range []struct {
		from, token, sent, origin string
		code                      int
	}{
		{"127.0.0.1:1", "", "", "", 503}, // the instance has not started yet
		{"[::1]:1", "", "", "", 503},
		{"192.0.2.1:1", "", "", "", 401},
		{"192.0.2.1:1", "", "Bearer ", "", 401},
		{"192.0.2.1:1", "secret", "Bearer other", "", 401},
		{"192.0.2.1:1", "secret", "secret", "", 401},
		{"192.0.2.1:1", "secret", "Bearer secret", "", 503},
		{"127.0.0.1:1", "", "", "http://evil.example", 403},
		{"elsewhere", "", "", "", 401},
	} {
		svc := newService("fraud")
		svc.token = c.token
		r := httptest.NewRequest(http.MethodPost, checkpointsPath, nil)
		r.RemoteAddr = c.from
		for name, value := range map[string]string{"Authorization": c.sent, "Origin": c.origin} {
			if value != "" {
				r.Header.Set(name, value)
			}
		}
		rec := httptest.NewRecorder()
		svc.handler().ServeHTTP(rec, r)
		if rec.Code != c.code ||
			rec.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%+v: %d %s", c, rec.Code, rec.Body)
		}
	}
}

// TestRunRefusesStorage names the key when the storage cannot be.
func TestRunRefusesStorage(t *testing.T) {
	gone := filepath.Join(t.TempDir(), "gone")
	for value, want := range map[string]string{
		"file://" + gone: "make the folder, or mount it",
		"ftp://x":        "unknown scheme",
	} {
		code, _, said := pawl(nil, "run", "fraud", "--set", "application.id=a", "--set",
			"state.dir="+t.TempDir(), "--set", "http.listen=off", "--kafka", "127.0.0.1:1",
			"--registry", "http://127.0.0.1:1", "--set", "checkpoint.url="+value)
		if code != 2 || !strings.Contains(said, want) ||
			!strings.HasPrefix(said, fmt.Sprintf("checkpoint.url=%s (from flag --set): ", value)) {
			t.Errorf("%s: exit %d\n%s", value, code, said)
		}
	}
}
