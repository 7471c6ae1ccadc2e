package plan

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// readField is one step of a record, in the writer's order; defaults follow.
type readField struct {
	name   string
	offset uintptr
	read   ReadFunc
}

// readRecord compiles a record into a struct.
func (b *builder) readRecord(t reflect.Type, reader *avro.RecordSchema, writer avro.Schema) (
	ReadFunc, error,
) {
	w, ok := writer.(*avro.RecordSchema)
	if !ok || t.Kind() != reflect.Struct {
		return nil, mismatch(t, reader, writer)
	}
	if err := b.enter(w.FullName()); err != nil {
		return nil, err
	}
	defer b.leave()
	fields := make([]readField, 0, len(w.Fields()))
	seen := make(map[*avro.Field]bool)
	for _, written := range w.Fields() {
		wanted := ReaderField(reader, written)
		seen[wanted] = true
		step, err := b.readField(t, wanted, written)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", written.Name(), err)
		}
		fields = append(fields, step)
	}
	for _, wanted := range reader.Fields() {
		if seen[wanted] {
			continue
		}
		step, err := b.defaultField(t, wanted)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", wanted.Name(), err)
		}
		fields = append(fields, step)
	}
	return func(c *Cursor, p unsafe.Pointer) {
		for i := range fields {
			f := &fields[i]
			f.read(c, unsafe.Add(p, f.offset))
			if c.fault != "" {
				c.within(f.name)
				return
			}
		}
	}, nil
}

// ReaderField returns the field of reader that a written field becomes, by name or by the reader's
// alias; nil when the reader does not have it.
func ReaderField(reader *avro.RecordSchema, written *avro.Field) *avro.Field {
	for _, f := range reader.Fields() {
		if f.Name() == written.Name() {
			return f
		}
	}
	for _, f := range reader.Fields() {
		if slices.Contains(f.Aliases(), written.Name()) {
			return f
		}
	}
	return nil
}

// readField compiles a written field: into the struct, or past it when wanted is nil.
func (b *builder) readField(t reflect.Type, wanted, written *avro.Field) (readField, error) {
	if wanted == nil {
		skip, err := b.skip(written.Type())
		return readField{name: written.Name(), read: skip}, err
	}
	f, err := goField(t, wanted.Name())
	if err != nil {
		return readField{}, err
	}
	read, err := b.read(f.Type, wanted.Type(), written.Type())
	return readField{name: wanted.Name(), offset: f.Offset, read: read}, err
}

// defaultField compiles a field that was not written: its default is kept as bytes and read anew
// for every value, so that no two values share memory that could be changed.
func (b *builder) defaultField(t reflect.Type, wanted *avro.Field) (readField, error) {
	f, err := goField(t, wanted.Name())
	if err != nil {
		return readField{}, err
	}
	if !wanted.HasDefault() {
		return readField{}, fmt.Errorf("was not written and has no default")
	}
	data, err := appendDefault(nil, wanted.Type(), wanted.Default())
	if err != nil {
		return readField{}, fmt.Errorf("its default: %w", err)
	}
	read, err := b.read(f.Type, wanted.Type(), wanted.Type())
	if err != nil {
		return readField{}, err
	}
	text := string(data)
	step := func(c *Cursor, p unsafe.Pointer) {
		if c.child == nil {
			c.child = new(Cursor)
		}
		c.child.Reset(data)
		c.child.text = text
		read(c.child, p)
	}
	return readField{name: wanted.Name(), offset: f.Offset, read: step}, nil
}

// appendDefault appends a default in Avro binary. The default of a union belongs to its first
// branch.
func appendDefault(dst []byte, s avro.Schema, value any) ([]byte, error) {
	s = deref(s)
	if union, ok := s.(*avro.UnionSchema); ok {
		return appendDefault(binary.AppendVarint(dst, 0), union.Types()[0], value)
	}
	if s.Type() == avro.Null {
		return dst, nil
	}
	data, err := avro.Config{DisableBlockSizeHeader: true}.Freeze().Marshal(s, value)
	return append(dst, data...), err
}

// goField returns the field of struct t for schema field name, with its offset in t.
func goField(t reflect.Type, name string) (reflect.StructField, error) {
	for _, f := range reflect.VisibleFields(t) {
		tag, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		if !f.IsExported() || f.Anonymous || (tag != name && (tag != "" || f.Name != name)) {
			continue
		}
		outer, offset := t, uintptr(0)
		for _, i := range f.Index {
			if outer.Kind() != reflect.Struct {
				return f, fmt.Errorf("type %v: field %s is reached through a pointer; embed the "+
					"struct itself", t, f.Name)
			}
			offset += outer.Field(i).Offset
			outer = outer.Field(i).Type
		}
		f.Offset = offset
		return f, nil
	}
	return reflect.StructField{}, fmt.Errorf("type %v has no field for it; add one with the tag "+
		"`avro:%q`", t, name)
}
