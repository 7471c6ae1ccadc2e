package plan

import (
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// readScalar compiles a value of a primitive type, widened from the writer's where that is allowed.
func readScalar(t reflect.Type, reader *avro.PrimitiveSchema, writer avro.Schema) (
	ReadFunc, error,
) {
	if !Widens(reader.Type(), writer.Type()) {
		return nil, mismatch(t, reader, writer)
	}
	var read ReadFunc
	switch reader.Type() {
	case avro.Boolean:
		if t.Kind() == reflect.Bool {
			read = func(c *Cursor, p unsafe.Pointer) { *(*bool)(p) = c.bool() }
		}
	case avro.Int:
		read = readInt(t, reader)
	case avro.Long:
		read = readLong(t, reader, writer.Type())
	case avro.Float:
		if t.Kind() == reflect.Float32 {
			read = readFloat(writer.Type())
		}
	case avro.Double:
		if t.Kind() == reflect.Float64 {
			read = readDouble(writer.Type())
		}
	case avro.String:
		if t.Kind() == reflect.String {
			read = func(c *Cursor, p unsafe.Pointer) { *(*string)(p) = c.string() }
		}
	case avro.Bytes:
		if t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8 {
			read = readBytes
		}
	}
	if read == nil {
		return nil, mismatch(t, reader, reader)
	}
	return read, nil
}

// Widens reports whether Avro's rules let a primitive type be read as another.
func Widens(reader, writer avro.Type) bool {
	switch writer {
	case reader:
		return true
	case avro.Int:
		return reader == avro.Long || reader == avro.Float || reader == avro.Double
	case avro.Long:
		return reader == avro.Float || reader == avro.Double
	case avro.Float:
		return reader == avro.Double
	case avro.String:
		return reader == avro.Bytes
	case avro.Bytes:
		return reader == avro.String
	default:
		return false
	}
}

// readBytes reads a copy of bytes.
func readBytes(c *Cursor, p unsafe.Pointer) {
	if b := c.take(c.long()); len(b) > 0 {
		*(*[]byte)(p) = slices.Clone(b)
	}
}

// readInt returns the step for an int, nil when t cannot hold one.
func readInt(t reflect.Type, schema avro.Schema) ReadFunc {
	switch {
	case t == reflect.TypeFor[time.Time]() && Logical(schema) == avro.Date:
		return func(c *Cursor, p unsafe.Pointer) {
			*(*time.Time)(p) = time.Unix(int64(c.int())*secondsPerDay, 0).UTC()
		}
	case t.Kind() == reflect.Int32:
		return func(c *Cursor, p unsafe.Pointer) { *(*int32)(p) = c.int() }
	case t.Kind() == reflect.Int64:
		return func(c *Cursor, p unsafe.Pointer) { *(*int64)(p) = int64(c.int()) }
	case t.Kind() == reflect.Int:
		return func(c *Cursor, p unsafe.Pointer) { *(*int)(p) = int(c.int()) }
	}
	return nil
}

// secondsPerDay turns a date into a time.
const secondsPerDay = 24 * 60 * 60

// readLong returns the step for a long, nil when t cannot hold one. A written int is read like a
// long, but has to fit an int.
func readLong(t reflect.Type, schema avro.Schema, writer avro.Type) ReadFunc {
	narrow := writer == avro.Int
	long := func(c *Cursor) int64 {
		if narrow {
			return int64(c.int())
		}
		return c.long()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		switch Logical(schema) {
		case avro.TimestampMillis:
			return func(c *Cursor, p unsafe.Pointer) {
				*(*time.Time)(p) = time.UnixMilli(long(c)).UTC()
			}
		case avro.TimestampMicros:
			return func(c *Cursor, p unsafe.Pointer) {
				*(*time.Time)(p) = time.UnixMicro(long(c)).UTC()
			}
		}
	case t.Kind() == reflect.Int64 && !narrow:
		return func(c *Cursor, p unsafe.Pointer) { *(*int64)(p) = c.long() }
	case t.Kind() == reflect.Int64:
		return func(c *Cursor, p unsafe.Pointer) { *(*int64)(p) = int64(c.int()) }
	case t.Kind() == reflect.Int && t.Size() == 8:
		return func(c *Cursor, p unsafe.Pointer) { *(*int)(p) = int(long(c)) }
	}
	return nil
}

// readFloat returns the step for a float.
func readFloat(writer avro.Type) ReadFunc {
	switch writer {
	case avro.Int:
		return func(c *Cursor, p unsafe.Pointer) { *(*float32)(p) = float32(c.int()) }
	case avro.Long:
		return func(c *Cursor, p unsafe.Pointer) { *(*float32)(p) = float32(c.long()) }
	default:
		return func(c *Cursor, p unsafe.Pointer) { *(*float32)(p) = c.float() }
	}
}

// readDouble returns the step for a double.
func readDouble(writer avro.Type) ReadFunc {
	switch writer {
	case avro.Int:
		return func(c *Cursor, p unsafe.Pointer) { *(*float64)(p) = float64(c.int()) }
	case avro.Long:
		return func(c *Cursor, p unsafe.Pointer) { *(*float64)(p) = float64(c.long()) }
	case avro.Float:
		return func(c *Cursor, p unsafe.Pointer) { *(*float64)(p) = float64(c.float()) }
	default:
		return func(c *Cursor, p unsafe.Pointer) { *(*float64)(p) = c.double() }
	}
}

// readEnum compiles an enum into a string kind: the writer's position is the reader's symbol.
func readEnum(t reflect.Type, reader *avro.EnumSchema, writer avro.Schema) (ReadFunc, error) {
	w, ok := writer.(*avro.EnumSchema)
	if !ok || t.Kind() != reflect.String {
		return nil, mismatch(t, reader, writer)
	}
	symbols := make([]string, len(w.Symbols()))
	for i, symbol := range w.Symbols() {
		switch {
		case slices.Contains(reader.Symbols(), symbol):
			symbols[i] = symbol
		case reader.HasDefault():
			symbols[i] = reader.Default()
		default:
			return nil, mismatch(t, reader, writer)
		}
	}
	return func(c *Cursor, p unsafe.Pointer) {
		*(*string)(p) = symbols[c.index("enum symbol", len(symbols))]
	}, nil
}

// readFixed compiles a fixed into an array of bytes.
func readFixed(t reflect.Type, reader *avro.FixedSchema, writer avro.Schema) (ReadFunc, error) {
	w, ok := writer.(*avro.FixedSchema)
	size := reader.Size()
	if !ok || w.Size() != size || t.Kind() != reflect.Array || t.Len() != size ||
		t.Elem().Kind() != reflect.Uint8 {
		return nil, mismatch(t, reader, writer)
	}
	return func(c *Cursor, p unsafe.Pointer) {
		copy(unsafe.Slice((*byte)(p), size), c.take(int64(size)))
	}, nil
}
