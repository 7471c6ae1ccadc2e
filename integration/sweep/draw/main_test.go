package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const two = `[
 {"file": "a.svg", "title": "One & two", "x": {"label": "x", "log": true}, "y": {"label": "y"},
  "series": [{"name": "s, measured", "points": [[1, 2], [10, 3], [100, 5]]},
             {"name": "s, model", "line": true, "points": [[1, 2.1], [10, 3.1], [100, 4.9]]}]},
 {"file": "b.svg", "title": "B", "x": {"label": "x"}, "y": {"label": "y", "log": true},
  "series": [{"name": "none"}, {"name": "t", "points": [[0, 1], [5, 1000]]}]}]`

// TestDraw: each chart is a small SVG file with its words in it, the same one each time.
func TestDraw(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if err := run(strings.NewReader(two), io.Discard, dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, words := range map[string][]string{
		"a.svg": {"One &amp; two", "s, measured", "s, model", ">x<", ">y<"},
		"b.svg": {">B<", ">t<"},
	} {
		text, err := os.ReadFile(filepath.Join(dirs[0], name))
		if err != nil {
			t.Fatal(err)
		}
		again, err := os.ReadFile(filepath.Join(dirs[1], name))
		if err != nil || !bytes.Equal(text, again) {
			t.Errorf("%s differs between two runs: %v", name, err)
		}
		if len(text) > 60_000 {
			t.Errorf("%s has %d bytes, want less than 60,000", name, len(text))
		}
		for _, word := range words {
			if !bytes.Contains(text, []byte(word)) {
				t.Errorf("%s lacks %q", name, word)
			}
		}
		for d := xml.NewDecoder(bytes.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s is no XML: %v", name, err)
			}
		}
	}
}

// TestDrawRefuses what has nothing to draw.
func TestDrawRefuses(t *testing.T) {
	for _, in := range []string{``, `{}`, `[{"file": "a.svg", "series": [{"name": "none"}]}]`} {
		if err := run(strings.NewReader(in), io.Discard, t.TempDir()); err == nil {
			t.Errorf("%q was drawn", in)
		}
	}
}
