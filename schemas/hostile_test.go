package schemas_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
	"pawl/schemas/fraud"
)

// longs encodes numbers, to build hostile payloads from.
func longs(vs ...int64) []byte {
	var data []byte
	for _, v := range vs {
		data = binary.AppendVarint(data, v)
	}
	return data
}

func TestHostileBytes(t *testing.T) {
	many := strings.Repeat("\xff", 11)
	for _, tc := range []struct {
		name    string
		payload []byte
		want    string // in the reason
	}{
		{"nothing", nil, "base"},
		{"number cut off", []byte{0x80}, "base: ends inside"},
		{"number too long", []byte(many), "more than 64 bits"},
		{"array cut off", longs(1), "transactions: ends inside"},
		{"most items", longs(1, math.MaxInt64), "items"},
		{"least items", longs(1, math.MinInt64, 0), "items"},
		{"least block", longs(1, -1, math.MinInt64), "block"},
		{"block beyond the end", longs(1, -1, 100), "block of 100"},
		{"more items than bytes", longs(1, 3, 1, 1), "3 items"},
		{"item cut off", append(longs(1, 2, 1, 2, 3), 0x80, 0x80), "transactions[1].amount_cents"},
		{"left over", append(longs(1, 0, 0), 0, 0), "2 bytes left over"},
	} {
		_, dec, r := register(t, historyType())
		data := append(schemas.AppendHeader(nil, 7), tc.payload...)
		var v history
		var bad *schemas.DecodeError
		err := dec.Decode(data, &v)
		if !errors.As(err, &bad) || bad.Kind != schemas.KindDecode ||
			!strings.Contains(bad.Reason, tc.want) {
			t.Errorf("%s: %v; want %s with %q", tc.name, err, schemas.KindDecode, tc.want)
		}
		if _, err := schemas.ToJSON(data, r); err == nil {
			t.Errorf("%s: read as JSON", tc.name)
		}
	}
}

func TestHostileScalars(t *testing.T) {
	typ := schemas.Avro[everything](everythingSchema)
	zero := everything{Day: time.Unix(0, 0), Micro: time.Unix(0, 0)}
	enc, dec, _ := register(t, typ)
	good, err := enc.Append(nil, &zero)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"boolean 2", []byte{2}, "field b: a boolean is 0x02"},
		{"int beyond 32 bits", append([]byte{0}, longs(1<<31)...), "field i32: 2147483648"},
		{"double cut off", make([]byte, 10), "field d: a length of 8"},
		{"string beyond the end", append(make([]byte, 16), longs(1<<40)...), "field text"},
		{"string of negative length", append(make([]byte, 16), longs(-1)...), "field text"},
		{"bytes beyond the end", append(make([]byte, 17), longs(1<<62)...), "field raw"},
		{"union branch", append(good[5:len(good)-5:len(good)-5], longs(2)...), "branch 2"},
		{"enum symbol", append(good[5:len(good)-1:len(good)-1], longs(1, 0, 9)...), `kinds[""]`},
	} {
		var v everything
		err := dec.Decode(append(schemas.AppendHeader(nil, 7), tc.payload...), &v)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.want)
		}
	}
}

