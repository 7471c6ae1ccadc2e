package tidy

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "pawl/"

// mayImport says which of our packages a package's code (its tests are free) may import. Reading
// down the table follows a record backwards: whatever stands above knows nothing of what is below.
var mayImport = map[string][]string{
	"internal/mutant":       {},
	"internal/jsonform":     {},
	"schemas/internal/plan": {"internal/jsonform"},
	"schemas":               {"schemas/internal/plan"},
	"schemas/record":        {"schemas"},
	"schemas/history":       {"schemas"},
	"schemas/fraud":         {"schemas"},
	"statestore":            {"internal/mutant"},
	"schemas/iot":           {"schemas"},
	"schemas/activity":      {"schemas"},
	"schemas/pageviews":     {"schemas"},
	"schemas/funnel":        {"schemas", "schemas/activity"},
	"checkpoint":            {"schemas/record", "statestore"},
	"processor": {"checkpoint", "internal/mutant", "schemas", "schemas/record",
		"statestore"},
	"processor/aggregate": {"schemas"},

	"deadletter": {"internal/verify", "processor", "schemas"},

	"query/dashboard": {},
	"query": {"deadletter", "internal/jsonform", "internal/recent", "processor", "schemas",
		"schemas/fraud", "schemas/record", "statestore"},
	"query/past": {"checkpoint", "processor", "query", "schemas", "schemas/record",
		"statestore"},

	"internal/faultnet":   {},
	"internal/embedded":   {"schemas"},
	"internal/loadgen":    {"schemas"},
	"internal/schematest": {"schemas"},
	"internal/pipelinetest": {"internal/loadgen", "internal/verify", "processor",
		"processor/processortest", "schemas"},
	"internal/verify": {"schemas", "schemas/record", "statestore"},
	"internal/law": {"internal/verify", "processor", "schemas", "schemas/record",
		"statestore"},
	"internal/sim": {"checkpoint", "internal/loadgen", "internal/verify", "processor", "schemas",
		"schemas/record", "statestore"},
	"internal/recent":  {"schemas"},
	"internal/metrics": {"processor"},
	"internal/tracing": {"processor"},
	"internal/recovery": {"integration/harness/process", "integration/harness/servers",
		"processor", "schemas"},
	"integration/harness/process": {},
	"processor/processortest": {"integration/harness/process", "internal/embedded", "internal/law",
		"internal/loadgen", "internal/sim", "internal/verify", "processor", "schemas",
		"schemas/record", "statestore"}, // chaos and simulation for anyone's pipeline
	"pipelines/fraud": {"processor", "schemas", "schemas/fraud", "statestore",
		"internal/loadgen", "internal/verify"}, // the generator and the oracle stand beside it
	"pipelines/iot": {"pipelines/iot/devices", "processor", "schemas", "schemas/iot",
		"schemas/record", "statestore", "internal/loadgen", "internal/verify"},
	"pipelines/iot/devices": {"processor", "schemas/iot"},
	"pipelines/activity": {"processor", "schemas", "schemas/activity", "schemas/record",
		"statestore", "internal/loadgen", "internal/verify"},
	"pipelines/pageviews": {"processor", "schemas", "schemas/pageviews", "schemas/record",
		"statestore", "internal/loadgen", "internal/verify"},
	"pipelines/funnel": {"processor", "schemas", "schemas/funnel", "schemas/record",
		"statestore", "internal/loadgen", "internal/verify"},
	"examples/parcels":  {"processor", "processor/aggregate", "replay", "schemas"},
	"internal/security": {},
	"internal/settings": {"checkpoint", "internal/security", "processor", "pipelines/activity",
		"pipelines/fraud", "pipelines/funnel", "pipelines/iot", "pipelines/iot/devices",
		"pipelines/pageviews", "schemas"},
	"replay": {"checkpoint", "internal/verify", "processor", "schemas", "schemas/record",
		"statestore"},
	"audit":          {"internal/verify", "processor", "schemas", "schemas/record", "statestore"},
	"internal/chaos": {"audit", "internal/verify"},
	"internal/survey": {"internal/verify", "processor", "schemas", "schemas/record",
		"statestore"},
	"internal/transactions": {"processor"},
	"internal/tidy":         {},

	"integration/harness/s3":      {},
	"integration/harness/servers": {"integration/harness/process"},
	"integration/harness":         {"integration/harness/process", "integration/harness/servers"},
	"integration/peer":            {},
	"integration/peer/views": {"integration/harness/process", "integration/harness/servers",
		"internal/loadgen", "internal/verify", "pipelines/activity", "pipelines/funnel",
		"pipelines/iot", "pipelines/pageviews", "schemas", "schemas/activity", "schemas/funnel",
		"schemas/iot", "schemas/pageviews"},
	"integration/peer/views/contest": {"integration/peer/views"},
	"integration/rolling":            {"processor", "schemas"},
	"integration/rolling/shop":       {"integration/rolling", "processor", "schemas"},
	"integration/sweep": {"integration/harness/process", "integration/harness/servers",
		"internal/loadgen", "internal/verify", "pipelines/fraud", "schemas"},
	"integration/sweep/draw": {}, // a module of its own
	"integration/browser":    {},
	"integration/sim":        {},
	"integration":            {},

	"deploy/check": {}, // a module of its own, with tests alone

	"integration/peer/goka": {}, // a module of its own
	"integration/peer/speed": {"integration/harness/process", "integration/harness/servers",
		"internal/loadgen", "internal/verify", "pipelines/fraud", "schemas", "schemas/fraud"},
	"integration/peer/speed/contest": {"integration/peer/speed"},

	"cmd/pawl": {"audit", "checkpoint", "deadletter", "integration/harness/process",
		"integration/harness/servers", "internal/chaos", "internal/embedded", "internal/loadgen",
		"internal/metrics", "internal/recent", "internal/recovery", "internal/settings",
		"internal/survey", "internal/tracing", "internal/transactions", "internal/verify",
		"pipelines/activity", "pipelines/fraud", "pipelines/funnel", "pipelines/iot",
		"pipelines/iot/devices", "pipelines/pageviews", "processor", "query",
		"query/dashboard", "query/past", "replay", "schemas", "schemas/fraud",
		"schemas/history", "schemas/pageviews", "schemas/record", "statestore"},
}

