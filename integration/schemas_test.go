//go:build unix

package integration

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"pawl/integration/harness"
)

// schemasCommand runs `pawl schemas` on a registry and demands an exit code.
func schemasCommand(t *testing.T, want int, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), shared.Pawl(t), append([]string{"schemas"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != want {
		t.Fatalf("pawl schemas %s: exit %d (%v), want %d\n%s", strings.Join(args, " "), code, err,
			want, &out)
	}
	return out.String()
}

// TestSchemasOnARealRegistry registers a pipeline, evolves a subject and meets a refusal, on a
// registry that somebody else wrote.
func TestSchemasOnARealRegistry(t *testing.T) {
	registry := harness.Registry(t)
	app := harness.ID(t)
	flags := []string{"--registry", registry.URL(), "--application", app,
		"--set", "topic.prefix=" + app + "."}
	do := func(want int, args ...string) string {
		t.Helper()
		return schemasCommand(t, want, append(args, flags...)...)
	}
	has := func(out string, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if !strings.Contains(out, text) {
				t.Errorf("%q is missing in\n%s", text, out)
			}
		}
	}
	subject := app + ".transactions-value"
	has(do(0, "list", "fraud"), subject, "not registered")
	out := do(0, "register", "fraud", "--level", "FULL")
	has(out, subject+" v1 id=", app+"-fraud-changelog-pawl.fraud.Velocity v1 id=")
	if again := do(0, "register", "fraud"); again != out {
		t.Errorf("registered again:\n%s\nat first:\n%s", again, out)
	}
	has(do(0, "list", "fraud"), "FULL*", "v1 id=")
	has(do(0, "check", "fraud"), "go together")

	next := func(field string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "next.avsc")
		text, err := os.ReadFile("../schemas/fraud/transaction.avsc")
		if err == nil {
			at := strings.Replace(string(text), `"fields": [`, `"fields": [`+field+",", 1)
			err = os.WriteFile(path, []byte(at), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	has(do(0, "evolve", subject, "--execute", "--schema",
		next(`{"name":"shop","type":"string","default":"?"}`)), subject+" v2 id=")
	has(do(0, "diff", subject, "--from", "1", "--to", "2"), `+ shop: string, default "?"`)
	has(do(1, "evolve", subject, "--execute", "--schema",
		next(`{"name":"place","type":"string"}`)), "place: was not written and has no default")
	has(do(0, "list", "fraud"), "not the newest")
}