// TestHostileSkips passes over fields that the reader does not have, where hamba v2.31.0 goes round
// a loop of 2^62 steps.
func TestHostileSkips(t *testing.T) {
	writer := `{"type":"record","name":"Inner","fields":[
		{"name":"gone","type":{"type":"array","items":"long"}},
		{"name":"nothing","type":{"type":"array","items":"null"}},
		{"name":"X","type":"long"}]}`
	r := schemas.NewResolver(nil)
	if err := r.Add(1, writer); err != nil {
		t.Fatal(err)
	}
	reader := `{"type":"record","name":"Inner","fields":[{"name":"X","type":"long"}]}`
	dec := schemas.NewDecoder(schemas.Avro[inner](reader), r)
	for _, tc := range []struct {
		name    string
		payload []byte
		want    string
	}{
		{"good", longs(2, 1, 2, -1, 1, 3, 0, 2, 0, 5), ""},
		{"endless items", longs(1 << 62), "gone"},
		{"endless nulls", longs(0, 1<<62), "nothing"},
		{"block beyond the end", longs(-1, 1<<62), "gone"},
	} {
		var v inner
		err := dec.Decode(append(schemas.AppendHeader(nil, 1), tc.payload...), &v)
		if (tc.want == "") != (err == nil) ||
			err != nil && !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v; want %q", tc.name, err, tc.want)
		}
		if tc.want == "" && v.X != 5 {
			t.Errorf("%s: read %+v", tc.name, v)
		}
	}
	// Each block of nulls is small; all of them together would keep the reader busy for hours.
	nulls := append(longs(0, 1<<15, 1<<15, 1), longs(0, 5)...)
	var v inner
	err := dec.Decode(append(schemas.AppendHeader(nil, 1), nulls...), &v)
	if err == nil || !strings.Contains(err.Error(), "nothing: 1 items") {
		t.Errorf("passed over more nulls than allowed: %v", err)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	enc, dec, _ := register(t, historyType())
	v := historyOf(3)
	data, err := enc.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		var got history
		var bad *schemas.DecodeError
		err := dec.Decode(data[:n:n], &got)
		if !errors.As(err, &bad) || bad.Kind != schemas.KindDecode {
			t.Errorf("%d of %d bytes: %v", n, len(data), err)
		}
	}
}

// TestHambaAcceptsTruncation is why reading does not go through hamba: when this fails, its reader
// may be worth another look.
func TestHambaAcceptsTruncation(t *testing.T) {
	typ := fraud.DecisionType()
	v := decision()
	data, err := avro.Marshal(typ.Schema(), v)
	if err != nil {
		t.Fatal(err)
	}
	var got fraud.Decision
	if err := avro.Unmarshal(typ.Schema(), data[:len(data)-4], &got); err == nil && got != v {
		return // a record that lost its end was read, as something else, without an error
	}
	t.Errorf("hamba refuses a truncated record now: read %+v, %v", got, err)
}

func TestMutationsAllocateLittle(t *testing.T) {
	enc, dec, r := register(t, historyType())
	v := historyOf(200)
	good, err := enc.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 1500
	for range rounds {
		data := append([]byte(nil), good...)
		for range 1 + rng.IntN(4) {
			data[schemas.HeaderSize+rng.IntN(len(data)-schemas.HeaderSize)] = byte(rng.Uint32())
		}
		var got history
		_ = dec.Decode(data, &got)
		_, _ = schemas.ToJSON(data, r)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / rounds; each > 1<<20 {
		t.Errorf("%d bytes allocated per mutated record of %d bytes", each, len(good))
	}
}

func FuzzDecode(f *testing.F) {
	typ := schemas.Avro[everything](everythingSchema)
	enc, dec, r := register(f, typ)
	text := "maybe"
	seed := everything{Text: "t", Maybe: &text, Inner: &inner{X: 1}, Lists: [][]string{{"a"}},
		Named: map[string]inner{"k": {}}, Kinds: map[string]string{"k": "A"}}
	data, err := enc.Append(nil, &seed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[schemas.HeaderSize:])
	f.Add(make([]byte, 40))
	f.Fuzz(func(t *testing.T, payload []byte) {
		data := append(schemas.AppendHeader(nil, 7), payload...)
		var v, again everything
		err := dec.Decode(data, &v)
		value, jsonErr := schemas.ToJSON(data, r)
		if (err == nil) != (jsonErr == nil) {
			t.Fatalf("decoded: %v; as JSON: %v", err, jsonErr)
		}
		sameJSON(t, data, r, value, jsonErr)
		if err != nil {
			return
		}
		written, err := enc.Append(nil, &v)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if err := dec.Decode(written, &again); err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if twice, _ := enc.Append(nil, &again); string(twice) != string(written) {
			t.Fatalf("%x read and written is %x", written, twice)
		}
	})
}
