package tidy

import (
	"go/ast"
	"go/types"
	"path"
	"slices"
	"strings"
	"testing"
)

// examples are the names behind Example in a package's tests that are run, which those are that say
// what they print.
func examples(files []*file) []string {
	var names []string
	for _, f := range files {
		if !f.isTest() {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			name, is := "", false
			if ok {
				name, is = strings.CutPrefix(fn.Name.Name, "Example")
			}
			if !is {
				continue
			}
			for _, c := range f.syntax.Comments {
				within := c.Pos() > fn.Pos() && c.End() <= fn.End()
				if within && strings.HasPrefix(c.Text(), "Output:") {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// isOperator says whether a function is one that pipelines are made of: it takes a pipeline or an
// input to begin with, or gives a handler or a kind of window.
func isOperator(fn *ast.FuncDecl) bool {
	if fn.Recv != nil || !fn.Name.IsExported() {
		return false
	}
	typeOf := func(e ast.Expr) string {
		name, _, _ := strings.Cut(types.ExprString(e), "[")
		return name
	}
	if p := fn.Type.Params.List; len(p) > 0 &&
		slices.Contains([]string{"*Pipeline", "*Source"}, typeOf(p[0].Type)) {
		return true
	}
	return fn.Type.Results != nil && slices.ContainsFunc(fn.Type.Results.List,
		func(r *ast.Field) bool {
			return slices.Contains([]string{"Handler", "Window", "Session"}, typeOf(r.Type))
		})
}

// TestOperatorsHaveExamples: what a pipeline can be made of is shown by an example that runs, and
// so is each fold of package aggregate. A few are part of all of them.
func TestOperatorsHaveExamples(t *testing.T) {
	part := []string{"New", "Output"}
	seen := 0
	for _, dir := range []string{"processor", "processor/aggregate"} {
		have := examples(packages(t)[dir])
		for _, f := range packages(t)[dir] {
			if f.isTest() {
				continue
			}
			for _, d := range f.syntax.Decls {
				fn, ok := d.(*ast.FuncDecl)
				if !ok || !fn.Name.IsExported() || slices.Contains(part, fn.Name.Name) {
					continue
				}
				fold := dir == "processor/aggregate" && strings.HasSuffix(fn.Name.Name, "Of")
				if !fold && (dir != "processor" || !isOperator(fn)) {
					continue
				}
				seen++
				if !slices.Contains(have, fn.Name.Name) {
					broken(t, "example", f, f.line(fn.Pos()),
						"%s has no Example%s with an Output", fn.Name.Name, fn.Name.Name)
				}
			}
		}
	}
	if seen < 25 {
		t.Errorf("only %d operators were seen; mend isOperator of this test", seen)
	}
}

// TestPublicPackagesHaveExamples: each package that a program of somebody else's would import shows
// how.
func TestPublicPackagesHaveExamples(t *testing.T) {
	inside := []string{"cmd", "internal", "integration", "deploy", "examples", "pipelines"}
	for dir, files := range packages(t) {
		top, _, _ := strings.Cut(dir, "/")
		// query is reached over HTTP, and schemas/NAME have the types of one pipeline each.
		if slices.Contains(inside, top) || strings.Contains(dir, "/internal") || top == "query" ||
			path.Dir(dir) == "schemas" {
			continue
		}
		if len(examples(files)) == 0 {
			broken(t, "example", files[0], 1, "package %s has no Example with an Output", dir)
		}
	}
}
