package schemas_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pawl/schemas"
)

// TestChanges names each field that does not stay what it was, by its path in the reader.
func TestChanges(t *testing.T) {
	record := func(fields ...string) string {
		return `{"type":"record","name":"R","fields":[` + strings.Join(fields, ",") + `]}`
	}
	field := func(name, typ string, more ...string) string {
		return `{"name":"` + name + `","type":` + typ + strings.Join(more, "") + `}`
	}
	inner := func(fields ...string) string {
		return strings.Replace(record(fields...), `"R"`, `"I"`, 1)
	}
	list := func(items string) string { return `{"type":"array","items":` + items + `}` }
	enum := func(symbols string) string {
		return `{"type":"enum","name":"E","symbols":[` + symbols + `]}`
	}
	a, b := field("a", `"long"`), field("b", `"int"`)
	next := field("next", `["null","R"]`, `,"default":null`)
	was := `,"aliases":["a"]`
	for name, c := range map[string]struct {
		reader, writer string
		want           []string
	}{
		"the same":        {record(a), record(a), nil},
		"doc and default": {record(field("a", `"long"`, `,"default":3,"doc":"d"`)), record(a), nil},
		"added": {record(a, field("b", `"string"`, `,"default":"x"`)), record(a),
			[]string{"b added (default x)"}},
		"added with null": {record(a, next), record(a), []string{"next added (default null)"}},
		"dropped":         {record(a), record(a, b), []string{"b dropped"}},
		"renamed":         {record(field("n", `"long"`, was)), record(a), []string{"n renamed (from a)"}},
		"renamed, and wider": {record(field("n", `"double"`, was)), record(a),
			[]string{"n renamed (from a)", "n converted (long read as double)"}},
		"in an array": {list(record(a)), list(record(a, b)), []string{"[].b dropped"}},
		"in a map": {record(field("m", `{"type":"map","values":`+inner(a)+`}`)),
			record(field("m", `{"type":"map","values":`+inner(a, b)+`}`)),
			[]string{"m{}.b dropped"}},
		"a union": {record(field("a", `["null","long"]`)), record(a),
			[]string{`a converted (long read as ["null","long"])`}},
		"a branch more": {record(field("a", `["null","string","long"]`)),
			record(field("a", `["null","long"]`)), nil},
		"within a branch": {record(field("a", `["null",`+inner(a)+`]`)),
			record(field("a", `["null",`+inner(a, b)+`]`)), []string{"a.b dropped"}},
		"an enum": {record(field("e", enum(`"A","B"`))), record(field("e", enum(`"A"`))),
			[]string{"e converted (enum [A] read as enum [A B])"}},
		"itself": {record(next, a), record(next, field("a", `"int"`)),
			[]string{"a converted (int read as long)"}},
	} {
		reader, err := schemas.Parse(c.reader)
		if err != nil {
			t.Fatal(name, err)
		}
		writer, err := schemas.Parse(c.writer)
		if err != nil {
			t.Fatal(name, err)
		}
		if err := schemas.Compatible(reader, writer); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, change := range schemas.Changes(reader, writer) {
			got = append(got, fmt.Sprint(change))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
