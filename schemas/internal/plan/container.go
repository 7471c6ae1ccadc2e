package plan

import (
	"errors"
	"fmt"
	"reflect"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// readArray compiles an array into a slice.
func (b *builder) readArray(t reflect.Type, reader *avro.ArraySchema, writer avro.Schema) (
	ReadFunc, error,
) {
	w, ok := writer.(*avro.ArraySchema)
	if !ok || t.Kind() != reflect.Slice {
		return nil, mismatch(t, reader, writer)
	}
	item, err := b.read(t.Elem(), reader.Items(), w.Items())
	if err != nil {
		return nil, fmt.Errorf("items: %w", err)
	}
	size, itemMin := t.Elem().Size(), sizeMin(w.Items(), 0)
	return func(c *Cursor, p unsafe.Pointer) {
		slice := reflect.NewAt(t, p).Elem()
		for n, _ := c.block(itemMin); n > 0; n, _ = c.block(itemMin) {
			for n > 0 && c.fault == "" {
				have, more := slice.Len(), min(n, growMax)
				slice.Grow(more)
				slice.SetLen(have + more)
				base := slice.UnsafePointer()
				for i := have; i < have+more; i++ {
					item(c, unsafe.Add(base, uintptr(i)*size))
					if c.fault != "" {
						c.within(fmt.Sprintf("[%d]", i))
						return
					}
				}
				n -= more
			}
		}
	}, nil
}

// growMax is how many items are allocated ahead of reading them: a count is only a claim.
const growMax = 1024

// readMap compiles a map with string keys. A key that comes twice keeps its last value.
func (b *builder) readMap(t reflect.Type, reader *avro.MapSchema, writer avro.Schema) (
	ReadFunc, error,
) {
	w, ok := writer.(*avro.MapSchema)
	if !ok || t.Kind() != reflect.Map || t.Key().Kind() != reflect.String {
		return nil, mismatch(t, reader, writer)
	}
	value, err := b.read(t.Elem(), reader.Values(), w.Values())
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	entryMin := 1 + sizeMin(w.Values(), 0)
	return func(c *Cursor, p unsafe.Pointer) {
		entries := reflect.NewAt(t, p).Elem()
		for n, _ := c.block(entryMin); n > 0; n, _ = c.block(entryMin) {
			if entries.IsNil() {
				entries.Set(reflect.MakeMapWithSize(t, min(n, growMax)))
			}
			for range n {
				key := c.string()
				elem := reflect.New(t.Elem())
				value(c, elem.UnsafePointer())
				if c.fault != "" {
					c.within(fmt.Sprintf("[%q]", key))
					return
				}
				entries.SetMapIndex(reflect.ValueOf(key).Convert(t.Key()), elem.Elem())
			}
		}
	}, nil
}

// readBranches compiles a written union: every branch has to be readable.
func (b *builder) readBranches(t reflect.Type, reader avro.Schema, writer *avro.UnionSchema) (
	ReadFunc, error,
) {
	branches := make([]ReadFunc, len(writer.Types()))
	for i, branch := range writer.Types() {
		read, err := b.read(t, reader, branch)
		if err != nil {
			return nil, err
		}
		branches[i] = read
	}
	return func(c *Cursor, p unsafe.Pointer) {
		branches[c.index("union branch", len(branches))](c, p)
	}, nil
}

// readPointer compiles a value that is no union into the pointer of a union with null.
func (b *builder) readPointer(t reflect.Type, reader *avro.UnionSchema, writer avro.Schema) (
	ReadFunc, error,
) {
	_, value, err := nullable(t, reader)
	if err != nil {
		return nil, err
	}
	if writer.Type() == avro.Null {
		return func(*Cursor, unsafe.Pointer) {}, nil
	}
	elem := t.Elem()
	read, err := b.read(elem, reader.Types()[value], writer)
	if err != nil {
		return nil, err
	}
	return func(c *Cursor, p unsafe.Pointer) {
		target := reflect.New(elem).UnsafePointer()
		*(*unsafe.Pointer)(p) = target
		read(c, target)
	}, nil
}

// errUnion says which unions have a Go type.
var errUnion = errors.New("a union has to be of null and one other type, and its Go type a pointer")

// nullable returns the positions of null and of the other type in a union that t can hold.
func nullable(t reflect.Type, union *avro.UnionSchema) (null, value int, err error) {
	if !union.Nullable() || len(union.Types()) != 2 || t.Kind() != reflect.Pointer {
		return 0, 0, fmt.Errorf("type %v for union %s: %w", t, union, errUnion)
	}
	null, value = union.Indices()
	return null, value, nil
}
