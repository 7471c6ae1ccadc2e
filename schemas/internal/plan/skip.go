package plan

import (
	"fmt"
	"unsafe"

	"github.com/hamba/avro/v2"
)

// skip compiles how a value is passed over, with the same checks as if it were read.
func (b *builder) skip(s avro.Schema) (ReadFunc, error) {
	if err := b.step(); err != nil {
		return nil, err
	}
	switch s := deref(s).(type) {
	case *avro.PrimitiveSchema, *avro.NullSchema:
		return skipScalar(s.Type()), nil
	case *avro.EnumSchema:
		n := len(s.Symbols())
		return func(c *Cursor, _ unsafe.Pointer) { c.index("enum symbol", n) }, nil
	case *avro.FixedSchema:
		n := int64(s.Size())
		return func(c *Cursor, _ unsafe.Pointer) { c.take(n) }, nil
	case *avro.ArraySchema:
		return b.skipBlocks(s.Items(), false)
	case *avro.MapSchema:
		return b.skipBlocks(s.Values(), true)
	case *avro.UnionSchema:
		steps, err := b.skipAll(s.Types())
		return func(c *Cursor, p unsafe.Pointer) {
			steps[c.index("union branch", len(steps))](c, p)
		}, err
	case *avro.RecordSchema:
		return b.skipRecord(s)
	default:
		return nil, fmt.Errorf("type %s of Avro is not supported", s.Type())
	}
}

// skipScalar passes over a primitive value.
func skipScalar(t avro.Type) ReadFunc {
	switch t {
	case avro.Boolean:
		return func(c *Cursor, _ unsafe.Pointer) { c.bool() }
	case avro.Int:
		return func(c *Cursor, _ unsafe.Pointer) { c.int() }
	case avro.Long:
		return func(c *Cursor, _ unsafe.Pointer) { c.long() }
	case avro.Float:
		return func(c *Cursor, _ unsafe.Pointer) { c.take(4) }
	case avro.Double:
		return func(c *Cursor, _ unsafe.Pointer) { c.take(8) }
	case avro.String, avro.Bytes:
		return func(c *Cursor, _ unsafe.Pointer) { c.take(c.long()) }
	default: // null has no bytes
		return func(*Cursor, unsafe.Pointer) {}
	}
}

// skipBlocks passes over an array or, with keys, a map.
func (b *builder) skipBlocks(item avro.Schema, keys bool) (ReadFunc, error) {
	skip, err := b.skip(item)
	if err != nil {
		return nil, err
	}
	itemMin := sizeMin(item, 0)
	if keys {
		itemMin++
	}
	return func(c *Cursor, p unsafe.Pointer) {
		for n, size := c.block(itemMin); n > 0; n, size = c.block(itemMin) {
			if size >= 0 {
				c.take(int64(size))
				continue
			}
			for ; n > 0 && c.fault == ""; n-- {
				if keys {
					c.take(c.long())
				}
				skip(c, p)
			}
		}
	}, nil
}

// skipAll compiles several schemas.
func (b *builder) skipAll(all []avro.Schema) ([]ReadFunc, error) {
	steps := make([]ReadFunc, len(all))
	for i, s := range all {
		step, err := b.skip(s)
		if err != nil {
			return nil, err
		}
		steps[i] = step
	}
	return steps, nil
}

// skipRecord passes over a record.
func (b *builder) skipRecord(s *avro.RecordSchema) (ReadFunc, error) {
	if err := b.enter(s.FullName()); err != nil {
		return nil, err
	}
	defer b.leave()
	types := make([]avro.Schema, len(s.Fields()))
	for i, f := range s.Fields() {
		types[i] = f.Type()
	}
	steps, err := b.skipAll(types)
	return func(c *Cursor, p unsafe.Pointer) {
		for _, step := range steps {
			step(c, p)
		}
	}, err
}

// sizeMin returns the fewest bytes that a value can take. Deep schemas count as taking none, which
// only loosens the check.
func sizeMin(s avro.Schema, depth int) int {
	const depthMax = 8
	if depth > depthMax {
		return 0
	}
	switch s := deref(s).(type) {
	case *avro.NullSchema:
		return 0
	case *avro.FixedSchema:
		return s.Size()
	case *avro.RecordSchema:
		sum := 0
		for _, f := range s.Fields() {
			sum += sizeMin(f.Type(), depth+1)
		}
		return sum
	default:
		switch s.Type() {
		case avro.Float:
			return 4
		case avro.Double:
			return 8
		}
		return 1 // a number, a length, a branch, the end of the blocks
	}
}
