package settings

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the settings in docs/configuration.md")

// TestConfigurationPage compares docs/configuration.md with the settings; with -update it rewrites
// what is between its comments.
func TestConfigurationPage(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "configuration.md")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const open, end = "<!-- generated: configuration -->\n", "<!-- end: configuration -->\n"
	head, rest, found := strings.Cut(string(b), open)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatalf("%s has no %q … %q", path, open, end)
	}
	want := head + open + page(t) + end + tail
	if want == string(b) {
		return
	}
	if !*update {
		t.Fatalf("%s differs from the settings; run make golden", path)
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// page has a part for each setting, those of a pipeline under its name.
func page(t *testing.T) string {
	t.Helper()
	known := make(map[string]guide)
	for _, g := range guides() {
		known[g.name] = g
	}
	var b strings.Builder
	group := ""
	for _, s := range Table() {
		if g := groupOf(s.Name); g != group {
			group = g
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		g, ok := known[s.Name]
		if !ok {
			t.Errorf("guide_test.go says nothing of %s; add an example and what changes when "+
				"it moves", s.Name)
		}
		part(t, &b, s, g)
	}
	return b.String()
}

func part(t *testing.T, b *strings.Builder, s Setting, g guide) {
	t.Helper()
	if !strings.HasPrefix(g.example, "${") {
		if err := s.kind.check(g.example); err != nil {
			t.Errorf("the example %s=%s %v", s.Name, g.example, err)
		}
	}
	if g.example == s.Default {
		t.Errorf("the example of %s is its default", s.Name)
	}
	def := "none"
	if s.Default != "" {
		def = "`" + s.Default + "`"
	}
	secret := ""
	if s.Secret {
		secret = " Masked wherever it is shown."
	}
	fmt.Fprintf(b, "\n### `%s`\n\n%s%s\n\n", s.Name, s.Doc, secret)
	fmt.Fprintf(b, "- Default %s; %s; such as `%s: %s`; in the environment `%s`.\n", def,
		shape(t, s), s.Name, g.example, envName(s.Name))
	fmt.Fprintf(b, "- %s\n", g.moves)
}

// groupOf is the heading that a setting stands under.
func groupOf(name string) string {
	first, _, _ := strings.Cut(name, ".")
	switch first {
	case "fraud", "iot", "activity", "pageviews", "funnel":
		return "Of pipeline " + first
	case "checkpoint":
		return "Checkpoints"
	case "security", "ssl", "sasl":
		return "Security of the connection to brokers"
	case "application", "instance", "bootstrap", "schema", "auto", "topics", "topic",
		"replication", "compression", "subject", "client", "fetch":
		return "Kafka and the registry"
	}
	return "The instance"
}

// shape says which values a setting takes.
func shape(t *testing.T, s Setting) string {
	t.Helper()
	switch k := s.kind.(type) {
	case text:
		return "text"
	case list:
		return "a list, separated by commas"
	case truth:
		return "true or false"
	case choice:
		return "one of " + strings.TrimPrefix(strings.Join(k, ", "), ", ")
	case number:
		if k.not0 {
			return fmt.Sprintf("a whole number, %d or 1 to %d", k.min, k.max)
		}
		return fmt.Sprintf("a whole number, %d to %d", k.min, k.max)
	case decimal:
		if k.max >= 1e300 {
			return fmt.Sprintf("a number, %v or more", k.min)
		}
		return fmt.Sprintf("a number, %v to %v", k.min, k.max)
	case duration:
		return "a duration" + or(k.positive, " above 0s", ", 0s or more") +
			or(k.auto, ", or auto", "") + or(k.off, ", or off", "")
	case size:
		return "a size in bytes or with a unit" + or(k.auto, ", or auto", "") +
			or(k.off, ", or off", "")
	case address:
		return "an http or https URL"
	case storage:
		return "a URL of storage"
	case keyURLs:
		return "URLs of keys, separated by spaces or line ends"
	case hostPort:
		return "host:port"
	case listen:
		return "host:port, or off"
	}
	t.Errorf("func shape knows no kind %T, of %s; say there which values it takes", s.kind, s.Name)
	return ""
}

func or(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
