package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"pawl/schemas"
	"pawl/schemas/fraud"
)

// clerk runs `pawl schemas` on a registry.
type clerk struct {
	t     *testing.T
	flags []string
}

func (c *clerk) do(want int, args ...string) string {
	c.t.Helper()
	code, out, said := pawl(nil, append(append([]string{"schemas"}, args...), c.flags...)...)
	if code != want {
		c.t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, out, said)
	}
	return out + said
}

// says demands texts in what a command said.
func says(t *testing.T, out string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(out, text) {
			t.Errorf("%q is missing in\n%s", text, out)
		}
	}
}

// TestSchemas goes from an empty registry to a clash, with every command.
func TestSchemas(t *testing.T) {
	cluster, flags := testCluster(t)
	admin, ctx := schemas.NewAdmin(cluster.registry), t.Context()
	c := &clerk{t, append(flags, "--application", "shop")}

	says(t, c.do(0, "list", "fraud"), "transactions-value", "not registered", "BACKWARD",
		"shop-fraud-changelog-pawl.fraud.Velocity ", "state")
	says(t, c.do(0, "register", "fraud", "--dry-run"), "transactions-value would become v1")
	if names, err := admin.Subjects(ctx); err != nil || len(names) != 0 {
		t.Fatalf("a dry run registered %v, %v", names, err)
	}
	out := c.do(0, "register", "fraud", "--level", "FULL")
	says(t, out, "transactions-value v1 id=", "shop-ticks-value v1 id=")
	if again := c.do(0, "register", "fraud"); again != out {
		t.Errorf("registered again:\n%s\nat first:\n%s", again, out)
	}
	says(t, c.do(0, "list", "fraud"), "FULL*", "v1 id=")
	says(t, c.do(0, "check", "fraud"), "go together", "0 with a new version")
	says(t, c.do(0, "diff", "fraud"), "no differences")
	says(t, c.do(0, "evolve", "fraud"), "nothing to do")
	// A start finds exactly what was registered.
	says(t, c.do(0, "check"), "state is left out")

	// Somebody evolves an input, on paper first.
	next := strings.Replace(fraud.TransactionType().String(), `"fields":[`,
		`"fields":[{"name":"shop","type":"string","default":"?"},`, 1)
	file := filepath.Join(t.TempDir(), "next.avsc")
	if err := os.WriteFile(file, []byte(next), 0o600); err != nil {
		t.Fatal(err)
	}
	out = c.do(0, "evolve", "transactions-value", "--schema", file)
	says(t, out, "transactions-value v2, level FULL", `+ shop: string, default "?"`, "--execute")
	says(t, c.do(0, "evolve", "transactions-value", "--schema", file, "--execute"),
		"transactions-value v2 id=")
	says(t, c.do(0, "diff", "fraud"), "transactions-value v2 → this binary", "- shop: string")
	says(t, c.do(0, "diff", "transactions-value", "--from", "1", "--to", "2"),
		"transactions-value v1 → v2", "+ shop: string")
	says(t, c.do(1, "diff", "transactions-value", "--from", "9"), "no version 9; there are [1 2]")
	says(t, c.do(0, "list", "fraud"), "v1 id=", "not the newest")

	// What clashes is refused, whole, with subject and field.
	clash := strings.Replace(next, `,"default":"?"`, "", 1)
	clash = strings.Replace(clash, `"name":"shop"`, `"name":"place"`, 1)
	if err := os.WriteFile(file, []byte(clash), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, c.do(1, "evolve", "transactions-value", "--schema", file, "--execute"),
		"clash place: was not written and has no default", "nothing was changed")
	if all, err := admin.Versions(ctx, "transactions-value"); err != nil || len(all) != 2 {
		t.Errorf("versions %+v, %v", all, err)
	}
	if err := admin.SetLevel(ctx, "fraud-alerts-value", "NONE"); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Register(ctx, "fraud-alerts-value",
		`{"type":"record","name":"pawl.fraud.Alert","fields":[]}`); err != nil {
		t.Fatal(err)
	}
	out = c.do(1, "check", "fraud", "--level", "BACKWARD")
	says(t, out, "fraud-alerts-value transaction_id: was not written", "(data of version 2; level")
	says(t, c.do(1, "register", "fraud", "--level", "BACKWARD"), "fraud-alerts-value",
		"nothing was registered")
	says(t, c.do(0, "check", "fraud"), "go together") // NONE forbids nothing
}

