package main

import (
	"os"
	"strings"
	"testing"
)

// tutorial is docs/tutorial.md.
func tutorial(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// source is the text of a file of this folder.
func source(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// blocks are the pieces of Go code in the tutorial, by the file that the line above names.
func blocks(t *testing.T) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	parts := strings.Split(tutorial(t), "```go\n")
	for i, part := range parts[1:] {
		lines := strings.Split(strings.TrimSpace(parts[i]), "\n")
		name := strings.Trim(lines[len(lines)-1], "`:")
		code, _, ended := strings.Cut(part, "```\n")
		if !ended || !strings.HasSuffix(name, ".go") {
			t.Fatalf("block %d of the tutorial has no file above it, or no end", i+1)
		}
		all[name] = append(all[name], code)
	}
	return all
}

// TestTutorialShowsWhatRuns: its code is that of the files, and of the files that a reader has to
// write nothing is left out but the imports.
func TestTutorialShowsWhatRuns(t *testing.T) {
	shown := blocks(t)
	for name, codes := range shown {
		text := source(t, name)
		for _, code := range codes {
			if !strings.Contains(text, code) {
				t.Errorf("%s has not what the tutorial shows of it:\n%s", name, code)
			}
		}
	}
	for _, name := range []string{"pipeline.go", "pipeline_test.go", "scans_test.go"} {
		_, text, _ := strings.Cut(source(t, name), ")\n") // the imports
		for line := range strings.SplitSeq(text, "\n") {
			if !strings.Contains(strings.Join(shown[name], ""), line) {
				t.Errorf("the tutorial does not show a line of %s: %s", name, line)
			}
		}
	}
}

// TestTheProofsAreShort: a unit test, the law, a simulation and chaos take less than twenty lines.
func TestTheProofsAreShort(t *testing.T) {
	_, text, _ := strings.Cut(source(t, "pipeline_test.go"), ")\n")
	n := 0
	for line := range strings.SplitSeq(text, "\n") {
		if strings.TrimSpace(line) != "" {
			n++
		}
	}
	if n >= 20 {
		t.Errorf("pipeline_test.go has %d lines; the tutorial promises less than 20", n)
	}
}
