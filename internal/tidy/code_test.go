package tidy

import (
	"go/ast"
	"go/token"
	"testing"
)

const functionLinesMax = 70

// TestPackagesAreDocumented: a package says in its first sentence what holds in it.
func TestPackagesAreDocumented(t *testing.T) {
	for dir, files := range packages(t) {
		documented, tests := false, true
		for _, f := range files {
			documented = documented || f.syntax.Doc != nil && !f.isTest()
			tests = tests && f.isTest()
		}
		if !documented && !tests && dir != "." {
			broken(t, "package", files[0], 1, "package %s has no comment; write its doc.go", dir)
		}
	}
}

// TestFunctionsAreShort: a function fits on a screen.
func TestFunctionsAreShort(t *testing.T) {
	for _, f := range all(t) {
		if !f.isGo() || f.isGenerated() {
			continue
		}
		for _, d := range f.syntax.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := f.line(fn.End()) - f.line(fn.Pos()) + 1; n > functionLinesMax {
				broken(t, "function", f, f.line(fn.Pos()), "%s has %d lines; at most %d",
					fn.Name.Name, n, functionLinesMax)
			}
		}
	}
}

// TestExportsAreDocumented: who may use a name may read what it means.
func TestExportsAreDocumented(t *testing.T) {
	for _, f := range all(t) {
		if !f.isGo() || f.isTest() || f.isGenerated() {
			continue
		}
		for _, d := range f.syntax.Decls {
			for _, name := range undocumented(d) {
				broken(t, "export", f, f.line(name.Pos()), "%s has no comment", name.Name)
			}
		}
	}
}

// undocumented are the exported names that a declaration leaves without a comment. A comment on a
// group counts for all that is in it.
func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT || d.Doc != nil {
			return nil
		}
		var names []*ast.Ident
		for _, s := range d.Specs {
			names = append(names, undocumentedIn(s)...)
		}
		return names
	}
	return nil
}

func undocumentedIn(s ast.Spec) []*ast.Ident {
	var names []*ast.Ident
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Doc == nil && s.Comment == nil && s.Name.IsExported() {
			names = append(names, s.Name)
		}
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if s.Doc == nil && s.Comment == nil && n.IsExported() {
				names = append(names, n)
			}
		}
	}
	return names
}

// exportedReceiver says that a function is none of an unexported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return true
	}
	typ := d.Recv.List[0].Type
	for {
		switch x := typ.(type) {
		case *ast.StarExpr:
			typ = x.X
		case *ast.IndexExpr:
			typ = x.X
		case *ast.IndexListExpr:
			typ = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return true
		}
	}
}
