package metrics

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const rulesFile = "deploy/prometheus/pawl.rules.yaml"

// rule is an alert or, with Record, a series that is computed.
type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct{ Groups []struct{ Rules []rule } }
	if err := yaml.Unmarshal([]byte(readDoc(t, rulesFile)), &file); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// TestRules: rules are about metrics that there are, and each alert has a test in which it fires,
// one in which it does not, a severity, and a heading of the runbook that it leads to.
func TestRules(t *testing.T) {
	all, computed := live(t), make(map[string][]string)
	tests, runbook := readDoc(t, "deploy/prometheus/pawl.rules.test.yaml"), headings(t)
	var alerts []string
	for _, r := range rules(t) {
		name := r.Record + r.Alert
		checkExpr(t, name, r.Expr, all, computed)
		if r.Record != "" {
			computed[r.Record] = nil
			continue
		}
		alerts = append(alerts, name)
		if s := r.Labels["severity"]; s != "page" && s != "ticket" {
			t.Errorf("%s: severity %q; give page or ticket", name, s)
		}
		leads, want := r.Annotations["runbook_url"], "docs/operations.md#"+strings.ToLower(name)
		if leads != want {
			t.Errorf("%s: runbook_url %q, want %s", name, leads, want)
		}
		if r.Annotations["summary"] == "" {
			t.Errorf("%s has no summary", name)
		}
		if !slices.Contains(runbook, name) {
			t.Errorf("docs/operations.md has no heading %s", name)
		}
		silent := fmt.Sprintf("ALERTS{alertname=%q,alertstate=\"firing\"}\n", name)
		fires := fmt.Sprintf(`'ALERTS{alertname=%q,alertstate="firing"`, name)
		if strings.Count(tests, silent) < 2 || !strings.Contains(tests, fires) {
			t.Errorf("%s has no test in which it fires and one in which it does not", name)
		}
	}
	for _, name := range runbook {
		if !slices.Contains(alerts, name) {
			t.Errorf("docs/operations.md has a heading for %s, which is no alert", name)
		}
	}
	if len(alerts) < 20 {
		t.Errorf("only %d alerts were read", len(alerts))
	}
}

// headings are the alerts that docs/operations.md has a heading for.
func headings(t *testing.T) []string {
	t.Helper()
	var names []string
	heading := regexp.MustCompile(`(?m)^### (Pawl[A-Za-z]+)$`)
	for _, m := range heading.FindAllStringSubmatch(readDoc(t, "docs/operations.md"), -1) {
		names = append(names, m[1])
	}
	return names
}

// dashboard is what is checked of Grafana's model.
type dashboard struct {
	UID, Title    string
	SchemaVersion int
	Panels        []panel
	Templating    struct {
		List []struct{ Name, Type, Definition string }
	}
	Annotations struct{ List []struct{ Name, Expr string } }
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               struct{ UID string }
	GridPos                  struct{ X, Y, W, H int }
	Targets                  []struct{ Expr, RefID string }
}

func dashboards(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob("../../deploy/grafana/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("%d dashboards, %v", len(files), err)
	}
	var all []dashboard
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var d dashboard
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, d)
	}
	return all
}

// TestDashboardsParse gives all expressions to promtool as if they were rules.
func TestDashboardsParse(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is missing; install Debian's prometheus")
	}
	var list []map[string]string
	variables := strings.NewReplacer("$pipeline", "fraud", "$__rate_interval", "1m")
	for _, d := range dashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				list = append(list, map[string]string{"record": fmt.Sprintf("x%d", len(list)),
					"expr": variables.Replace(target.Expr)})
			}
		}
		for _, a := range d.Annotations.List {
			if a.Expr != "" {
				list = append(list, map[string]string{"record": fmt.Sprintf("x%d", len(list)),
					"expr": variables.Replace(a.Expr)})
			}
		}
	}
	text, err := json.Marshal(map[string]any{"groups": []any{
		map[string]any{"name": "all", "rules": list}}}) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", path).CombinedOutput()
	if err != nil || len(list) < 60 {
		t.Errorf("%d expressions: %v\n%s", len(list), err, out)
	}
}

// TestDashboards: each is whole, is about metrics that there are, and takes data source and
// pipeline from its variables.
func TestDashboards(t *testing.T) {
	all := live(t)
	uids := make(map[string]bool)
	for _, d := range dashboards(t) {
		if d.UID == "" || uids[d.UID] || d.SchemaVersion < 39 {
			t.Errorf("%s: uid %q, schema version %d", d.Title, d.UID, d.SchemaVersion)
		}
		uids[d.UID] = true
		var variables []string
		for _, v := range d.Templating.List {
			variables = append(variables, v.Type+" "+v.Name)
		}
		if !slices.Equal(variables, []string{"datasource datasource", "query pipeline"}) {
			t.Errorf("%s has the variables %v", d.Title, variables)
		}
		for _, a := range d.Annotations.List {
			checkExpr(t, d.Title+": "+a.Name, a.Expr, all, nil)
		}
		checkPanels(t, &d, all)
	}
}

func checkPanels(t *testing.T, d *dashboard, all map[string]family) {
	t.Helper()
	ids, place := make(map[int]bool), make(map[[2]int]string)
	for _, p := range d.Panels {
		where := d.Title + ": " + p.Title
		if ids[p.ID] {
			t.Errorf("%s: id %d is taken", where, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := place[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("%s lies over %q or outside", where, other)
				}
				place[[2]int{x, y}] = p.Title
			}
		}
		if p.Type == "row" {
			continue
		}
		if len(p.Targets) == 0 || p.Description == "" || p.Datasource.UID != "${datasource}" {
			t.Errorf("%s: %d targets, description %q, data source %q", where, len(p.Targets),
				p.Description, p.Datasource.UID)
		}
		for _, target := range p.Targets {
			checkExpr(t, where+" "+target.RefID, target.Expr, all, nil)
			if !strings.Contains(target.Expr, `pipeline=~"$pipeline"`) {
				t.Errorf("%s %s shows all pipelines: %s", where, target.RefID, target.Expr)
			}
		}
	}
}
