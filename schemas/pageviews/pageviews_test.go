package pageviews

import (
	"reflect"
	"testing"
	"time"

	"pawl/schemas"
)

// fill gives every field below v a value of its own.
func fill(v reflect.Value, next *int64) {
	*next++
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.UnixMilli(*next).UTC()))
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), next)
		fill(v.Index(1), next)
	case v.Kind() == reflect.String:
		v.SetString("text" + time.UnixMilli(*next).UTC().String())
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
	t.Parallel()
	check(t, PageViewType())
	check(t, PageCountType())
	check(t, PageTotalType())
	check(t, PageMinuteType())
}
