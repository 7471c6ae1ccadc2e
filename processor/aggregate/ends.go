package aggregate

import (
	"fmt"

	"pawl/schemas"
)

// First is the first n values to arrive, or all of fewer, oldest first.
type First[T any] struct {
	Values []T `avro:"values"`
}

// FirstType returns how a First is written and read, given that of its values.
func FirstType[T any](t schemas.Type[T]) schemas.Type[First[T]] {
	return schemas.Avro[First[T]](listSchema("First", "values", t.String()))
}

// FirstOf keeps what of takes from each of the first n values.
func FirstOf[V, T any](n int, of func(V) T) func(First[T], V) First[T] {
	atLeastOne("FirstOf", n)
	return func(f First[T], v V) First[T] {
		if len(f.Values) < n {
			f.Values = append(f.Values, of(v))
		}
		return f
	}
}

// MergeFirst keeps the first n of the earlier values followed by the later ones.
func MergeFirst[T any](n int) func(earlier, later First[T]) First[T] {
	atLeastOne("MergeFirst", n)
	return func(earlier, later First[T]) First[T] {
		room := max(0, n-len(earlier.Values))
		later.Values = later.Values[:min(room, len(later.Values))]
		return First[T]{Values: append(earlier.Values, later.Values...)}
	}
}

// Last is the last n values to arrive, or all of fewer, oldest first.
type Last[T any] struct {
	Values []T `avro:"values"`
}

// LastType returns how a Last is written and read, given that of its values.
func LastType[T any](t schemas.Type[T]) schemas.Type[Last[T]] {
	return schemas.Avro[Last[T]](listSchema("Last", "values", t.String()))
}

// LastOf keeps what of takes from each of the last n values.
func LastOf[V, T any](n int, of func(V) T) func(Last[T], V) Last[T] {
	atLeastOne("LastOf", n)
	return func(l Last[T], v V) Last[T] {
		return Last[T]{Values: append(behind(l.Values, n-1), of(v))}
	}
}

// MergeLast keeps the last n of the earlier values followed by the later ones.
func MergeLast[T any](n int) func(earlier, later Last[T]) Last[T] {
	atLeastOne("MergeLast", n)
	return func(earlier, later Last[T]) Last[T] {
		late := behind(later.Values, n)
		return Last[T]{Values: append(behind(earlier.Values, n-len(late)), late...)}
	}
}

// behind is the last n values, moved to the front so that the slice does not creep through memory.
func behind[T any](values []T, n int) []T {
	if extra := len(values) - n; extra > 0 {
		copy(values, values[extra:])
		clear(values[n:])
		values = values[:n]
	}
	return values
}

// listSchema is the schema of a record with one array.
func listSchema(name, field, items string) string {
	return fmt.Sprintf(`{"type": "record", "name": %q, "namespace": "pawl.aggregate", "fields": [
		{"name": %q, "type": {"type": "array", "items": %s}}]}`, name, field, items)
}

// atLeastOne panics where a pipeline is built with a bound that keeps nothing.
func atLeastOne(of string, n int) {
	if n < 1 {
		panic(fmt.Sprintf("aggregate.%s: n=%d keeps nothing; give 1 or more", of, n))
	}
}
