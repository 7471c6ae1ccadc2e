package settings

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	environ := map[string]string{"HOST": "h", "EMPTY": ""}
	for _, c := range []struct{ in, want, fault string }{
		{"plain", "plain", ""},
		{"${HOST}:1", "h:1", ""},
		{"${HOST}${HOST}", "hh", ""},
		{"${NONE:http://d:1}/x", "http://d:1/x", ""},
		{"${EMPTY:d}", "", ""},
		{"${NONE:}", "", ""},
		{"$${HOST}", "${HOST}", ""},
		{"${NONE}", "", "NONE, which is not set"},
		{"${HOST", "", "without }"},
	} {
		got, err := expand(c.in, environ)
		if c.fault == "" && (err != nil || got != c.want) {
			t.Errorf("expand(%q) = %q, %v; want %q", c.in, got, err, c.want)
		}
		if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
			t.Errorf("expand(%q) gives %v; want %s", c.in, err, c.fault)
		}
	}
}

func TestFile(t *testing.T) {
	for _, c := range []struct{ yaml, want string }{
		{"", ""},
		{"# only a comment\n", ""},
		{"~\n", ""},
		{"instance.id: &n one\napplication.id: *n\n", ""},
		{"a: b: c\n", "is not YAML"},
		{"- a\n- b\n", "is not a map"},
		{"just words\n", "is not a map"},
		{"fraud: &f {span: *f}\n", "stands for more than a plain value"},
		{"log.level: info\n---\nlog.level: warn\n", "second YAML document"},
		{"bootstrap.servers: [{a: b}]\n", "list of more than plain values"},
		{"state.dir: ${NOT_SET}\n", "state.dir=${NOT_SET} (from file "},
	} {
		_, err := Load(Sources{File: write(t, c.yaml)})
		if c.want == "" && err != nil || c.want != "" &&
			(err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%q gives %v; want %q", c.yaml, err, c.want)
		}
	}
	missing := filepath.Join(t.TempDir(), "none.yaml")
	want := "(from file " + missing + "): cannot be read: no such file or directory; " +
		"give an existing file with --config"
	if _, err := Load(Sources{File: missing}); err == nil || err.Error() != want {
		t.Errorf("a missing file gives %v; want %s", err, want)
	}
}

// TestServiceLinks keeps a Service named pawl from breaking every start in its namespace.
func TestServiceLinks(t *testing.T) {
	ok := []string{"PAWL_SERVICE_HOST=1", "PAWL_SERVICE_PORT_HTTP=1", "PAWL_PORT=tcp://x",
		"PAWL_PORT_8080_TCP_ADDR=1", "PAWL_FRAUD_SERVICE_PORT=1", "PAWL_KAFKA=x"}
	if _, err := Load(Sources{Environ: ok}); err != nil {
		t.Errorf("refused: %v", err)
	}
	for _, bad := range []string{"PAWL_PORTS=1", "PAWL_SERVICE=1", "PAWL_API_TOKENS=hunter2"} {
		_, err := Load(Sources{Environ: []string{bad}})
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s gives %v", bad, err)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"", "abc", 3}, {"kitten", "sitting", 3}, {"ab", "ba", 2}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d; want %d", c.a, c.b, got, c.want)
		}
	}
	if got := Nearest("bc", []string{"xyz", "ab", "abc"}); got != "abc" {
		t.Errorf("nearest is %q", got)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, "1KiB": 1024, "1 GiB": 1 << 30,
		"2MB": 2_000_000, "7B": 7} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("parseSize(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for _, bad := range []string{"", "-1", "1.5GiB", "GiB", "1gib", "99999999999999999999"} {
		if got, err := parseSize(bad); err == nil {
			t.Errorf("parseSize(%q) = %d; want a fault", bad, got)
		}
	}
}
