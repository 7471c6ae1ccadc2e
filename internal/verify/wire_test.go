package verify_test

import (
	"context"
	"testing"

	"pawl/internal/verify"
	"pawl/schemas"
)

// TestWireShowsItself as JSON where the schema can be had, else as it is.
func TestWireShowsItself(t *testing.T) {
	registry := schemas.NewMemory()
	id, err := registry.Register(context.Background(), "sums", sumType().String())
	if err != nil {
		t.Fatal(err)
	}
	data := encode(t, schemas.NewEncoder(sumType(), id), sum{7})
	r := schemas.NewResolver(registry)
	for _, tc := range []struct {
		learned bool
		data    []byte
		want    string
	}{
		{false, data, "0x00000000010e of schema 1"},
		{true, data, `{"total":7} of schema 1`},
		{true, data[:3], "0x000000"},
		{true, append(data[:4:4], 9, 9), "0x000000000909 of schema 9"},
	} {
		if tc.learned {
			verify.Learn(context.Background(), r, tc.data)
		}
		if got := verify.NewWire(tc.data, r).String(); got != tc.want {
			t.Errorf("%x is shown as %s, want %s", tc.data, got, tc.want)
		}
	}
}
