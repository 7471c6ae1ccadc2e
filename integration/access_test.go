//go:build unix

package integration

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kmsg"

	"pawl/integration/harness"
	"pawl/internal/loadgen"
)

// right is one of what `pawl acls --json` prints.
type right struct {
	Resource, Name, Pattern string
	Operations              []string
}

// guardedStage is a stage on a broker with Kafka's own authorizer, where ann may do nothing yet.
type guardedStage struct {
	*stage
	kafka    *harness.Cluster
	settings []string // ann's
	dir      string
}

func newGuardedStage(t *testing.T) *guardedStage {
	t.Helper()
	kafka := harness.Kafka(t, harness.KafkaOptions{Listeners: []string{"SASL_PLAINTEXT"},
		JVM: []string{"-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=info"},
		Properties: map[string]string{
			"authorizer.class.name":   "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
			"super.users":             "User:ANONYMOUS", // the listeners without SASL
			"sasl.enabled.mechanisms": "PLAIN",
			"listener.name.sasl_plaintext.plain.sasl.jaas.config": "org.apache.kafka.common." +
				`security.plain.PlainLoginModule required user_ann="one";`,
		}})
	g := &guardedStage{stage: newStage(t, kafka, shared.Registry(t), 2), kafka: kafka,
		dir: filepath.Join(t.TempDir(), "state")}
	for _, kv := range []string{"application.id=" + g.app, "topic.prefix=" + g.prefix(),
		"schema.registry.url=" + g.url, "state.dir=" + g.dir, "instance.id=only",
		"http.listen=off", "security.protocol=SASL_PLAINTEXT", "sasl.mechanism=PLAIN",
		"sasl.username=ann", "sasl.password=one",
		"bootstrap.servers=" + kafka.Listener("SASL_PLAINTEXT")} {
		g.settings = append(g.settings, "--set", kv)
	}
	return g
}

// rights are those that pawl prints.
func (g *guardedStage) rights() []right {
	g.t.Helper()
	cmd := exec.CommandContext(g.t.Context(), shared.Pawl(g.t),
		append([]string{"acls", "fraud", "--json"}, g.settings...)...)
	out, err := cmd.Output()
	var printed struct{ ACLs []right }
	if err == nil {
		err = json.Unmarshal(out, &printed)
	}
	if err != nil || len(printed.ACLs) == 0 {
		g.t.Fatalf("pawl acls: %v: %s", err, out)
	}
	return printed.ACLs
}

// change gives ann a right, or takes it away.
func (g *guardedStage) change(r right, operation string, allow bool) {
	g.t.Helper()
	op, err := kmsg.ParseACLOperation(operation)
	if err != nil {
		g.t.Fatal(err)
	}
	b := kadm.NewACLs().Allow("User:ann").AllowHosts("*").Operations(op)
	switch r.Resource {
	case "topic":
		b.Topics(r.Name)
	case "group":
		b.Groups(r.Name)
	case "transactional-id":
		b.TransactionalIDs(r.Name)
	default:
		g.t.Fatalf("an unknown resource: %+v", r)
	}
	b.ResourcePatternType(kadm.ACLPatternLiteral)
	if r.Pattern == "prefixed" {
		b.ResourcePatternType(kadm.ACLPatternPrefixed)
	}
	if allow {
		_, err = g.adm.CreateACLs(g.t.Context(), b)
	} else {
		_, err = g.adm.DeleteACLs(g.t.Context(), b)
	}
	if err != nil {
		g.t.Fatal(err)
	}
}

func (g *guardedStage) run(name string) *harness.Proc {
	return harness.Start(g.t, shared.Pawl(g.t), harness.ProcOptions{Name: name,
		Args: append([]string{"run", "fraud"}, g.settings...)})
}

// denials are the broker's words on what it did not let ann do.
func (g *guardedStage) denials() []string {
	g.t.Helper()
	log, err := os.ReadFile(g.kafka.Log(1))
	if err != nil {
		g.t.Fatal(err)
	}
	var found []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "User:ann is Denied") {
			found = append(found, line)
		}
	}
	return found
}

// TestLeastRights gives a user exactly what `pawl acls` prints: the service runs, the broker denies
// it nothing, and the result is the oracle's. Without one of the rights it ends at once, and says
// which one.
func TestLeastRights(t *testing.T) {
	t.Parallel()
	g := newGuardedStage(t)
	all := g.rights()
	for _, r := range all {
		for _, op := range r.Operations {
			g.change(r, op, true)
		}
	}
	load := g.sending(1_000, 7)
	load.Count = 1_000
	if _, err := loadgen.Run(t.Context(), load); err != nil {
		t.Fatal(err)
	}
	proc := g.run("with all rights")
	g.drained(2 * time.Minute)
	if code := proc.Stop(); code != 0 {
		t.Fatalf("exit code %d: %s", code, proc.Output())
	}
	if denied := g.denials(); len(denied) > 0 {
		t.Errorf("the broker denied: %s", strings.Join(denied, ""))
	}
	for _, lost := range []struct{ name, operation string }{{g.prefix() + "transactions", "Read"},
		{g.prefix() + "fraud-decisions", "Write"}, {g.app + "-fraud-changelog", "Read"},
		{g.app + "-dlq", "DescribeConfigs"}, {g.app, "Read"}, {g.app + "-", "Write"}} {
		g.without(all, lost.name, lost.operation)
	}
	g.check()
	g.onlyOurs()
}

// without starts the service with one right less.
func (g *guardedStage) without(all []right, name, operation string) {
	g.t.Helper()
	i := slices.IndexFunc(all, func(r right) bool {
		return r.Name == name && slices.Contains(r.Operations, operation)
	})
	if i < 0 {
		g.t.Errorf("pawl acls prints no %s on %s", operation, name)
		return
	}
	g.change(all[i], operation, false)
	defer g.change(all[i], operation, true)
	before, began := len(g.denials()), time.Now()
	proc := g.run("without " + operation + " on " + name)
	select {
	case <-proc.Done():
	case <-time.After(time.Minute):
		g.t.Fatalf("without %s on %s it does not end: %s", operation, name, proc.Output())
	}
	said := proc.Output()
	g.t.Logf("without %s on %s, after %v: %s", operation, name,
		time.Since(began).Round(time.Millisecond), said)
	want := all[i].Resource + " " + name
	if proc.ExitCode() != 1 || !strings.Contains(said, want) ||
		!strings.Contains(said, "deny "+operation) {
		g.t.Errorf("without %s on %s: exit code %d, %q is not named in: %s", operation, name,
			proc.ExitCode(), want, said)
	}
	if storm := len(g.denials()) - before; storm > 10 {
		g.t.Errorf("without %s on %s: the broker had to refuse %d times", operation, name, storm)
	}
}

// onlyOurs checks that nobody else may read what the service left on disk.
func (g *guardedStage) onlyOurs() {
	g.t.Helper()
	files := 0
	err := filepath.WalkDir(g.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			g.t.Errorf("%s: %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 5 {
		g.t.Errorf("%d files: %v", files, err)
	}
}
