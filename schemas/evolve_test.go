package schemas_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
)

// account is read with accountSchema from whatever older and newer programs wrote.
type account struct {
	Name   string   `avro:"name"`
	Cents  int64    `avro:"cents"`
	Rate   float64  `avro:"rate"`
	Level  string   `avro:"level"`
	Note   *string  `avro:"note"`
	Tags   []string `avro:"tags"`
	Origin place    `avro:"origin"`
}

type place struct {
	Lat  float64 `avro:"lat"`
	City string  `avro:"city"`
}

const placeFields = `[{"name":"lat","type":"double"},{"name":"city","type":"string","default":"?"}]`

const accountSchema = `{"type":"record","name":"a.Account","fields":[
{"name":"name","type":"string","aliases":["label"]},
{"name":"cents","type":"long"},
{"name":"rate","type":"double","default":0.5},
{"name":"level","type":{"type":"enum","name":"Level","symbols":["LOW","HIGH"],"default":"LOW"},
	"default":"HIGH"},
{"name":"note","type":["null","string"],"default":null},
{"name":"tags","type":{"type":"array","items":"string"},"default":["new"]},
{"name":"origin","type":{"type":"record","name":"Place","fields":` + placeFields + `},
	"default":{"lat":1.5,"city":"Graz"}}]}`

// accountWith returns a writer schema with these fields.
func accountWith(fields string) string {
	return `{"type":"record","name":"a.Account","fields":[` + fields + `]}`
}

func TestEvolution(t *testing.T) {
	text := "text"
	all := account{Name: "n", Cents: 7, Rate: 0.5, Level: "HIGH", Tags: []string{"new"},
		Origin: place{1.5, "Graz"}}
	base := `{"name":"name","type":"string"},{"name":"cents","type":"long"}`
	plain := map[string]any{"name": "n", "cents": int64(7)}
	with := func(key string, value any) map[string]any {
		return map[string]any{"name": "n", "cents": int64(7), key: value}
	}
	for _, tc := range []struct {
		name   string
		writer string
		value  map[string]any
		want   func(*account)
	}{
		{"added fields take their defaults", base, plain, func(*account) {}},
		{"removed field is passed over", base + `,{"name":"gone","type":["null",
			{"type":"map","values":{"type":"array","items":"double"}}]}`,
			with("gone", map[string]any{"map": map[string]any{"k": []any{1.5}}}),
			func(*account) {}},
		{"order does not matter", `{"name":"cents","type":"long"},{"name":"name","type":"string"}`,
			plain, func(*account) {}},
		{"int becomes long", `{"name":"name","type":"string"},{"name":"cents","type":"int"}`,
			map[string]any{"name": "n", "cents": 7}, func(*account) {}},
		{"float becomes double", base + `,{"name":"rate","type":"float"}`,
			with("rate", float32(2.5)), func(a *account) { a.Rate = 2.5 }},
		{"long becomes double", base + `,{"name":"rate","type":"long"}`,
			with("rate", int64(3)), func(a *account) { a.Rate = 3 }},
		{"bytes become string", `{"name":"name","type":"bytes"},{"name":"cents","type":"long"}`,
			map[string]any{"name": []byte("n"), "cents": int64(7)}, func(*account) {}},
		{"string becomes nullable", base + `,{"name":"note","type":"string"}`,
			with("note", "text"), func(a *account) { a.Note = &text }},
		{"union in another order", base + `,{"name":"note","type":["string","null"]}`,
			with("note", map[string]any{"string": "text"}), func(a *account) { a.Note = &text }},
		{"alias maps a renamed field", `{"name":"label","type":"string"},{"name":"cents","type":"long"}`,
			map[string]any{"label": "n", "cents": int64(7)}, func(*account) {}},
		{"unknown symbol becomes the enum's default", base + `,{"name":"level","type":
			{"type":"enum","name":"Level","symbols":["HIGH","EXTREME","LOW"]}}`,
			with("level", "EXTREME"), func(a *account) { a.Level = "LOW" }},
		{"symbols in another order", base + `,{"name":"level","type":
			{"type":"enum","name":"Level","symbols":["HIGH","LOW"]}}`,
			with("level", "HIGH"), func(*account) {}},
		{"inner record evolves too", base + `,{"name":"origin","type":{"type":"record","name":"Place",
			"fields":[{"name":"old","type":"string"},{"name":"lat","type":"float"}]}}`,
			with("origin", map[string]any{"old": "x", "lat": float32(2)}),
			func(a *account) { a.Origin = place{2, "?"} }},
	} {
		want := all
		tc.want(&want)
		got, err := readAccount(accountWith(tc.writer), tc.value)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read %+v, %v; want %+v", tc.name, got, err, want)
		}
	}
}

