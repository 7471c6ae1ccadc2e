package check

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// instructions are the Dockerfile's lines that begin with name.
func instructions(t *testing.T, name string) []string {
	t.Helper()
	var found []string
	for line := range strings.Lines(read(t, deploy, "Dockerfile")) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), name+" "); ok {
			found = append(found, rest)
		}
	}
	if len(found) == 0 {
		t.Fatalf("the Dockerfile has no %s", name)
	}
	return found
}

// TestImageBinaryIsStatic: distroless' static image has no loader and no libraries.
func TestImageBinaryIsStatic(t *testing.T) {
	built, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elf.Open(built)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary has a %v segment: it needs what the image does not have", p.Type)
		}
	}
	out, errs, err := pawl(t, nil, "version")
	if err != nil {
		t.Fatal(err, errs)
	}
	stamped := regexp.MustCompile(`^pawl \S+ commit [0-9a-f]{12}(\+dirty)? go1\.`)
	if info, err := os.Stat(filepath.Join(root, ".git")); err != nil || !info.IsDir() {
		t.Log("Go stamps the commit in a clone only, which this is not")
	} else if !stamped.MatchString(out) {
		t.Errorf("pawl version says %q: version and commit are not in it", out)
	}
}

// TestImageIsBuiltWithTheModulesGo: with an older Go nothing builds, with a newer one nobody tests.
func TestImageIsBuiltWithTheModulesGo(t *testing.T) {
	from := regexp.MustCompile(`golang:(\d+\.\d+)\.\d+ AS`).
		FindStringSubmatch(instructions(t, "FROM")[0])
	module := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).
		FindStringSubmatch(read(t, root, "go.mod"))
	if from == nil || module == nil || from[1] != module[1] {
		t.Errorf("the Dockerfile builds with %v, go.mod says %v", from, module)
	}
}

// TestIgnoredFilesAreNotGits: a build where a file that Git knows is missing calls itself "+dirty".
func TestIgnoredFilesAreNotGits(t *testing.T) {
	cmd := exec.Command("git", "ls-files", "--cached", "--ignored", "--exclude-from=.dockerignore")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("git does not list the files: %v", err)
	}
	if len(out) > 0 {
		t.Errorf(".dockerignore leaves out files that Git knows:\n%s", out)
	}
}
