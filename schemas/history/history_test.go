package history_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"pawl/schemas"
	"pawl/schemas/history"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	first = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"int"},
		{"name":"gone","type":"string","default":""},{"name":"old","type":"long"},
		{"name":"kind","type":{"type":"enum","name":"a.K","symbols":["A","B"]}},
		{"name":"in","type":{"type":"array","items":{"type":"record","name":"a.I","fields":[
			{"name":"n","type":"int"}]}}}]}`
	second = `{"type":"record","name":"a.R","fields":[{"name":"x","type":"long"},
		{"name":"new","type":["null","string"],"default":null},
		{"name":"renamed","type":"long","aliases":["old"]},
		{"name":"kind","type":{"type":"enum","name":"a.K","symbols":["A","C"],"default":"A"}},
		{"name":"in","type":{"type":"array","items":{"type":"record","name":"a.I","fields":[
			{"name":"n","type":"int","default":4},
			{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}]}}}]}`
)

func TestDiff(t *testing.T) {
	changes, err := history.Diff(first, second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range changes {
		got = append(got, c.String())
	}
	want := []string{
		"~ x: int → long",
		"+ new: null or string, default null",
		"~ renamed: named old → named renamed",
		"+ kind: symbol C",
		"- kind: symbol B",
		"~ kind: default  → default A",
		"~ in[].n: no default → default 4",
		"+ in[].at: long (timestamp-millis), no default",
		`- gone: string, default ""`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("changes\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if same, err := history.Diff(first, first); err != nil || len(same) != 0 {
		t.Errorf("a schema differs from itself: %v, %v", same, err)
	}
	tree := `{"type":"record","name":"T","fields":[{"name":"next","type":["null","T"]}]}`
	if _, err := history.Diff(tree, strings.Replace(tree, `"T"]`, `"T","int"]`, 1)); err != nil {
		t.Error(err)
	}
}

// TestFolder keeps versions and levels in files, and refuses what is none.
func TestFolder(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	f, err := history.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if all, err := f.Versions(ctx, "s"); err != nil || len(all) != 0 {
		t.Errorf("an empty folder has %v, %v", all, err)
	}
	for i, text := range []string{first, second} {
		if v, err := f.Add(ctx, "s", text); err != nil || v.Number != i+1 {
			t.Fatalf("add: %+v, %v", v, err)
		}
	}
	all, err := f.Versions(ctx, "s")
	if err != nil || len(all) != 2 || all[0].Number != 1 {
		t.Fatalf("versions %+v, %v", all, err)
	}
	if names, err := f.Subjects(ctx); err != nil || !slices.Equal(names, []string{"s"}) {
		t.Errorf("subjects %v, %v", names, err)
	}
	for _, step := range []struct {
		file, text, level string
		own               bool
	}{{"", "", "BACKWARD", false}, {"level", "FULL\n", "FULL", false},
		{"s/level", "NONE", "NONE", true}} {
		if step.file != "" {
			write(t, filepath.Join(dir, step.file), step.text)
		}
		if level, own, err := f.Level(ctx, "s"); err != nil || level != step.level ||
			own != step.own {
			t.Errorf("after %q: level %s, own %v, %v", step.file, level, own, err)
		}
	}
	write(t, filepath.Join(dir, "s", "x.avsc"), first)
	if _, err := f.Versions(ctx, "s"); err == nil || !strings.Contains(err.Error(), "x.avsc") {
		t.Errorf("a file that is no version: %v", err)
	}
	write(t, filepath.Join(dir, "level"), "SOME")
	if _, _, err := f.Level(ctx, "t"); err == nil {
		t.Error("an unknown level was read")
	}
	for _, bad := range []string{"..", ".", ""} {
		if _, err := f.Add(ctx, bad, first); err == nil {
			t.Errorf("subject %q was written", bad)
		}
	}
	if _, err := history.OpenFolder(filepath.Join(dir, "none")); err == nil {
		t.Error("a folder that does not exist was opened")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAssess: outputs are judged under their level, state by every version whatever the level.
func TestAssess(t *testing.T) {
	ctx := t.Context()
	f, err := history.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	record := func(kind string) string {
		return `{"type":"record","name":"R","fields":[{"name":"x","type":"` + kind + `"}]}`
	}
	for _, kind := range []string{"string", "int"} {
		if _, err := f.Add(ctx, "s", record(kind)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		kind, level string
		state       bool
		number      int
		clashes     []string // version and whose
	}{
		{"long", "BACKWARD", false, 0, nil},
		{"long", "FULL", false, 0, []string{"readers of version 2: x"}},
		{"long", "BACKWARD", true, 0, []string{"data of version 1: x"}},
		{"long", "NONE", true, 0, []string{"data of version 1: x"}},
		{"long", "FULL_TRANSITIVE", true, 0, []string{"data of version 1: x",
			"readers of version 1: x", "readers of version 2: x"}},
		{"int", "BACKWARD", false, 2, nil},
		{"int", "FULL_TRANSITIVE", true, 2, nil},
		{"string", "BACKWARD", false, 1, []string{"data of version 2: x"}},
	} {
		a, err := history.Assess(ctx, f, history.Candidate{Subject: "s", State: c.state,
			Text: " " + record(c.kind)}, c.level)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, clash := range a.Clashes {
			got = append(got, clash.String()[:len("data of version 1: x")])
		}
		for i, want := range c.clashes {
			c.clashes[i] = want[:len("data of version 1: x")]
		}
		if !slices.Equal(got, c.clashes) || a.Number != c.number || len(a.Versions) != 2 {
			t.Errorf("%+v: got %v, version %d of %d", c, got, a.Number, len(a.Versions))
		}
	}
	a, err := history.Assess(ctx, f, history.Candidate{Subject: "t", Text: record("int")}, "")
	if err != nil || a.Number != 0 || len(a.Clashes) != 0 || a.Level != schemas.DefaultLevel {
		t.Errorf("a subject without versions: %+v, %v", a, err)
	}
}
