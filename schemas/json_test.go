package schemas_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"pawl/schemas"
)

// sameJSON holds AppendJSON against what ToJSON and encoding/json make of data.
func sameJSON(t *testing.T, data []byte, r *schemas.Resolver, value any, valueErr error) {
	t.Helper()
	const before = "before,"
	got, err := schemas.AppendJSON([]byte(before), data, r)
	if fmt.Sprint(err) != fmt.Sprint(valueErr) {
		t.Fatalf("appended: %v; as a value: %v", err, valueErr)
	}
	want := []byte{}
	if err == nil {
		if want, err = json.Marshal(value); err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != before+string(want) {
		t.Fatalf("appended\n%s\nas encoding/json has it\n%s%s", got, before, want)
	}
}

// FuzzAppendJSON compares with ToJSON over the bytes of schemas that FuzzDecode does not have: with
// fields out of order, unions, floats, times and a record that contains itself.
func FuzzAppendJSON(f *testing.F) {
	r := schemas.NewResolver(nil)
	texts := []string{everythingSchema,
		`{"type":"record","name":"Velocity","fields":[{"name":"level","type":"int"},
		{"name":"base","type":"long"},{"name":"slots","type":{"type":"array","items":{
		"type":"record","name":"Slot","fields":[{"name":"index","type":"long"},
		{"name":"count","type":"long"},{"name":"total_cents","type":"long"}]}}}]}`,
		`{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]},
		{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
		{"name":"a<b","type":"string"}]}`,
		`{"type":"record","name":"Many","fields":[{"name":"z","type":["float","double","string",
		{"type":"map","values":["null","string"]}]},{"name":"y","type":"float"},
		{"name":"x","type":{"type":"array","items":"null"}},{"name":"w","type":"bytes"}]}`,
		`"string"`, `"double"`, `{"type":"map","values":"int"}`, `"null"`}
	for i, text := range texts {
		err := r.Add(int32(i), text)
		if i == 2 && err != nil { // such a name may be refused
			err = r.Add(2, texts[1])
		}
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(i), make([]byte, 40))
	}
	f.Add(uint8(1), []byte{0, 20, 4, 2, 4, 6, 8, 10, 12, 0})
	f.Add(uint8(2), []byte{2, 2, 0, 2, 2, 'x', 2, 4, '<', 0xff})
	f.Add(uint8(3), []byte{6, 4, 2, 'b', 2, 2, '1', 2, 'a', 0, 2, 2, 'b', 0, 0, 1, 2, 3, 4, 2, 0,
		2, 9})
	f.Add(uint8(4), []byte("\x0a<\xe2\x80\xa8&"))
	f.Add(uint8(5), []byte{0, 0, 0, 0, 0, 0, 0xf8, 0x7f})
	f.Add(uint8(6), []byte{6, 2, 'b', 2, 2, 'a', 4, 2, 'b', 6, 0})
	f.Fuzz(func(t *testing.T, which uint8, payload []byte) {
		data := append(schemas.AppendHeader(nil, int32(which)%9), payload...) // 8 is unknown
		value, err := schemas.ToJSON(data, r)
		sameJSON(t, data, r, value, err)
		var unknown *schemas.UnknownIDError
		if which%9 == 8 && !errors.As(err, &unknown) {
			t.Fatalf("an unknown schema: %v", err)
		}
	})
}
