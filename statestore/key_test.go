package statestore_test

import (
	"bytes"
	"cmp"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"pawl/statestore"
)

// build encodes a tuple of strings and int64s.
func build(parts []any) statestore.Key {
	var k statestore.Key
	for i, p := range parts {
		switch p := p.(type) {
		case string:
			if i%2 == 0 {
				k = k.String(p)
			} else {
				k = k.Bytes([]byte(p))
			}
		case int64:
			k = k.Int(p)
		}
	}
	return k
}

// compareTuples is the order that keys promise: element by element, strings before integers, a
// prefix before what it begins.
func compareTuples(a, b []any) int {
	for i := range min(len(a), len(b)) {
		x, xs := a[i].(string)
		y, ys := b[i].(string)
		switch {
		case xs && ys:
			if c := cmp.Compare(x, y); c != 0 {
				return c
			}
		case xs != ys:
			if xs {
				return -1
			}
			return 1
		default:
			if c := cmp.Compare(a[i].(int64), b[i].(int64)); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(a), len(b))
}

// randomTuple draws from few and awkward elements, so that prefixes and ties are common.
func randomTuple(r *rand.Rand) []any {
	texts := []string{"", "\x00", "\x00\xff", "\xff", "a", "a\x00", "a\x00b", "a\x01", "ab", "b",
		"\x02", "\x03"}
	numbers := []int64{math.MinInt64, -256, -1, 0, 1, 255, 256, math.MaxInt64}
	var parts []any
	for range r.IntN(4) {
		if r.IntN(2) == 0 {
			parts = append(parts, texts[r.IntN(len(texts))])
		} else {
			parts = append(parts, numbers[r.IntN(len(numbers))])
		}
	}
	return parts
}

// TestKeyOrder checks that bytes order as tuples do, that keys decode to what they were made of,
// and that End bounds exactly what begins with a key.
func TestKeyOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 50_000 {
		a, b := randomTuple(r), randomTuple(r)
		ka, kb := build(a), build(b)
		if got, want := bytes.Compare(ka, kb), compareTuples(a, b); got != want {
			t.Fatalf("%q and %q compare as %d, want %d", a, b, got, want)
		}
		parts, err := statestore.DecodeKey(ka)
		if err != nil || len(parts)+len(a) > 0 && !reflect.DeepEqual(parts, a) {
			t.Fatalf("%q decodes to %q, %v", a, parts, err)
		}
		checkTaken(t, ka, a)
		begins := len(b) >= len(a) && compareTuples(a, b[:min(len(a), len(b))]) == 0
		if in := bytes.Compare(ka, kb) <= 0 && bytes.Compare(kb, ka.End()) < 0; in != begins {
			t.Fatalf("%q lies in the range of %q: %v", b, a, in)
		}
	}
}

// checkTaken takes the first element of a key, and has the others left.
func checkTaken(t *testing.T, key statestore.Key, parts []any) {
	t.Helper()
	taken, rest, err := key.TakeString([]byte("before "))
	if len(parts) == 0 {
		if err == nil {
			t.Fatalf("%q was taken from an empty key", taken)
		}
		return
	}
	want, ok := parts[0].(string)
	if ok != (err == nil) {
		t.Fatalf("a string was taken from %q: %q, %v", parts, taken, err)
	}
	if ok && (string(taken) != "before "+want || !bytes.Equal(rest, build(parts[1:]))) {
		t.Fatalf("%q was taken from %q, which leaves %x", taken, parts, rest)
	}
}

// TestKeyDamage cuts keys everywhere: all that is not a whole tuple is an error.
func TestKeyDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		parts := randomTuple(r)
		key := build(parts)
		whole := map[int]bool{}
		for n := range len(parts) + 1 {
			whole[len(build(parts[:n]))] = true
		}
		for n := range key {
			if _, err := statestore.DecodeKey(key[:n]); (err == nil) != whole[n] && n > 0 {
				// A cut after an escaped zero's first byte reads as the string's end.
				if err == nil && key[n-1] == 0 && key[n] == 0xFF {
					continue
				}
				t.Fatalf("%q cut to %d bytes: %v", parts, n, err)
			}
		}
	}
	if _, err := statestore.DecodeKey([]byte{9}); err == nil {
		t.Error("an unknown tag was taken")
	}
}
