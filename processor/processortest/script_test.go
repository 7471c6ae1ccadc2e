package processortest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pawl/processor"
	"pawl/processor/processortest"
	"pawl/schemas"
)

func TestScript(t *testing.T) {
	t.Parallel()
	processortest.Script(t, velocity(), "testdata/velocity.script")
	processortest.Script(t, everything(), "testdata/everything.script")
}

// TestScriptFaults changes a script that is right.
func TestScriptFaults(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/velocity.script")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{`"count":3,"payment":"p3"`, `"count":4,"payment":"p3"`,
			" got => 2s alerts card-1 {\"count\":3,\"payment\":\"p3\"}\n" +
				"want => 2s alerts card-1 {\"count\":4,\"payment\":\"p3\"}"},
		{"=> 2s alerts", "=> 3s alerts", "want => 3s alerts"},
		{"=> 2s alerts", "=> alerts", ""},
		{"=> 2s alerts card-1 {\"count\":3,\"payment\":\"p3\"}\n", "", "too much: => 2s alerts"},
		{"crash\n", "crash\n=> alerts card-1 {}\n", "want => alerts card-1 {}"},
		{"crash\n", "halt\n", `"halt" is not TIME TOPIC KEY VALUE`},
		{"0s payments", "payments", "has no time; write for example"},
		{`"cents":100`, `"cents":"many"`, `field cents: "many" is neither a number nor a time`},
		{`"cents":100`, `"cent":100`, "field cents is missing"},
		{`"cents":100`, `"cents":100,"x":1`, "a field of [cents id x] is none of shop.Payment's"},
		{`"cents":100`, `"cents"`, "is not JSON"},
		{"0s payments", "0s payment", "the pipeline has no topic payment"},
	} {
		text := strings.Replace(string(b), tc.old, tc.new, 1)
		if text == string(b) {
			t.Fatalf("the script does not have %q", tc.old)
		}
		path := filepath.Join(t.TempDir(), "x.script")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		got := failing(t, func(t testing.TB) { processortest.Script(t, velocity(), path) })
		if !strings.Contains(got, tc.want) || tc.want == "" && got != "" {
			t.Errorf("%q for %q: failure %q, want %q", tc.new, tc.old, got, tc.want)
		}
	}
}

// all has a field of each type.
type all struct {
	Flag   bool             `avro:"flag"`
	Int    int32            `avro:"int"`
	Float  float32          `avro:"float"`
	Double float64          `avro:"double"`
	Bytes  []byte           `avro:"bytes"`
	Fixed  [2]byte          `avro:"fixed"`
	Enum   string           `avro:"enum"`
	Maybe  *string          `avro:"maybe"`
	Items  []alert          `avro:"items"`
	Map    map[string]int64 `avro:"map"`
	Preset string           `avro:"preset"`
}

func allType() schemas.Type[all] {
	return schemas.Avro[all](`{"type":"record","name":"All","namespace":"shop","fields":[
		{"name":"flag","type":"boolean"},{"name":"int","type":"int"},
		{"name":"float","type":"float"},{"name":"double","type":"double"},
		{"name":"bytes","type":"bytes"},{"name":"fixed","type":{"type":"fixed","name":"F","size":2}},
		{"name":"enum","type":{"type":"enum","name":"E","symbols":["A","B"]}},
		{"name":"maybe","type":["null","string"],"default":null},
		{"name":"items","type":{"type":"array","items":` + alertSchema + `}},
		{"name":"map","type":{"type":"map","values":"long"}},
		{"name":"preset","type":"string","default":"as it was"}]}`)
}

// everything gives back what it gets.
func everything() *processor.Pipeline {
	p := processor.New("everything")
	out := processor.Output(p, "out", allType())
	processor.Input(p, "in", allType(), func(ctx *processor.Context, v all) error {
		out.Emit(ctx, ctx.Key(), v)
		return nil
	})
	return p
}
