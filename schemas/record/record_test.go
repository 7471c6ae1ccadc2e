package record

import (
	"reflect"
	"testing"

	"pawl/schemas"
)

// fill gives every field below v a value of its own.
func fill(v reflect.Value, next *int64) {
	*next++
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	case reflect.String:
		if v.SetString("text"); v.Type() == reflect.TypeFor[TickKind]() {
			v.SetString(string(TickDeviation))
		}
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(*next)
	}
}

// check wants schema and Go type to agree in every field.
func check[V any](t *testing.T, typ schemas.Type[V]) {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Error(err)
		return
	}
	var want, got V
	fill(reflect.ValueOf(&want).Elem(), new(int64))
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

func TestTypes(t *testing.T) {
	check(t, PositionType())
	check(t, ClaimType())
	check(t, TickType())
	check(t, TimerType())
	check(t, CounterType())
	check(t, SessionsType())
}
