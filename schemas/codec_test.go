package schemas_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
	"pawl/schemas/fraud"
)

func transaction() fraud.Transaction {
	return fraud.Transaction{
		TransactionID: "5f0c8a4e-8f0b-4f55-9d2e-0a3a0f6f1c11", UserID: "user-0012345",
		AmountCents: 129_99, Timestamp: time.UnixMilli(1_700_000_000_123).UTC(),
		Merchant: "merchant-417",
	}
}

func decision() fraud.Decision {
	return fraud.Decision{TransactionID: "5f0c8a4e-8f0b-4f55-9d2e-0a3a0f6f1c11",
		UserID: "user-0012345", Flagged: true, Count: 6, TotalCents: 1_000_001,
		Reason: fraud.ReasonCountAndAmount}
}

// history is a state record as pipelines have them: times as plain numbers, an array of records.
type history struct {
	Base         int64   `avro:"base"`
	Transactions []entry `avro:"transactions"`
	Root         []int64 `avro:"root"`
}

type entry struct {
	OffsetMs    int64 `avro:"offset_ms"`
	AmountCents int64 `avro:"amount_cents"`
}

func historyType() schemas.Type[history] {
	return schemas.Avro[history](`{"type":"record","name":"a.History","fields":[
	{"name":"base","type":{"type":"long","logicalType":"timestamp-millis"}},
	{"name":"transactions","type":{"type":"array","items":{"type":"record","name":"Entry","fields":[
		{"name":"offset_ms","type":"long"},{"name":"amount_cents","type":"long"}]}}},
	{"name":"root","type":{"type":"array","items":"long"}}]}`)
}

func historyOf(n int) history {
	v := history{Base: 1_700_000_000_000}
	for i := range n {
		v.Transactions = append(v.Transactions, entry{int64(i) * 977, int64(i)*31 - 5})
	}
	return v
}

// register returns the codec pair of a type whose schema is id 7.
func register[V any](t testing.TB, typ schemas.Type[V]) (
	*schemas.Encoder[V], *schemas.Decoder[V], *schemas.Resolver,
) {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Fatal(err)
	}
	r := schemas.NewResolver(nil)
	if err := r.Add(7, typ.String()); err != nil {
		t.Fatal(err)
	}
	return schemas.NewEncoder(typ, 7), schemas.NewDecoder(typ, r), r
}

// roundTrip writes and reads v, and compares both ways with hamba.
func roundTrip[V any](t *testing.T, typ schemas.Type[V], v V) {
	t.Helper()
	enc, dec, _ := register(t, typ)
	data, err := enc.Append([]byte("before"), &v)
	if err != nil || string(data[:6]) != "before" {
		t.Fatalf("append after %q: %v", data[:6], err)
	}
	data = data[6:]
	var got V
	if err := dec.Decode(data, &got); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("read %+v, %v; wrote %+v", got, err, v)
	}
	api := avro.Config{DisableBlockSizeHeader: true, BlockLength: 1 << 20}.Freeze()
	want, err := api.Marshal(typ.Schema(), v)
	if err != nil || !bytes.Equal(data[schemas.HeaderSize:], want) {
		t.Errorf("wrote %x; hamba writes %x, %v", data[schemas.HeaderSize:], want, err)
	}
	blocks, err := avro.Config{BlockLength: 2}.Freeze().Marshal(typ.Schema(), v)
	if err != nil {
		t.Fatal(err)
	}
	var fromBlocks V
	err = dec.Decode(append(schemas.AppendHeader(nil, 7), blocks...), &fromBlocks)
	if err != nil || !reflect.DeepEqual(fromBlocks, v) {
		t.Errorf("read %+v, %v from hamba's sized blocks; want %+v", fromBlocks, err, v)
	}
}

func TestRoundTrip(t *testing.T) {
	roundTrip(t, fraud.TransactionType(), transaction())
	roundTrip(t, fraud.TransactionType(), fraud.Transaction{Timestamp: time.UnixMilli(-1).UTC()})
	roundTrip(t, fraud.DecisionType(), decision())
	roundTrip(t, fraud.AlertType(), fraud.Alert{Reason: fraud.ReasonNone, Count: -1 << 31,
		Timestamp: time.UnixMilli(0).UTC(), WindowStart: time.UnixMilli(1).UTC(),
		WindowEnd: time.UnixMilli(1 << 50).UTC(), MaxTotalCents: 1<<63 - 1})
	roundTrip(t, fraud.LimitsType(), fraud.Limits{UserID: "é", MaxCount: 1<<31 - 1})
	roundTrip(t, historyType(), historyOf(0))
	roundTrip(t, historyType(), historyOf(3000))
}

