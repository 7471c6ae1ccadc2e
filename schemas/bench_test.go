package schemas_test

import (
	"testing"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
	"pawl/schemas/fraud"
)

func benchDecode[V any](b *testing.B, typ schemas.Type[V], v V) {
	enc, dec, _ := register(b, typ)
	data, err := enc.Append(nil, &v)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	var got V
	for b.Loop() {
		if err := dec.Decode(data, &got); err != nil {
			b.Fatal(err)
		}
	}
}

func benchAppend[V any](b *testing.B, typ schemas.Type[V], v V) {
	enc, _, _ := register(b, typ)
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if dst, err = enc.Append(dst[:0], &v); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(dst)))
}

func BenchmarkDecode(b *testing.B) {
	b.Run("transaction", func(b *testing.B) {
		benchDecode(b, fraud.TransactionType(), transaction())
	})
	b.Run("decision", func(b *testing.B) { benchDecode(b, fraud.DecisionType(), decision()) })
	b.Run("history20", func(b *testing.B) { benchDecode(b, historyType(), historyOf(20)) })
}

func BenchmarkAppend(b *testing.B) {
	b.Run("transaction", func(b *testing.B) {
		benchAppend(b, fraud.TransactionType(), transaction())
	})
	b.Run("decision", func(b *testing.B) { benchAppend(b, fraud.DecisionType(), decision()) })
	b.Run("history20", func(b *testing.B) { benchAppend(b, historyType(), historyOf(20)) })
	b.Run("velocity20", func(b *testing.B) { benchAppend(b, fraud.VelocityType(), velocityOf(20)) })
}

func velocityOf(n int) fraud.Velocity {
	v := fraud.Velocity{Base: 1_790_000_000_000}
	for i := range int64(n) {
		v.Slots = append(v.Slots, fraud.Slot{Index: 15_000 * i, Count: 1, TotalCents: 999 + 7777*i})
	}
	return v
}

// BenchmarkHambaTransaction is what the plans are measured against.
func BenchmarkHambaTransaction(b *testing.B) {
	v := transaction()
	schema := fraud.TransactionType().Schema()
	data, err := avro.Marshal(schema, v)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := avro.Unmarshal(schema, data, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := avro.Marshal(schema, &v); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// TestNoHiddenAllocations holds the hot path to its budget: one copy of a record's bytes for its
// strings, nothing for writing.
func TestNoHiddenAllocations(t *testing.T) {
	enc, dec, _ := register(t, fraud.TransactionType())
	v := transaction()
	data, err := enc.Append(nil, &v)
	if err != nil {
		t.Fatal(err)
	}
	var got fraud.Transaction
	if n := testing.AllocsPerRun(100, func() { _ = dec.Decode(data, &got) }); n > 1 {
		t.Errorf("%v allocations per decoded transaction; want 1", n)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = enc.Append(data[:0], &v) }); n > 0 {
		t.Errorf("%v allocations per written transaction; want 0", n)
	}
}
