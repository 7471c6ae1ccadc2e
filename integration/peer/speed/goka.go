//go:build unix

package speed

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// prepareGoka builds the program of goka's module, which takes its modules from the network or from
// Go's cache.
func prepareGoka(ctx context.Context, f *field) (program, error) {
	if f.options.Goka == "" {
		return program{}, &errAbsent{"no folder of its module is given"}
	}
	path := filepath.Join(f.dir, "goka")
	build := exec.CommandContext(ctx, "go", "build", "-C", f.options.Goka, "-o", path, ".")
	if out, err := build.CombinedOutput(); err != nil {
		return program{}, &errAbsent{fmt.Sprintf("%v: %v: %s", build, err, lastLine(out))}
	}
	list := exec.CommandContext(ctx, "go", "list", "-C", f.options.Goka, "-m",
		"github.com/lovoo/goka")
	version, err := list.Output()
	if err != nil {
		version = []byte("goka of unknown version")
	}
	return program{path: path, args: job.decider, version: strings.TrimSpace(string(version))}, nil
}

// lastLine is the end of what a tool said.
func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}
