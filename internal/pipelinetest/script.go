package pipelinetest

import (
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"

	"pawl/internal/verify"
	"pawl/schemas"
)

// Line is one line of an oracle's script: `RECORD -> WANT`.
type Line struct {
	N            int // in the file
	Record, Want string
}

// Lines reads a script, which must have so many lines at least. Empty ones and those that begin
// with # do not count.
func Lines(t testing.TB, path string, least int) []Line {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var list []Line
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		record, want, _ := strings.Cut(line, "->")
		list = append(list, Line{N: i + 1, Record: record, Want: strings.TrimSpace(want)})
	}
	if len(list) < least {
		t.Fatalf("%s has only %d lines, want %d", path, len(list), least)
	}
	return list
}

// RunScript gives run each record of a script, and compares what run makes of it.
func RunScript(t testing.TB, path string, least int, run func(record string) string) {
	t.Helper()
	for _, l := range Lines(t, path, least) {
		if got := run(l.Record); got != l.Want {
			t.Errorf("%s:%d: %s\ngot  %s\nwant %s", path, l.N, l.Record, got, l.Want)
		}
	}
}

// Encoder writes values of a topic under the id that the registry gives their schema.
func Encoder[V any](t testing.TB, reg schemas.Registry, r *schemas.Resolver, topic string,
	typ schemas.Type[V],
) *schemas.Encoder[V] {
	t.Helper()
	id, err := schemas.Bind(t.Context(), reg, r, topic+"-value", typ.String(), true)
	if err != nil {
		t.Fatal(err)
	}
	return schemas.NewEncoder(typ, id)
}

// Int reads a word as a number.
func Int(t testing.TB, word string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(word, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Float reads a word as a number.
func Float(t testing.TB, word string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(word, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Raw reads a word as bytes in hexadecimal, or as null.
func Raw(t testing.TB, word string) []byte {
	t.Helper()
	if word == "null" {
		return nil
	}
	b, err := hex.DecodeString(word)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Fate prints what became of a record, without its outputs: its fate, and for what reason or
// window.
func Fate(out verify.Outcome) string {
	text := out.Fate.String()
	switch out.Fate {
	case verify.Dead:
		text += " " + out.Exception
	case verify.Late:
		text += " " + out.Window
	}
	return text
}
