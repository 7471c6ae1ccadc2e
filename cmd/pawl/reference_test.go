package main

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"pawl/internal/metrics"
	"pawl/internal/settings"
	"pawl/processor"
)

var update = flag.Bool("update", false, "rewrite the tables of docs/reference.md")

// TestReference compares the tables of docs/reference.md with the code they describe; with -update
// it rewrites them.
func TestReference(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "reference.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	have := string(b)
	want := have
	for name, table := range map[string]string{
		"settings": settingsTable(), "commands": commandsTable(), "metrics": metricsTable(t),
	} {
		want = replaceTable(t, want, name, table)
	}
	if want == have {
		return
	}
	if !*update {
		t.Fatalf("%s differs from the code; run make golden", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// replaceTable puts table between the two comments that carry its name.
func replaceTable(t *testing.T, text, name, table string) string {
	t.Helper()
	open, end := "<!-- generated: "+name+" -->\n", "<!-- end: "+name+" -->\n"
	head, rest, found := strings.Cut(text, open)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("docs/reference.md has no %q … %q", open, end)
	}
	return head + open + table + end + tail
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| setting | default | meaning |\n|---|---|---|\n")
	for _, s := range settings.Table() {
		def := "–"
		if s.Default != "" {
			def = "`" + s.Default + "`"
		}
		secret := ""
		if s.Secret {
			secret = " Masked wherever it is shown."
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s%s |\n", s.Name, def, s.Doc, secret)
	}
	return b.String()
}

func commandsTable() string {
	var b strings.Builder
	b.WriteString("| command, flag | default | meaning |\n|---|---|---|\n")
	commandRows(&b, (&app{stdout: io.Discard, stderr: io.Discard}).root())
	return b.String()
}

// commandRows adds the commands below one, each with its flags.
func commandRows(b *strings.Builder, above *cobra.Command) {
	commands := slices.Clone(above.Commands())
	slices.SortFunc(commands, func(x, y *cobra.Command) int {
		return strings.Compare(x.Name(), y.Name())
	})
	for _, c := range commands {
		if c.Hidden || c.Name() == "help" || c.Name() == "completion" {
			continue
		}
		fmt.Fprintf(b, "| **`%s %s`** | | %s |\n", above.CommandPath(), c.Use, c.Short)
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			def := "–"
			if f.DefValue != "" && f.DefValue != "[]" {
				def = "`" + f.DefValue + "`"
			}
			fmt.Fprintf(b, "| `--%s` | %s | %s |\n", f.Name, def, f.Usage)
		})
		commandRows(b, c)
	}
}

// metricsTable lists what an instance with one task shows; Go's, the process's and the Kafka
// clients' own are left out.
func metricsTable(t *testing.T) string {
	t.Helper()
	m := metrics.New("fraud", func() processor.Status {
		return processor.Status{State: "RUNNING", Tasks: []processor.TaskStatus{{Name: "fraud-0",
			Rung: processor.RungLocal, Checkpoint: processor.CheckpointStatus{ID: "id"},
			Watermark: time.Now(), Inputs: []processor.InputStatus{{Topic: "transactions"}}}},
			Standbys: []processor.StandbyStatus{{Name: "fraud-1"}}}
	})
	m.Build("v1", "abc")
	m.Events(func() int { return 1 }, func() int64 { return 0 })
	l := m.Listener()
	l.TaskState(processor.TaskStateInfo{Task: "fraud-0", State: processor.TaskRunning})
	l.Waiting(processor.WaitInfo{})
	l.EpochAborted(processor.AbortInfo{Reason: "produce"})
	l.DeadLettered(processor.DeadLetterInfo{Exception: "DecodeError"})
	l.Enriched(processor.EnrichInfo{Task: "fraud-0", Enrichment: "risk"})
	l.Breaker(processor.BreakerInfo{Task: "fraud-0", Enrichment: "risk"})
	l.Restore(processor.RestoreInfo{Task: "fraud-0", Done: true})
	l.Checkpoint(processor.CheckpointInfo{Task: "fraud-0"})
	l.EpochCommitted(processor.EpochInfo{Records: 1, PerTask: []processor.TaskEpoch{
		{Task: "fraud-0", Latencies: [24]uint32{1}}}})
	answer := httptest.NewRecorder()
	m.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	help, kind := map[string]string{}, map[string]string{}
	for line := range strings.Lines(answer.Body.String()) {
		line = strings.TrimSpace(line)
		if rest, ok := strings.CutPrefix(line, "# HELP "); ok {
			name, text, _ := strings.Cut(rest, " ")
			help[name] = text
		} else if rest, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, text, _ := strings.Cut(rest, " ")
			kind[name] = text
		}
	}
	var b strings.Builder
	b.WriteString("| metric | type | meaning |\n|---|---|---|\n")
	for _, name := range sortedKeys(help) {
		if !strings.HasPrefix(name, "go_") && !strings.HasPrefix(name, "process_") {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, kind[name], help[name])
		}
	}
	return b.String()
}