// TestImportsPointUp: a package imports what the table allows.
func TestImportsPointUp(t *testing.T) {
	for dir, files := range packages(t) {
		allowed, ok := mayImport[dir]
		if !ok {
			broken(t, "import", files[0], 1, "package %s is not in mayImport of this test; "+
				"say there what it may import", dir)
			continue
		}
		for _, f := range files {
			if f.isTest() {
				continue
			}
			for _, spec := range f.syntax.Imports {
				p := imported(spec)
				if own, ok := strings.CutPrefix(p, module); ok && !slices.Contains(allowed, own) {
					broken(t, "import", f, f.line(spec.Pos()), "%s may not import %s", dir, own)
				}
			}
		}
	}
	for dir := range mayImport {
		if _, ok := packages(t)[dir]; !ok {
			t.Errorf("mayImport names %s, which does not exist", dir)
		}
	}
}

func imported(spec *ast.ImportSpec) string {
	p, err := strconv.Unquote(spec.Path.Value)
	if err != nil {
		return spec.Path.Value // unreachable: the parser took it
	}
	return p
}

// soleImporters are the files that alone may know a dependency, by the dependency's path.
var soleImporters = map[string][]string{
	"github.com/cockroachdb/pebble": {"statestore/pebble.go", "statestore/crashdisk.go",
		"statestore/cutfiles.go", "statestore/faultydisk.go", "statestore/ingest.go"},
	"github.com/riferrei/srclient": {"schemas/admin.go", "schemas/client.go",
		"schemas/references.go", "schemas/retry.go"},
}

// TestDependenciesAreContained: what may be replaced one day is known in one place.
func TestDependenciesAreContained(t *testing.T) {
	for _, f := range all(t) {
		if !f.isGo() || f.isTest() {
			continue
		}
		for _, spec := range f.syntax.Imports {
			for dependency, files := range soleImporters {
				known := !strings.HasPrefix(imported(spec), dependency)
				if !known && !slices.Contains(files, f.path) {
					broken(t, "contained", f, f.line(spec.Pos()), "only %s may import %s",
						strings.Join(files, ", "), dependency)
				}
			}
		}
	}
}

// pure says whether a file sees records, state and event time only.
func pure(f *file) bool {
	switch dir, name := path.Split(f.path); {
	case f.isTest():
		return false
	case dir == "processor/":
		return slices.Contains([]string{"core.go", "source.go", "table.go", "timer.go", "output.go",
			"effects.go", "merge.go", "context.go", "deadletter.go", "breaker.go",
			"global.go"}, name)
	case strings.HasPrefix(dir, "pipelines/"):
		return name != "generator.go" && name != "poison.go"
	}
	return false
}

// TestPureCoreHasNoClock: the same records give the same outputs, or replay proves nothing.
func TestPureCoreHasNoClock(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTicker",
		"NewTimer", "Sleep"}
	seen := 0
	for _, f := range all(t) {
		if !f.isGo() || !pure(f) {
			continue
		}
		seen++
		for _, spec := range f.syntax.Imports {
			p := imported(spec)
			if strings.HasSuffix(p, "/rand") || strings.HasPrefix(p, "math/rand") {
				broken(t, "pure", f, f.line(spec.Pos()), "imports %s: chance reaches an output", p)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				broken(t, "pure", f, f.line(n.Pos()), "starts a goroutine: order reaches an output")
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" &&
					slices.Contains(clock, n.Sel.Name) {
					broken(t, "pure", f, f.line(n.Pos()), "time.%s: the clock reaches an output",
						n.Sel.Name)
				}
			}
			return true
		})
	}
	if seen < 12 {
		t.Errorf("only %d files are held to be pure; mend func pure of this test", seen)
	}
}
