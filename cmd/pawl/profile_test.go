package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made")
	code, said, complaint := pawl(nil, "bench", "fraud", "--events", "20000", "--users", "100",
		"--profile", dir)
	if code != exitOK {
		t.Fatalf("exit %d:\n%s%s", code, said, complaint)
	}
	for file, holds := range map[string]string{
		"cpu.pprof": "cpu", "heap.pprof": "inuse_space"} {
		raw, err := os.ReadFile(filepath.Join(dir, "fraud-1", file))
		if err != nil {
			t.Fatal(err)
		}
		zip, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		text, err := io.ReadAll(zip)
		if err != nil || !bytes.Contains(text, []byte(holds)) {
			t.Errorf("%s does not tell of %s: %v", file, holds, err)
		}
	}
}

func TestProfileNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, said := pawl(nil, "run", "fraud", "--profile", filepath.Join(file, "x"))
	if code != exitRefused || !strings.Contains(said, "--profile="+file) ||
		!strings.Contains(said, "give a folder") {
		t.Errorf("exit %d: %s", code, said)
	}
}
