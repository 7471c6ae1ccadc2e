package schematest

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"pawl/schemas"
)

// Enum is a symbol for the fields of that name in Go, which take no other strings.
type Enum struct{ Field, Symbol string }

// RoundTrip wants a schema and its Go type to agree in every field, each of which gets a value of
// its own.
func RoundTrip[V any](t testing.TB, typ schemas.Type[V], enums ...Enum) {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Error(err)
		return
	}
	var want, got V
	f := filler{enums: enums}
	f.fill(reflect.ValueOf(&want).Elem())
	r := schemas.NewResolver(nil)
	if err := r.Add(1, typ.String()); err != nil {
		t.Fatal(err)
	}
	data, err := schemas.NewEncoder(typ, 1).Append(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	err = schemas.NewDecoder(typ, r).Decode(data, &got)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s: read %+v, %v; wrote %+v", typ.Name(), got, err, want)
	}
}

// Named wants a schema to have the name under which others know it.
func Named[V any](t testing.TB, typ schemas.Type[V], want string) {
	t.Helper()
	if got := typ.Name(); got != want {
		t.Errorf("schema is named %s, want %s", got, want)
	}
}

type filler struct {
	enums []Enum
	n     int64 // values so far
}

// fill gives every field below v a value of its own.
func (f *filler) fill(v reflect.Value) {
	f.n++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(f.n).UTC()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			at := slices.IndexFunc(f.enums, func(e Enum) bool { return e.Field == name })
			if at >= 0 {
				v.Field(i).SetString(f.enums[at].Symbol)
				continue
			}
			f.fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		f.fill(v.Index(0))
		f.fill(v.Index(1))
	case v.Kind() == reflect.String:
		v.SetString(fmt.Sprint("text ", f.n))
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.Float64:
		v.SetFloat(float64(f.n) + 0.1)
	default:
		v.SetInt(f.n)
	}
}
