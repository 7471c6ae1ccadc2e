package plan

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// ReadFunc reads one value from c into the zeroed memory at p.
type ReadFunc func(c *Cursor, p unsafe.Pointer)

// stepsMax bounds a plan: a schema of a few kilobytes can name its own types so that, written out,
// it has billions of fields.
const stepsMax = 20_000

// errRecursive refuses schemas that contain themselves: bytes could then nest without end.
var errRecursive = errors.New("recursive schemas are not supported; give the inner record's key " +
	"instead of the record")

// builder compiles one plan.
type builder struct {
	steps int
	open  []string // full names of the records being compiled, outermost first
}

// Reader compiles how a value written with schema writer is read into a Go value of type t, whose
// schema is reader.
func Reader(t reflect.Type, reader, writer avro.Schema) (ReadFunc, error) {
	return new(builder).read(t, reader, writer)
}

// read compiles one value.
func (b *builder) read(t reflect.Type, reader, writer avro.Schema) (ReadFunc, error) {
	if err := b.step(); err != nil {
		return nil, err
	}
	reader, writer = deref(reader), deref(writer)
	if w, ok := writer.(*avro.UnionSchema); ok {
		return b.readBranches(t, reader, w)
	}
	if r, ok := reader.(*avro.UnionSchema); ok {
		return b.readPointer(t, r, writer)
	}
	switch r := reader.(type) {
	case *avro.PrimitiveSchema:
		return readScalar(t, r, writer)
	case *avro.EnumSchema:
		return readEnum(t, r, writer)
	case *avro.FixedSchema:
		return readFixed(t, r, writer)
	case *avro.ArraySchema:
		return b.readArray(t, r, writer)
	case *avro.MapSchema:
		return b.readMap(t, r, writer)
	case *avro.RecordSchema:
		return b.readRecord(t, r, writer)
	case *avro.NullSchema:
		if writer.Type() == avro.Null {
			return func(*Cursor, unsafe.Pointer) {}, nil
		}
	}
	return nil, mismatch(t, reader, writer)
}

// step counts one more step of the plan.
func (b *builder) step() error {
	if b.steps++; b.steps > stepsMax {
		return fmt.Errorf("the schema has more than %d values, written out", stepsMax)
	}
	return nil
}

// enter notes that record name is being compiled.
func (b *builder) enter(name string) error {
	if slices.Contains(b.open, name) {
		return fmt.Errorf("record %s contains itself: %w", name, errRecursive)
	}
	b.open = append(b.open, name)
	return nil
}

// leave undoes enter.
func (b *builder) leave() { b.open = b.open[:len(b.open)-1] }

// deref returns the schema that a reference by name stands for.
func deref(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}

// mismatch says that t, reader and writer do not go together.
func mismatch(t reflect.Type, reader, writer avro.Schema) error {
	if reader.Type() != writer.Type() {
		return fmt.Errorf("%s cannot be read as %s", describe(writer), describe(reader))
	}
	return fmt.Errorf("type %v cannot hold %s", t, describe(reader))
}

// describe names a schema with its logical type.
func describe(s avro.Schema) string {
	if named, ok := s.(avro.NamedSchema); ok {
		return fmt.Sprintf("%s %s", s.Type(), named.FullName())
	}
	if logical := Logical(s); logical != "" {
		return fmt.Sprintf("%s (%s)", s.Type(), logical)
	}
	return string(s.Type())
}

// Logical returns the logical type of s, "" when it has none.
func Logical(s avro.Schema) avro.LogicalType {
	if typed, ok := s.(avro.LogicalTypeSchema); ok && typed.Logical() != nil {
		return typed.Logical().Type()
	}
	return ""
}
