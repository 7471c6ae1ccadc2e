package plan

import (
	"reflect"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// longs gives where the fields of a record lie in t, in the schema's order, when all are longs in
// an int64: nothing can go wrong with one of them then. It is nil when they are not.
func longs(t reflect.Type, s avro.Schema) (offsets []uintptr) {
	record, ok := deref(s).(*avro.RecordSchema)
	if !ok || t.Kind() != reflect.Struct {
		return nil
	}
	for _, field := range record.Fields() {
		f, err := goField(t, field.Name())
		if err != nil || f.Type.Kind() != reflect.Int64 || field.Type().Type() != avro.Long {
			return nil
		}
		offsets = append(offsets, f.Offset)
	}
	return offsets
}

// writeRows compiles a slice of records of longs, the greater part of most windows: without a call
// for each number.
func writeRows(offsets []uintptr, size uintptr) WriteFunc {
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		slice := *(*[]struct{})(p) // as every slice
		n, row := len(slice), unsafe.Pointer(unsafe.SliceData(slice))
		if n > 0 {
			dst = appendLong(dst, int64(n))
		}
		for i := range n {
			at := unsafe.Add(row, uintptr(i)*size)
			for _, offset := range offsets {
				v := *(*int64)(unsafe.Add(at, offset))
				u := uint64(v)<<1 ^ uint64(v>>63)
				if u < 1<<7 && len(dst) < cap(dst) {
					dst = append(dst, byte(u))
					continue
				}
				dst = appendLong(dst, v)
			}
		}
		return append(dst, 0), nil
	}
}
