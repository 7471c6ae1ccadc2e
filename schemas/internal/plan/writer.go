package plan

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"reflect"
	"slices"
	"time"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// WriteFunc appends the Avro binary of the value at p to dst.
type WriteFunc func(dst []byte, p unsafe.Pointer) ([]byte, error)

// Writer compiles how a Go value of type t is written with schema s.
func Writer(t reflect.Type, s avro.Schema) (WriteFunc, error) {
	return new(builder).write(t, s)
}

// write compiles one value.
func (b *builder) write(t reflect.Type, s avro.Schema) (WriteFunc, error) {
	if err := b.step(); err != nil {
		return nil, err
	}
	switch s := deref(s).(type) {
	case *avro.PrimitiveSchema:
		return writeScalar(t, s)
	case *avro.EnumSchema:
		return writeEnum(t, s)
	case *avro.FixedSchema:
		if _, err := readFixed(t, s, s); err != nil {
			return nil, err // memory beyond the array would be written out
		}
		size := s.Size()
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return append(dst, unsafe.Slice((*byte)(p), size)...), nil
		}, nil
	case *avro.ArraySchema:
		return b.writeArray(t, s)
	case *avro.MapSchema:
		return b.writeMap(t, s)
	case *avro.UnionSchema:
		return b.writePointer(t, s)
	case *avro.RecordSchema:
		return b.writeRecord(t, s)
	case *avro.NullSchema:
		return func(dst []byte, _ unsafe.Pointer) ([]byte, error) { return dst, nil }, nil
	default:
		return nil, fmt.Errorf("type %s of Avro is not supported", s.Type())
	}
}

// writeScalar compiles a value of a primitive type.
func writeScalar(t reflect.Type, s *avro.PrimitiveSchema) (WriteFunc, error) {
	// The reader's rules say which Go types go with s; the writer's are the same.
	if _, err := readScalar(t, s, s); err != nil {
		return nil, err
	}
	switch s.Type() {
	case avro.Boolean:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			if *(*bool)(p) {
				return append(dst, 1), nil
			}
			return append(dst, 0), nil
		}, nil
	case avro.Int, avro.Long:
		return writeNumber(t, s), nil
	case avro.Float:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			bits := math.Float32bits(*(*float32)(p))
			return binary.LittleEndian.AppendUint32(dst, bits), nil
		}, nil
	case avro.Double:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			bits := math.Float64bits(*(*float64)(p))
			return binary.LittleEndian.AppendUint64(dst, bits), nil
		}, nil
	case avro.String:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			text := *(*string)(p)
			return append(appendLong(dst, int64(len(text))), text...), nil
		}, nil
	default:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			data := *(*[]byte)(p)
			return append(appendLong(dst, int64(len(data))), data...), nil
		}, nil
	}
}

// appendLong appends a zigzag varint; most numbers in records take one to three bytes.
func appendLong(dst []byte, v int64) []byte {
	u := uint64(v)<<1 ^ uint64(v>>63)
	switch {
	case u < 1<<7:
		return append(dst, byte(u))
	case u < 1<<14:
		return append(dst, byte(u)|0x80, byte(u>>7))
	case u < 1<<21:
		return append(dst, byte(u)|0x80, byte(u>>7)|0x80, byte(u>>14))
	default:
		return binary.AppendUvarint(dst, u)
	}
}

// writeNumber compiles an int or a long that readScalar found t fit for.
func writeNumber(t reflect.Type, s *avro.PrimitiveSchema) WriteFunc {
	if t == reflect.TypeFor[time.Time]() {
		return writeTime(Logical(s))
	}
	narrow := s.Type() == avro.Int
	check := func(dst []byte, v int64) ([]byte, error) {
		if narrow && (v < math.MinInt32 || v > math.MaxInt32) {
			return dst, fmt.Errorf("%d does not fit an Avro int", v)
		}
		return appendLong(dst, v), nil
	}
	switch t.Kind() {
	case reflect.Int32:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendLong(dst, int64(*(*int32)(p))), nil
		}
	case reflect.Int64:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return check(dst, *(*int64)(p))
		}
	default:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return check(dst, int64(*(*int)(p)))
		}
	}
}

// writeTime compiles a time. What is finer than the logical type's unit is cut off, downwards.
func writeTime(logical avro.LogicalType) WriteFunc {
	switch logical {
	case avro.Date:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			seconds := (*time.Time)(p).Unix()
			days := seconds / secondsPerDay
			if seconds%secondsPerDay < 0 {
				days--
			}
			return appendLong(dst, days), nil
		}
	case avro.TimestampMicros:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendLong(dst, (*time.Time)(p).UnixMicro()), nil
		}
	default:
		return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
			return appendLong(dst, (*time.Time)(p).UnixMilli()), nil
		}
	}
}

