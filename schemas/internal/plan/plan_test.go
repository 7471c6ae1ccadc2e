package plan

import (
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// parse parses a schema apart from all others.
func parse(t *testing.T, text string) avro.Schema {
	t.Helper()
	schema, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// read reads data into a V.
func read[V any](t *testing.T, reader, writer string, data []byte) (V, string) {
	t.Helper()
	var v V
	step, err := Reader(reflect.TypeFor[V](), parse(t, reader), parse(t, writer))
	if err != nil {
		t.Fatal(err)
	}
	var c Cursor
	c.Reset(data)
	step(&c, unsafe.Pointer(&v))
	return v, c.Finish()
}

type after struct {
	X int64 `avro:"x"`
}

// TestSkip passes over one value of every type: whole, and cut off at every byte.
func TestSkip(t *testing.T) {
	reader := `{"type":"record","name":"R","fields":[{"name":"x","type":"long"}]}`
	for _, tc := range []struct {
		schema string
		value  any
	}{
		{`"boolean"`, true}, {`"int"`, -300}, {`"long"`, int64(1 << 40)}, {`"float"`, float32(1.5)},
		{`"double"`, 2.5}, {`"string"`, "text"}, {`"bytes"`, []byte("raw")},
		{`{"type":"fixed","name":"F","size":3}`, [3]byte{1, 2, 3}},
		{`{"type":"enum","name":"E","symbols":["A","B"]}`, "B"},
		{`["null","string"]`, map[string]any{"string": "text"}},
		{`{"type":"array","items":"string"}`, []string{"a", "b", "c"}},
		{`{"type":"map","values":"long"}`, map[string]any{"k": int64(1)}},
		{`{"type":"record","name":"In","fields":[{"name":"n","type":"null"},
			{"name":"s","type":"string"}]}`, map[string]any{"n": nil, "s": "text"}},
	} {
		writer := `{"type":"record","name":"R","fields":[{"name":"gone","type":` + tc.schema +
			`},{"name":"x","type":"long"}]}`
		for _, sized := range []bool{false, true} {
			api := avro.Config{BlockLength: 2, DisableBlockSizeHeader: !sized}.Freeze()
			data, err := api.Marshal(parse(t, writer),
				map[string]any{"gone": tc.value, "x": int64(77)})
			if err != nil {
				t.Fatal(err)
			}
			if got, fault := read[after](t, reader, writer, data); fault != "" || got.X != 77 {
				t.Errorf("%s: read %d, %q", tc.schema, got.X, fault)
			}
			for n := range data {
				if _, fault := read[after](t, reader, writer, data[:n]); fault == "" {
					t.Errorf("%s: %d of %d bytes were enough", tc.schema, n, len(data))
				}
			}
			if _, fault := Any(data, parse(t, writer)); fault != "" {
				t.Errorf("%s: as any: %s", tc.schema, fault)
			}
		}
	}
}

func TestWiden(t *testing.T) {
	if got, fault := read[float32](t, `"float"`, `"int"`, []byte{5}); got != -3 || fault != "" {
		t.Errorf("int as float: %v %s", got, fault)
	}
	if got, fault := read[float32](t, `"float"`, `"long"`, []byte{6}); got != 3 || fault != "" {
		t.Errorf("long as float: %v %s", got, fault)
	}
	if got, fault := read[float64](t, `"double"`, `"int"`, []byte{6}); got != 3 || fault != "" {
		t.Errorf("int as double: %v %s", got, fault)
	}
	if got, fault := read[int](t, `"long"`, `"int"`, []byte{6}); got != 3 || fault != "" {
		t.Errorf("int as long: %v %s", got, fault)
	}
	if got, fault := read[int64](t, `"int"`, `"int"`, []byte{6}); got != 3 || fault != "" {
		t.Errorf("int in an int64: %v %s", got, fault)
	}
	if _, fault := read[int64](t, `"long"`, `"int"`, []byte{254, 255, 255, 255, 127}); fault == "" {
		t.Error("an int of 35 bits was read")
	}
	if got, fault := read[[]byte](t, `"bytes"`, `"string"`, []byte{2, 'a'}); string(got) != "a" ||
		fault != "" {
		t.Errorf("string as bytes: %q %s", got, fault)
	}
}

// TestEmbedded reads into the fields of embedded structs.
func TestEmbedded(t *testing.T) {
	type outer struct {
		Before string `avro:"before"`
		after
		Plain int32
	}
	schema := `{"type":"record","name":"R","fields":[{"name":"Plain","type":"int"},
		{"name":"x","type":"long"},{"name":"before","type":"string"}]}`
	got, fault := read[outer](t, schema, schema, []byte{2, 4, 2, 'b'})
	if want := (outer{Before: "b", after: after{X: 2}, Plain: 1}); got != want || fault != "" {
		t.Errorf("read %+v %s; want %+v", got, fault, want)
	}
}

// TestRefusedTypes lists Go types that a schema does not go with.
func TestRefusedTypes(t *testing.T) {
	record := `{"type":"record","name":"R","fields":[{"name":"x","type":"long"}]}`
	for _, tc := range []struct {
		name   string
		goType reflect.Type
		schema string
	}{
		{"narrow int", reflect.TypeFor[int32](), `"long"`},
		{"unsigned", reflect.TypeFor[uint64](), `"long"`},
		{"string for bytes", reflect.TypeFor[string](), `"bytes"`},
		{"short fixed", reflect.TypeFor[[2]byte](), `{"type":"fixed","name":"F","size":3}`},
		{"enum in a number", reflect.TypeFor[int](), `{"type":"enum","name":"E","symbols":["A"]}`},
		{"array in a struct", reflect.TypeFor[after](), `{"type":"array","items":"int"}`},
		{"map with int keys", reflect.TypeFor[map[int]int](), `{"type":"map","values":"int"}`},
		{"record in a map", reflect.TypeFor[map[string]any](), record},
		{"three branches", reflect.TypeFor[*string](), `["null","string","long"]`},
		{"embedded pointer", reflect.TypeFor[struct{ *after }](), record},
		{"recursion", reflect.TypeFor[after](), `{"type":"record","name":"R","fields":[
			{"name":"x","type":"long"},{"name":"X","type":"R"}]}`},
	} {
		schema := parse(t, tc.schema)
		if _, err := Reader(tc.goType, schema, schema); err == nil {
			t.Errorf("%s: %v reads %s", tc.name, tc.goType, schema)
		}
		if _, err := Writer(tc.goType, schema); err == nil {
			t.Errorf("%s: %v writes %s", tc.name, tc.goType, schema)
		}
	}
}

// TestPathOfTheFault names the field, the item and the key.
func TestPathOfTheFault(t *testing.T) {
	schema := `{"type":"record","name":"R","fields":[{"name":"m","type":{"type":"map","values":
		{"type":"array","items":{"type":"record","name":"I","fields":[{"name":"x","type":"long"}]}}}}]}`
	type deep struct {
		M map[string][]after `avro:"m"`
	}
	_, fault := read[deep](t, schema, schema, []byte{2, 2, 'k', 4, 2, 0x80})
	if !strings.HasPrefix(fault, `field m["k"][1].x: ends inside`) {
		t.Errorf("fault %q", fault)
	}
}
