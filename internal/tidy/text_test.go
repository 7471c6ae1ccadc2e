package tidy

import (
	"go/ast"
	"go/token"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	fileLinesMax = 500
	columnsMax   = 100
	tabColumns   = 4
)

// TestFilesAreShort: a file that has to be scrolled for long wants to be two.
func TestFilesAreShort(t *testing.T) {
	for _, f := range all(t) {
		if f.isGo() && !f.isGenerated() && len(f.lines) > fileLinesMax {
			broken(t, "file", f, fileLinesMax+1, "%d lines; at most %d", len(f.lines), fileLinesMax)
		}
	}
}

// TestLinesFit: lines stand side by side in a diff. Struct tags cannot be broken, nor can a raw
// string, whose line breaks would be part of it.
func TestLinesFit(t *testing.T) {
	for _, f := range all(t) {
		if !f.isGo() || f.isGenerated() {
			continue
		}
		free := unbreakable(f)
		for i, line := range f.lines {
			n := utf8.RuneCountInString(line) + (tabColumns-1)*strings.Count(line, "\t")
			if n > columnsMax && !free[i+1] {
				broken(t, "columns", f, i+1, "%d columns; at most %d, a tab counts %d", n,
					columnsMax, tabColumns)
			}
		}
	}
}

// unbreakable are the lines with a struct tag or inside a raw string, and go:generate commands.
func unbreakable(f *file) map[int]bool {
	free := make(map[int]bool)
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING && lit.Value[0] == '`' {
			for l := f.line(lit.Pos()); l <= f.line(lit.End()); l++ {
				free[l] = true
			}
		}
		return true
	})
	for i, line := range f.lines {
		if strings.HasPrefix(line, "//go:") {
			free[i+1] = true
		}
	}
	return free
}

// TestNothingIsPutOff: what is left to do is an issue, not a comment.
func TestNothingIsPutOff(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X)\b`)
	for _, f := range all(t) {
		for i, line := range f.lines {
			if word := later.FindString(line); word != "" {
				broken(t, "later", f, i+1, "%s; do it or open an issue", word)
			}
		}
	}
}

// TestNoMachinePaths: nobody else has our folders.
func TestNoMachinePaths(t *testing.T) {
	ours := regexp.MustCompile(`(^|[\s"'=:(` + "`" + `])/(work|home|root|Users)/`)
	for _, f := range all(t) {
		for i, line := range f.lines {
			if ours.MatchString(line) {
				broken(t, "path", f, i+1, "a folder of one machine: %s", strings.TrimSpace(line))
			}
		}
	}
}