// everything holds one field of every Go type that a plan knows.
type everything struct {
	B     bool              `avro:"b"`
	I32   int32             `avro:"i32"`
	I     int               `avro:"i"`
	L     int64             `avro:"l"`
	F     float32           `avro:"f"`
	D     float64           `avro:"d"`
	Text  string            `avro:"text"`
	Raw   []byte            `avro:"raw"`
	Fixed [3]byte           `avro:"fixed"`
	Day   time.Time         `avro:"day"`
	Micro time.Time         `avro:"micro"`
	Maybe *string           `avro:"maybe"`
	Inner *inner            `avro:"inner"`
	Named map[string]inner  `avro:"named"`
	Lists [][]string        `avro:"lists"`
	Kinds map[string]string `avro:"kinds"`
}

type inner struct{ X int64 }

const everythingSchema = `{"type":"record","name":"a.Everything","fields":[
{"name":"b","type":"boolean"},{"name":"i32","type":"int"},{"name":"i","type":"long"},
{"name":"l","type":"long"},{"name":"f","type":"float"},{"name":"d","type":"double"},
{"name":"text","type":"string"},{"name":"raw","type":"bytes"},
{"name":"fixed","type":{"type":"fixed","name":"F3","size":3}},
{"name":"day","type":{"type":"int","logicalType":"date"}},
{"name":"micro","type":{"type":"long","logicalType":"timestamp-micros"}},
{"name":"maybe","type":["null","string"]},
{"name":"inner","type":["null",
	{"type":"record","name":"Inner","fields":[{"name":"X","type":"long"}]}]},
{"name":"named","type":{"type":"map","values":"Inner"}},
{"name":"lists","type":{"type":"array","items":{"type":"array","items":"string"}}},
{"name":"kinds","type":{"type":"map","values":{"type":"enum","name":"K","symbols":["A","B"]}}}]}`

func TestRoundTripEveryKind(t *testing.T) {
	text := "maybe"
	typ := schemas.Avro[everything](everythingSchema)
	full := everything{B: true, I32: -5, I: 1 << 40, L: -1 << 63, F: 1.5, D: -2.25, Text: "text",
		Raw: []byte{0, 255}, Fixed: [3]byte{1, 2, 3}, Day: time.Unix(-86400, 0).UTC(),
		Micro: time.UnixMicro(1234567).UTC(), Maybe: &text, Inner: &inner{X: 9},
		Named: map[string]inner{"k": {X: 1}}, Lists: [][]string{{"a", "b", "c"}, nil, {"d"}},
		Kinds: map[string]string{"k": "B"}}
	roundTrip(t, typ, full)
	roundTrip(t, typ, everything{Day: time.Unix(0, 0).UTC(), Micro: time.Unix(0, 0).UTC()})

	full.Kinds = map[string]string{"z": "A", "a": "B", "m": "A"}
	enc, dec, _ := register(t, typ)
	first, _ := enc.Append(nil, &full)
	for range 50 {
		if again, _ := enc.Append(nil, &full); !bytes.Equal(first, again) {
			t.Fatal("the order of a map reaches the bytes")
		}
	}
	var got everything
	if err := dec.Decode(first, &got); err != nil || !reflect.DeepEqual(got, full) {
		t.Errorf("read %+v, %v; wrote %+v", got, err, full)
	}
}

func TestDecodeLeavesNothingOver(t *testing.T) {
	enc, dec, _ := register(t, historyType())
	long, empty := historyOf(3), historyOf(0)
	a, _ := enc.Append(nil, &long)
	b, _ := enc.Append(nil, &empty)
	var v history
	if err := dec.Decode(a, &v); err != nil {
		t.Fatal(err)
	}
	kept := v.Transactions
	if err := dec.Decode(b, &v); err != nil || len(v.Transactions) != 0 {
		t.Errorf("%d transactions left over, %v", len(v.Transactions), err)
	}
	if !reflect.DeepEqual(kept, long.Transactions) {
		t.Error("a value decoded earlier was overwritten")
	}
	if err := dec.Decode(a[:8], &v); err == nil || v.Base != 0 {
		t.Errorf("after error %v the value has base %d; want an error and 0", err, v.Base)
	}
}

