package jsonform_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"pawl/internal/jsonform"
)

// FuzzAppend compares with encoding/json.
func FuzzAppend(f *testing.F) {
	for _, s := range []string{"", "user-0000001", `a"b\c`, "<&>", "\u2028é", "\xff\x00\x7f"} {
		f.Add(s, 0.0, int64(0))
	}
	for _, x := range []float64{1, -0.5, 1e21, 1e-7, 1.5e-9, 1e100, math.MaxFloat64, math.NaN(),
		math.Inf(-1), math.Copysign(0, -1)} {
		f.Add("", x, int64(x))
	}
	for _, ms := range []int64{-1, 1, 3_599_999, 3_600_000, 1_700_000_000_120, 1_700_000_000_100,
		-62_135_596_800_000, -62_135_596_800_001, 253_402_300_799_999, 253_402_300_800_000,
		math.MinInt64, math.MaxInt64} {
		f.Add("", 0.0, ms)
	}
	var clock jsonform.Clock // over all of them: what it keeps must not show
	f.Fuzz(func(t *testing.T, s string, x float64, ms int64) {
		if got, want := string(jsonform.String([]byte("."), s)), "."+marshal(t, s); got != want {
			t.Errorf("%q is %s, want %s", s, got, want)
		}
		got, ok := jsonform.Float([]byte("."), x)
		if finite := !math.IsNaN(x) && !math.IsInf(x, 0); ok != finite ||
			ok && string(got) != "."+marshal(t, x) {
			t.Errorf("%v is %s, %v", x, got, ok)
		}
		for _, at := range []int64{ms, ms + 1, ms + 60_000} {
			want := ".null"
			if day := time.UnixMilli(at).UTC(); day.Year() >= 1 && day.Year() <= 9999 {
				want = "." + marshal(t, day)
			}
			if got := string(clock.Millis([]byte("."), at)); got != want {
				t.Errorf("%d ms is %s, want %s", at, got, want)
			}
		}
	})
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
