package activity

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
		v.SetString("text" + string(rune('a'+*next)))
	case v.Kind() == reflect.Float64:
		v.SetFloat(float64(*next) + 0.1)
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
	check(t, UserEventType())
	check(t, UserAggregateType())
	check(t, UserBatchType())
	check(t, SumType())
	check(t, BatchType())
}

// TestNames holds the schemas to the names under which others know them.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		UserEventType().Name():     "pawl.activity.UserEvent",
		UserAggregateType().Name(): "pawl.activity.UserAggregate",
		UserBatchType().Name():     "pawl.activity.UserBatch",
		SumType().Name():           "pawl.activity.Sum",
		BatchType().Name():         "pawl.activity.Batch",
	} {
		if got != want {
			t.Errorf("schema is named %s, want %s", got, want)
		}
	}
}
