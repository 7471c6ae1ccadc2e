//go:build unix

package speed

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed velocity.py
var quixProgram []byte

// quixVersion is the one that the program was written for.
const quixVersion = "3.28.1"

// prepareQuix finds a Python with Quix Streams in the folder that the options name, or makes it.
func prepareQuix(ctx context.Context, f *field) (program, error) {
	if f.options.Venv == "" {
		return program{}, &errAbsent{"no folder for its Python is given"}
	}
	venv, err := filepath.Abs(f.options.Venv)
	if err != nil {
		return program{}, fmt.Errorf("find %s: %w", f.options.Venv, err)
	}
	python := filepath.Join(venv, "bin", "python")
	if installedQuix(ctx, python) != quixVersion {
		f.told("quix: installing quixstreams %s into %s", quixVersion, venv)
		for _, command := range [][]string{{"python3", "-m", "venv", venv},
			{python, "-m", "pip", "install", "--quiet", "quixstreams==" + quixVersion}} {
			install := exec.CommandContext(ctx, command[0], command[1:]...)
			if out, err := install.CombinedOutput(); err != nil {
				return program{}, &errAbsent{fmt.Sprintf("%v: %v: %s", install, err,
					lastLine(out))}
			}
		}
		if found := installedQuix(ctx, python); found != quixVersion {
			return program{}, &errAbsent{fmt.Sprintf("%s has quixstreams %q, want %s", python,
				found, quixVersion)}
		}
	}
	script := filepath.Join(f.dir, "velocity.py")
	if err := os.WriteFile(script, quixProgram, 0o644); err != nil {
		return program{}, fmt.Errorf("write the program for Quix Streams: %w", err)
	}
	return program{path: python, version: "Quix Streams " + quixVersion,
		args: func(j job) []string { return append([]string{script}, j.decider()...) }}, nil
}

// installedQuix is the version that a Python has, or nothing.
func installedQuix(ctx context.Context, python string) string {
	out, err := exec.CommandContext(ctx, python, "-W", "ignore", "-c",
		"import quixstreams; print(quixstreams.__version__)").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