// TestSchemasAgainstGoldenFiles is the gate that contacts nothing.
func TestSchemasAgainstGoldenFiles(t *testing.T) {
	dir := t.TempDir()
	c := &clerk{t, []string{"--against", dir, "--application", "shop"}}
	says(t, c.do(0, "check", "fraud"), "0 unchanged", "without any version there")
	says(t, c.do(0, "evolve", "fraud"), "nothing was changed")
	says(t, c.do(0, "evolve", "fraud", "--execute"), "transactions-value v1 id=1")
	says(t, c.do(0, "check", "fraud"), "0 with a new version, 0 without")

	// The entry of a store lacks a field that this binary wants: level or not, it cannot be read.
	store := filepath.Join(dir, "shop-fraud-changelog-pawl.fraud.Velocity")
	old := `{"type":"record","name":"pawl.fraud.Velocity","fields":[]}`
	if err := os.WriteFile(filepath.Join(store, "1.avsc"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(store, "level"), []byte("NONE"), 0o600); err != nil {
		t.Fatal(err)
	}
	says(t, c.do(1, "check", "fraud"), "shop-fraud-changelog-pawl.fraud.Velocity ",
		"was not written and has no default (data of version 1; level NONE)")
	var report struct {
		Against  string
		Subjects int
		Clashes  []struct{ Subject, Field, Reason, Of, Level string }
	}
	out := c.do(1, "check", "fraud", "--json")
	err := json.Unmarshal([]byte(out), &report)
	if err != nil || report.Against != dir || len(report.Clashes) == 0 ||
		report.Clashes[0].Of != "data" || report.Clashes[0].Field == "" {
		t.Errorf("%v: %s", err, out)
	}
}

// TestStartDeniedByTheRegistry: wrong credentials end a start at once, without a storm of tries.
func TestStartDeniedByTheRegistry(t *testing.T) {
	cluster, flags := testCluster(t)
	if err := createInputs(t.Context(), cluster.admin(t), []string{"transactions"}, 1); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if user, password, _ := r.BasicAuth(); user != "u" || password != "hunter2" {
			t.Errorf("asked as %q with %q", user, password)
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(registry.Close)
	code, out, said := pawl(nil, append([]string{"run", "fraud", "--set", "application.id=denied",
		"--set", "state.dir=" + t.TempDir(), "--set", "http.listen=off",
		"--set", "startup.timeout=1m", "--set", "schema.registry.user=u", "--set",
		"schema.registry.password=hunter2"}, append(flags, "--registry", registry.URL)...)...)
	if code != 1 {
		t.Errorf("exit %d\n%s", code, out)
	}
	says(t, said, registry.URL, "401 Unauthorized", "the settings of schema.registry")
	if strings.Contains(out+said, "hunter2") {
		t.Errorf("the password is shown:\n%s%s", out, said)
	}
	if n := asked.Load(); n > 20 {
		t.Errorf("the registry was asked %d times", n)
	}
}

// TestSchemasRefuses: wrong command lines and registries end with what mends them.
func TestSchemasRefuses(t *testing.T) {
	nowhere := &clerk{t, []string{"--registry", "http://127.0.0.1:1"}}
	bare := &clerk{t, nil}
	for _, c := range []struct {
		clerk *clerk
		code  int
		args  string
		says  string
	}{
		{bare, 2, "lst", `command "lst" is unknown`},
		{bare, 2, "list", "schema.registry.url= (from default)"},
		{nowhere, 2, "check frod", "frod is neither a pipeline nor a subject of one; use fraud"},
		{nowhere, 2, "check --level SOME", "--level=SOME"},
		{bare, 2, "check --against none", "--against=none: "},
		{nowhere, 2, "evolve fraud --schema none", "name exactly one"},
		{nowhere, 2, "evolve transactions-value --schema none", "--schema=none cannot be read"},
		{nowhere, 2, "diff --from -1", "--from=-1"},
		{nowhere, 1, "list fraud", "http://127.0.0.1:1"},
		{bare, 2, "list --registry http://r --set schema.registry.user=u",
			"schema.registry.user=u (from flag --set): has no password"},
	} {
		says(t, c.clerk.do(c.code, strings.Fields(c.args)...), c.says)
	}
}
