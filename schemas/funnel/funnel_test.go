package funnel

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
	case v.Kind() == reflect.String:
		v.SetString("text " + time.UnixMilli(*next).String())
	case v.Kind() == reflect.Float64:
		v.SetFloat(float64(*next) + 0.25)
	default:
		v.SetInt(*next)
	}
}

// check wants schema and Go type to agree in every field, and the names that users rely on.
func check[V any](t *testing.T, typ schemas.Type[V], name string) {
	t.Helper()
	if err := typ.Err(); err != nil {
		t.Error(err)
		return
	}
	if typ.Name() != "pawl.funnel."+name {
		t.Errorf("the schema is named %s, want pawl.funnel.%s", typ.Name(), name)
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
	check(t, UserEventType(), "UserEvent")
	check(t, AdClickType(), "AdClick")
	check(t, ConversionType(), "Conversion")
	check(t, AbandonedCartType(), "AbandonedCart")
	check(t, AttributedPurchaseType(), "AttributedPurchase")
}