// readAccount writes value with hamba and reads it as an account.
func readAccount(writer string, value map[string]any) (account, error) {
	typ := schemas.Avro[account](accountSchema)
	if err := typ.Err(); err != nil {
		return account{}, err
	}
	schema, err := schemas.Parse(writer)
	if err != nil {
		return account{}, err
	}
	data, err := avro.Marshal(schema, value)
	if err != nil {
		return account{}, err
	}
	r := schemas.NewResolver(nil)
	if err := r.Add(3, writer); err != nil {
		return account{}, err
	}
	dec := schemas.NewDecoder(typ, r)
	var first, second account
	if err := dec.Decode(append(schemas.AppendHeader(nil, 3), data...), &first); err != nil {
		return first, err
	}
	if len(first.Tags) > 0 {
		first.Tags[0] = "changed" // the next value must not see it
	}
	err = dec.Decode(append(schemas.AppendHeader(nil, 3), data...), &second)
	return second, err
}

func TestClashesAreNamed(t *testing.T) {
	base := `{"name":"name","type":"string"},{"name":"cents","type":"long"}`
	for _, tc := range []struct {
		name, writer string
		fields       []string
		reason       string
	}{
		{"renamed", accountWith(`{"name":"name","type":"string"},{"name":"amount","type":"long"}`),
			[]string{"cents"}, "amount"},
		{"narrowed", accountWith(`{"name":"name","type":"string"},{"name":"cents","type":"double"}`),
			[]string{"cents"}, "double cannot be read as long"},
		{"two at once", accountWith(`{"name":"name","type":"long"},{"name":"cents","type":"string"}`),
			[]string{"name", "cents"}, "string cannot be read as long"},
		{"inside an array", accountWith(base + `,{"name":"tags","type":{"type":"array","items":"int"}}`),
			[]string{"tags[]"}, "int cannot be read as string"},
		{"inside a record", accountWith(base + `,{"name":"origin","type":{"type":"record",
			"name":"Place","fields":[{"name":"lat","type":"string"}]}}`),
			[]string{"origin.lat"}, "string cannot be read as double"},
		{"null to non-null", accountWith(`{"name":"name","type":["null","string"]},
			{"name":"cents","type":"long"}`), []string{"name"}, "null cannot be read"},
		{"no branch", accountWith(base + `,{"name":"note","type":"long"}`), []string{"note"},
			"none of the types"},
		{"another record", `{"type":"record","name":"a.Other","fields":[` + base + `]}`,
			[]string{"a.Account"}, "a.Other was written"},
		{"no record", `"string"`, []string{"a.Account"}, "string cannot be read"},
	} {
		_, err := readCompatible(accountSchema, tc.writer)
		var clash *schemas.ClashError
		if !errors.As(err, &clash) || !slices.Equal(clash.Fields, tc.fields) ||
			!strings.Contains(err.Error(), tc.reason) {
			t.Errorf("%s: %v; want fields %v and %q", tc.name, err, tc.fields, tc.reason)
		}
		var v account
		r := schemas.NewResolver(nil)
		if err := r.Add(1, tc.writer); err != nil {
			t.Fatal(err)
		}
		dec := schemas.NewDecoder(schemas.Avro[account](accountSchema), r)
		for range 2 { // the second time from the decoder's memory
			var bad *schemas.DecodeError
			err = dec.Decode([]byte{0, 0, 0, 0, 1, 0, 0}, &v)
			if !errors.As(err, &bad) || bad.Kind != schemas.KindIncompatible ||
				!strings.Contains(bad.Reason, tc.fields[0]) || !errors.As(err, &clash) {
				t.Errorf("%s: decoding: %v", tc.name, err)
			}
		}
	}
}

// readCompatible parses both schemas and compares them.
func readCompatible(reader, writer string) (bool, error) {
	r, err := schemas.Parse(reader)
	if err != nil {
		return false, err
	}
	w, err := schemas.Parse(writer)
	if err != nil {
		return false, err
	}
	err = schemas.Compatible(r, w)
	return err == nil, err
}

