package tidy

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func document(t *testing.T, name string) *file {
	t.Helper()
	for _, f := range all(t) {
		if f.path == name {
			return f
		}
	}
	t.Fatalf("%s is missing", name)
	return nil
}

// TestPackageMapMatchesTree: each package is a row of the map in ARCHITECTURE.md, and each row is
// a package.
func TestPackageMapMatchesTree(t *testing.T) {
	f := document(t, "ARCHITECTURE.md")
	row := regexp.MustCompile("^\\| `([a-z0-9/]+)/` \\|")
	mapped := make(map[string]int)
	for i, line := range f.lines {
		if m := row.FindStringSubmatch(line); m != nil {
			mapped[m[1]] = i + 1
		}
	}
	dirs := packages(t)
	for dir, files := range dirs {
		if _, ok := mapped[dir]; !ok {
			broken(t, "map", files[0], 1, "package %s is not in the map of ARCHITECTURE.md", dir)
		}
	}
	for dir, line := range mapped {
		if dirs[dir] == nil {
			broken(t, "map", f, line, "there is no package %s", dir)
		}
	}
}

// TestNamedTestsExist: a test that a document names in backquotes is there.
func TestNamedTestsExist(t *testing.T) {
	defined := make(map[string]bool)
	for _, f := range all(t) {
		if !f.isGo() || !f.isTest() {
			continue
		}
		for _, d := range f.syntax.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				defined[fn.Name.Name] = true
			}
		}
	}
	named := regexp.MustCompile("`(Test[A-Z]\\w+)`")
	for _, f := range all(t) {
		if !strings.HasPrefix(f.path, "docs/") {
			continue
		}
		for i, line := range f.lines {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				if !defined[m[1]] {
					broken(t, "named", f, i+1, "there is no test %s", m[1])
				}
			}
		}
	}
}

// TestReadmeIsShort: it is an entrance.
func TestReadmeIsShort(t *testing.T) {
	if f := document(t, "README.md"); len(f.lines) > 200 {
		broken(t, "readme", f, 201, "%d lines; at most 200", len(f.lines))
	}
}

// TestShownCodeIsTested: every line of Go that a page shows stands in the examples it comes from,
// in the same order, so that it compiles and runs. docs/tutorial.md is held to its program there.
func TestShownCodeIsTested(t *testing.T) {
	for page, source := range map[string]string{
		"README.md":           "processor/example_test.go",
		"docs/coming-from.md": "processor/example_coming_test.go",
	} {
		shown, example := document(t, page), document(t, source)
		code, at := false, 0
		for i, line := range shown.lines {
			switch {
			case strings.HasPrefix(line, "```"):
				code = line == "```go"
			case code && strings.TrimSpace(line) != "":
				n := slices.Index(example.lines[at:], line)
				if n < 0 {
					broken(t, "example", shown, i+1, "not in %s, or in another order: %s",
						example.path, line)
					return
				}
				at += n + 1
			}
		}
		if at == 0 {
			t.Errorf("%s shows no Go code of %s", page, example.path)
		}
	}
}