func TestDecodedValueOwnsItsMemory(t *testing.T) {
	enc, dec, _ := register(t, schemas.Avro[everything](everythingSchema))
	maybe := "maybe"
	want := everything{Text: "text", Raw: []byte("raw"), Fixed: [3]byte{1}, Maybe: &maybe,
		Day: time.Unix(0, 0).UTC(), Micro: time.Unix(0, 0).UTC(), Lists: [][]string{{"a"}},
		Kinds: map[string]string{"key": "A"}}
	data, _ := enc.Append(nil, &want)
	var got everything
	if err := dec.Decode(data, &got); err != nil {
		t.Fatal(err)
	}
	for i := range data {
		data[i] = 'x'
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("after its input was overwritten the value is %+v", got)
	}
}

func TestAppendRefuses(t *testing.T) {
	enc, _, _ := register(t, fraud.DecisionType())
	bad := decision()
	bad.Reason = "SOMETHING"
	dst, err := enc.Append([]byte("kept"), &bad)
	if err == nil || string(dst) != "kept" || !strings.Contains(err.Error(), "reason") {
		t.Errorf("append of an unknown symbol: %q, %v", dst, err)
	}
	bad = decision()
	bad.Count = 1 << 40
	if _, err := enc.Append(nil, &bad); err == nil || !strings.Contains(err.Error(), "count") {
		t.Errorf("append of a count beyond int: %v", err)
	}
}

func TestTypeErr(t *testing.T) {
	type person struct {
		Name string `avro:"name"`
	}
	recursive := `{"type":"record","name":"N","fields":[{"name":"name","type":["null","N"]}]}`
	for _, tc := range []struct{ name, avsc, want string }{
		{"no schema", `{`, "parse"},
		{"unknown type", `{"type":"recrd"}`, "recrd"},
		{"field without Go field", `{"type":"record","name":"P","fields":[
			{"name":"name","type":"string"},{"name":"age","type":"int"}]}`, `avro:"age"`},
		{"wrong Go type", `{"type":"record","name":"P","fields":[
			{"name":"name","type":"long"}]}`, "string"},
		{"union without pointer", `{"type":"record","name":"P","fields":[
			{"name":"name","type":["null","string"]}]}`, "pointer"},
		{"recursive", recursive, "pointer"},
	} {
		if err := schemas.Avro[person](tc.avsc).Err(); err == nil ||
			!strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want it to say %s", tc.name, err, tc.want)
		}
	}
	var unset schemas.Type[person]
	if unset.Err() == nil || unset.Name() != "" {
		t.Error("a type that was never made has no error")
	}
	if _, err := schemas.NewEncoder(unset, 1).Append(nil, &person{}); err == nil {
		t.Error("a type that was never made can be written")
	}
}

func TestTypeText(t *testing.T) {
	typ := fraud.TransactionType()
	if typ.Name() != "pawl.fraud.Transaction" || typ.Schema() == nil {
		t.Errorf("name %s", typ.Name())
	}
	if !strings.Contains(typ.String(), `"logicalType":"timestamp-millis"`) {
		t.Errorf("the text to register lost its logical types: %s", typ)
	}
	again, err := schemas.Parse(typ.String())
	if err != nil || schemas.Fingerprint(again) != schemas.Fingerprint(typ.Schema()) {
		t.Errorf("the text to register reads as another schema: %v", err)
	}
	type named struct{ Name string }
	withDefault := schemas.Avro[named](`{"type":"record","name":"N","doc":"why","fields":[
		{"name":"Name","type":"string","default":"","aliases":["Old"]}]}`)
	for _, part := range []string{`"default":""`, `"doc":"why"`, `"aliases":["Old"]`} {
		if !strings.Contains(withDefault.String(), part) {
			t.Errorf("the text to register lost %s: %s", part, withDefault)
		}
	}
}

func TestParseErrorsAreDecodeErrors(t *testing.T) {
	for _, tc := range []struct {
		name string
		data []byte
		kind string
	}{
		{"null", nil, schemas.KindNull},
		{"empty", []byte{}, schemas.KindDecode},
		{"four bytes", []byte{0, 0, 0, 7}, schemas.KindDecode},
		{"wrong magic", []byte{1, 0, 0, 0, 7, 0}, schemas.KindDecode},
	} {
		_, dec, _ := register(t, fraud.LimitsType())
		var v fraud.Limits
		var bad *schemas.DecodeError
		if err := dec.Decode(tc.data, &v); !errors.As(err, &bad) || bad.Kind != tc.kind {
			t.Errorf("%s: %v; want %s", tc.name, err, tc.kind)
		}
	}
}
