package schemas_test

import (
	"fmt"
	"slices"
	"testing"

	"pawl/schemas"
)

// TestChanges names each field that does not stay what it was, by its path in the reader.
func TestChanges(t *testing.T) {
	record := func(fields string) string {
		return `{"type":"record","name":"R","fields":[` + fields + `]}`
	}
	long := `{"name":"a","type":"long"}`
	for name, c := range map[string]struct {
		reader, writer string
		want           []string
	}{
		"the same":           {record(long), record(long), nil},
		"docs and defaults":  {record(`{"name":"a","type":"long","default":3,"doc":"d"}`), record(long), nil},
		"added":              {record(long + `,{"name":"b","type":"string","default":"x"}`), record(long), []string{"b added (default x)"}},
		"added with null":    {record(long + `,{"name":"b","type":["null","int"],"default":null}`), record(long), []string{"b added (default null)"}},
		"dropped":            {record(long), record(long + `,{"name":"b","type":"string"}`), []string{"b dropped"}},
		"renamed":            {record(`{"name":"n","type":"long","aliases":["a"]}`), record(long), []string{"n renamed (from a)"}},
		"renamed, and wider": {record(`{"name":"n","type":"double","aliases":["a"]}`), record(long), []string{"n renamed (from a)", "n converted (long read as double)"}},
		"in an array": {
			`{"type":"array","items":` + record(long) + `}`,
			`{"type":"array","items":` + record(long+`,{"name":"b","type":"int"}`) + `}`,
			[]string{"[].b dropped"}},
		"in a map of records": {
			record(`{"name":"m","type":{"type":"map","values":` + `{"type":"record","name":"I","fields":[` + long + `]}}}`),
			record(`{"name":"m","type":{"type":"map","values":` + `{"type":"record","name":"I","fields":[{"name":"a","type":"int"}]}}}`),
			[]string{"m{}.a converted (int read as long)"}},
		"a union": {
			record(`{"name":"a","type":["null","long"]}`), record(long),
			[]string{`a converted (long read as ["null","long"])`}},
		"a branch more": {record(`{"name":"a","type":["null","string","long"]}`), record(`{"name":"a","type":["null","long"]}`), nil},
		"within a branch": {
			record(`{"name":"a","type":["null",{"type":"record","name":"I","fields":[` + long + `]}]}`),
			record(`{"name":"a","type":["null",{"type":"record","name":"I","fields":[` + long +
				`,{"name":"b","type":"int"}]}]}`), []string{"a.b dropped"}},
		"an enum": {
			record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}`),
			record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}`),
			[]string{"e converted (enum [A] read as enum [A B])"}},
		"itself": {
			record(`{"name":"next","type":["null","R"],"default":null},` + long),
			record(`{"name":"next","type":["null","R"],"default":null}` + `,{"name":"a","type":"int"}`),
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