func TestCompatibleBeyondAvro(t *testing.T) {
	time := func(logical string) string {
		return fmt.Sprintf(`{"type":"record","name":"R","fields":[
			{"name":"at","type":{"type":"long","logicalType":%q}}]}`, logical)
	}
	plain := `{"type":"record","name":"R","fields":[{"name":"at","type":"long"}]}`
	enum := func(symbols string) string {
		return `{"type":"enum","name":"E","symbols":[` + symbols + `]}`
	}
	list := `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]}]}`
	longer := `{"type":"record","name":"N","fields":[{"name":"next","type":["null","N"]},
		{"name":"x","type":"long"}]}`
	for _, tc := range []struct {
		name, reader, writer string
		want                 bool
	}{
		{"same logical type", time("timestamp-millis"), time("timestamp-millis"), true},
		{"logical type added", time("timestamp-millis"), plain, true},
		{"another logical type", time("timestamp-millis"), time("timestamp-micros"), false},
		{"symbol added", enum(`"A","B"`), enum(`"A"`), true},
		{"symbol removed", enum(`"A"`), enum(`"A","B"`), false},
		{"fixed of another size", `{"type":"fixed","name":"F","size":3}`,
			`{"type":"fixed","name":"F","size":4}`, false},
		{"recursive", list, longer, true},
		{"recursive with a clash", longer, list, false},
		{"map", `{"type":"map","values":"long"}`, `{"type":"map","values":"int"}`, true},
	} {
		if got, err := readCompatible(tc.reader, tc.writer); got != tc.want {
			t.Errorf("%s: %v, %v", tc.name, got, err)
		}
	}
}

// TestClashBehindAnotherBranch compares two records first where they need not match, as one of
// several types in a union, then where they have to.
func TestClashBehindAnotherBranch(t *testing.T) {
	x := `{"type":"record","name":"X","fields":[{"name":"v","type":"int"}]}`
	y := `{"type":"record","name":"Y","fields":[{"name":"v","type":"int"}]}`
	reader := `{"type":"record","name":"R","fields":[
		{"name":"a","type":["null",` + x + `,` + y + `]},{"name":"b","type":"X"}]}`
	writer := `{"type":"record","name":"R","fields":[{"name":"a","type":` + y + `},
		{"name":"b","type":"Y"}]}`
	_, err := readCompatible(reader, writer)
	var clash *schemas.ClashError
	if !errors.As(err, &clash) || !slices.Equal(clash.Fields, []string{"b"}) {
		t.Errorf("compared: %v; want a clash at b", err)
	}
}

// TestSchemaBombs gives writer schemas that a plan written out would not end for.
func TestSchemaBombs(t *testing.T) {
	recursive := accountWith(`{"name":"name","type":"string"},{"name":"cents","type":"long"},
		{"name":"gone","type":["null","Account"]}`)
	fields := []string{`{"name":"f0","type":{"type":"record","name":"R0","fields":[]}}`}
	for i := 1; i < 40; i++ {
		fields = append(fields, fmt.Sprintf(`{"name":"f%d","type":{"type":"record","name":"R%d",
			"fields":[{"name":"a","type":"R%d"},{"name":"b","type":"R%d"}]}}`, i, i, i-1, i-1))
	}
	doubling := accountWith(`{"name":"name","type":"string"},{"name":"cents","type":"long"},` +
		strings.Join(fields, ","))
	for name, tc := range map[string]struct{ writer, want string }{
		"recursive": {recursive, "recursive"},
		"doubling":  {doubling, "written out"},
	} {
		r := schemas.NewResolver(nil)
		if err := r.Add(1, tc.writer); err != nil {
			t.Fatal(err)
		}
		var v account
		err := schemas.NewDecoder(schemas.Avro[account](accountSchema), r).
			Decode([]byte{0, 0, 0, 0, 1, 0}, &v)
		var bad *schemas.DecodeError
		if !errors.As(err, &bad) || bad.Kind != schemas.KindIncompatible ||
			!strings.Contains(bad.Reason, tc.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestToJSON(t *testing.T) {
	text := "x"
	enc, _, r := register(t, schemas.Avro[everything](everythingSchema))
	data, err := enc.Append(nil, &everything{I32: -1, L: 1 << 60, F: 0.1, Raw: []byte{255},
		Maybe: &text, Lists: [][]string{{"a"}}, Kinds: map[string]string{"k": "B"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := schemas.ToJSON(data, r)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"b": false, "i32": int32(-1), "i": int64(0), "l": int64(1 << 60),
		"f": 0.1, "d": 0.0, "text": "", "raw": "/w==", "fixed": "AAAA", "day": "0001-01-01",
		"micro": "0001-01-01T00:00:00.000Z", "maybe": "x", "inner": nil, "named": map[string]any{},
		"lists": []any{[]any{"a"}}, "kinds": map[string]any{"k": "B"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %#v; want %#v", got, want)
	}
	var unknown *schemas.UnknownIDError
	_, err = schemas.ToJSON([]byte{0, 0, 0, 0, 9}, r)
	if !errors.As(err, &unknown) || unknown.ID != 9 {
		t.Errorf("unknown id: %v", err)
	}
}
