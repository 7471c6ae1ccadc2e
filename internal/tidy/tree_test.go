package tidy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// known are violations that stand: "rule path" with the reason. Entries only ever leave.
var known = map[string]string{}

// file is one text file of the repository.
type file struct {
	path   string // slashes, from the root
	text   string
	lines  []string
	syntax *ast.File // of a Go file
	set    *token.FileSet
}

func (f *file) isGo() bool        { return strings.HasSuffix(f.path, ".go") }
func (f *file) isTest() bool      { return strings.HasSuffix(f.path, "_test.go") }
func (f *file) isGenerated() bool { return strings.HasSuffix(f.path, "_gen.go") }

// dir is the package's directory, from the root.
func (f *file) dir() string { return path.Dir(f.path) }

func (f *file) line(pos token.Pos) int { return f.set.Position(pos).Line }

// foreign are folders that hold what nobody here wrote, or data.
func foreign(name string) bool {
	return name == ".git" || name == ".servers" || name == "bin" || name == "testdata"
}

// texts are the endings of files that people write.
var texts = []string{".go", ".md", ".sh", ".yaml", ".yml", ".xml", ".avsc", "go.mod", "Makefile",
	".ci/run"}

// tree reads all files once.
var tree = sync.OnceValues(func() ([]*file, error) {
	var files []*file
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if foreign(d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
		ends := func(end string) bool { return strings.HasSuffix(rel, end) }
		if !slices.ContainsFunc(texts, ends) {
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f := &file{path: rel, text: string(b), set: token.NewFileSet()}
		f.lines = strings.Split(strings.TrimSuffix(f.text, "\n"), "\n")
		if f.isGo() {
			f.syntax, err = parser.ParseFile(f.set, rel, b, parser.ParseComments)
		}
		files = append(files, f)
		return err
	})
	return files, err
})

// all gives a test every file.
func all(t *testing.T) []*file {
	t.Helper()
	files, err := tree()
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// packages gives a test the Go files by directory.
func packages(t *testing.T) map[string][]*file {
	t.Helper()
	dirs := make(map[string][]*file)
	for _, f := range all(t) {
		if f.isGo() {
			dirs[f.dir()] = append(dirs[f.dir()], f)
		}
	}
	return dirs
}

// broken reports a violation, unless it is known.
func broken(t *testing.T, rule string, f *file, line int, format string, args ...any) {
	t.Helper()
	if _, ok := known[rule+" "+f.path]; ok {
		return
	}
	t.Errorf("%s:%d: "+format, append([]any{f.path, line}, args...)...)
}