// writeEnum compiles a string kind into an enum.
func writeEnum(t reflect.Type, s *avro.EnumSchema) (WriteFunc, error) {
	if t.Kind() != reflect.String {
		return nil, mismatch(t, s, s)
	}
	symbols := s.Symbols()
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		symbol := *(*string)(p)
		for i, known := range symbols {
			if known == symbol {
				return appendLong(dst, int64(i)), nil
			}
		}
		return dst, fmt.Errorf("%q is no symbol of enum %s %v", symbol, s.FullName(), symbols)
	}, nil
}

// writeArray compiles a slice into one block, without its length in bytes: half the copying.
func (b *builder) writeArray(t reflect.Type, s *avro.ArraySchema) (WriteFunc, error) {
	if t.Kind() != reflect.Slice {
		return nil, mismatch(t, s, s)
	}
	item, err := b.write(t.Elem(), s.Items())
	if err != nil {
		return nil, fmt.Errorf("items: %w", err)
	}
	size := t.Elem().Size()
	if offsets := longs(t.Elem(), s.Items()); offsets != nil {
		return writeRows(offsets, size), nil
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		// Every slice has the same header: only the length and the address are used.
		slice := *(*[]struct{})(p)
		n, base := len(slice), unsafe.Pointer(unsafe.SliceData(slice))
		if n > 0 {
			dst = appendLong(dst, int64(n))
		}
		for i := range n {
			var err error
			if dst, err = item(dst, unsafe.Add(base, uintptr(i)*size)); err != nil {
				return dst, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return append(dst, 0), nil
	}, nil
}

// writeMap compiles a map into one block, in the order of its keys: hamba's order is random, and
// no map order may reach an output.
func (b *builder) writeMap(t reflect.Type, s *avro.MapSchema) (WriteFunc, error) {
	if t.Kind() != reflect.Map || t.Key().Kind() != reflect.String {
		return nil, mismatch(t, s, s)
	}
	value, err := b.write(t.Elem(), s.Values())
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		entries := reflect.NewAt(t, p).Elem()
		keys := entries.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int {
			return cmp.Compare(a.String(), b.String())
		})
		if len(keys) > 0 {
			dst = appendLong(dst, int64(len(keys)))
		}
		for _, key := range keys {
			dst = append(appendLong(dst, int64(key.Len())), key.String()...)
			elem := reflect.New(t.Elem())
			elem.Elem().Set(entries.MapIndex(key))
			var err error
			if dst, err = value(dst, elem.UnsafePointer()); err != nil {
				return dst, fmt.Errorf("[%q]: %w", key.String(), err)
			}
		}
		return append(dst, 0), nil
	}, nil
}

// writePointer compiles a pointer into a union with null.
func (b *builder) writePointer(t reflect.Type, s *avro.UnionSchema) (WriteFunc, error) {
	null, value, err := nullable(t, s)
	if err != nil {
		return nil, err
	}
	write, err := b.write(t.Elem(), s.Types()[value])
	if err != nil {
		return nil, err
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		target := *(*unsafe.Pointer)(p)
		if target == nil {
			return appendLong(dst, int64(null)), nil
		}
		return write(appendLong(dst, int64(value)), target)
	}, nil
}

// writeField is one step of a record.
type writeField struct {
	name   string
	offset uintptr
	write  WriteFunc
}

// writeRecord compiles a struct into a record.
func (b *builder) writeRecord(t reflect.Type, s *avro.RecordSchema) (WriteFunc, error) {
	if t.Kind() != reflect.Struct {
		return nil, mismatch(t, s, s)
	}
	if err := b.enter(s.FullName()); err != nil {
		return nil, err
	}
	defer b.leave()
	fields := make([]writeField, len(s.Fields()))
	for i, schema := range s.Fields() {
		f, err := goField(t, schema.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", schema.Name(), err)
		}
		write, err := b.write(f.Type, schema.Type())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", schema.Name(), err)
		}
		fields[i] = writeField{name: schema.Name(), offset: f.Offset, write: write}
	}
	return func(dst []byte, p unsafe.Pointer) ([]byte, error) {
		var err error
		for i := range fields {
			f := &fields[i]
			if dst, err = f.write(dst, unsafe.Add(p, f.offset)); err != nil {
				return dst, fmt.Errorf("%s: %w", f.name, err)
			}
		}
		return dst, nil
	}, nil
}
