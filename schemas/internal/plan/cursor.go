package plan

import (
	"encoding/binary"
	"fmt"
	"math"
)

// sharedTextMax is the longest input that all strings of a value share one copy of. A string kept
// from a longer one gets a copy of its own, or a short key would hold a large record in memory.
const sharedTextMax = 1024

// emptyItemsMax bounds the items of a value that take no bytes, which its length cannot bound.
const emptyItemsMax = 1 << 16

// Cursor is the input of one value and the place reading has come to. After a fault it stands at
// the end, so whatever is read then is zero.
type Cursor struct {
	data  []byte
	pos   int
	text  string  // copy of data that strings are cut from; made with the first string
	fault string  // the first thing that was wrong
	path  string  // where, as field names
	empty int     // items without bytes so far
	child *Cursor // for defaults, which have an input of their own
}

// Reset makes data the input.
func (c *Cursor) Reset(data []byte) {
	c.data, c.pos, c.text, c.fault, c.path, c.empty = data, 0, "", "", "", 0
}

// Finish returns what was wrong, with the field's path, or that bytes are left over; "" when the
// value was whole.
func (c *Cursor) Finish() string {
	switch left := len(c.data) - c.pos; {
	case c.fault != "" && c.path != "":
		return "field " + c.path + ": " + c.fault
	case c.fault != "":
		return c.fault
	case left > 0:
		return fmt.Sprintf("%d bytes left over after the value", left)
	default:
		return ""
	}
}

// fail notes the first fault.
func (c *Cursor) fail(format string, args ...any) {
	if c.fault == "" {
		c.fault = fmt.Sprintf(format, args...)
	}
	c.pos = len(c.data)
}

// within puts name before the path of the fault.
func (c *Cursor) within(name string) {
	if c.path == "" || c.path[0] == '[' {
		c.path = name + c.path
		return
	}
	c.path = name + "." + c.path
}

// left returns how many bytes are not read yet.
func (c *Cursor) left() int { return len(c.data) - c.pos }

// long reads a zigzag varint.
func (c *Cursor) long() int64 {
	if c.pos < len(c.data) {
		if b := c.data[c.pos]; b < 0x80 {
			c.pos++
			return int64(b>>1) ^ -int64(b&1)
		}
	}
	return c.longSlow()
}

// longSlow reads a varint of several bytes.
func (c *Cursor) longSlow() int64 {
	v, n := binary.Varint(c.data[c.pos:])
	switch {
	case n > 0:
		c.pos += n
		return v
	case n == 0:
		c.fail("ends inside a number")
	default:
		c.fail("a number has more than 64 bits")
	}
	return 0
}

// int reads a varint that has to fit 32 bits.
func (c *Cursor) int() int32 {
	v := c.long()
	if v < math.MinInt32 || v > math.MaxInt32 {
		c.fail("%d does not fit an int", v)
		return 0
	}
	return int32(v)
}

// take returns the next n bytes, which still belong to the input; nil after a fault.
func (c *Cursor) take(n int64) []byte {
	if n < 0 || n > int64(c.left()) {
		c.fail("a length of %d where %d bytes are left", n, c.left())
		return nil
	}
	b := c.data[c.pos : c.pos+int(n)]
	c.pos += int(n)
	return b
}

// string reads a string. It does not belong to the input.
func (c *Cursor) string() string {
	n := c.long()
	if n < 0 || n > int64(c.left()) {
		c.fail("a string of %d bytes where %d are left", n, c.left())
		return ""
	}
	start := c.pos
	c.pos += int(n)
	switch {
	case n == 0:
		return ""
	case len(c.data) > sharedTextMax:
		return string(c.data[start:c.pos])
	case c.text == "":
		c.text = string(c.data)
	}
	return c.text[start:c.pos]
}

// bool reads a boolean.
func (c *Cursor) bool() bool {
	b := c.take(1)
	if len(b) == 1 && b[0] > 1 {
		c.fail("a boolean is 0x%02x", b[0])
	}
	return len(b) == 1 && b[0] == 1
}

// float reads a float.
func (c *Cursor) float() float32 {
	if b := c.take(4); b != nil {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	return 0
}

// double reads a double.
func (c *Cursor) double() float64 {
	if b := c.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

// index reads the position of an enum symbol or a union branch, which has to be below n.
func (c *Cursor) index(what string, n int) int {
	i := c.long()
	if i < 0 || i >= int64(n) {
		c.fail("%s %d where the schema has %d", what, i, n)
		return 0
	}
	return int(i)
}

// block reads the header of one block of an array or map whose items take at least itemMin bytes.
// It returns the number of items, 0 at the end, and the block's length in bytes where it is
// given, else -1.
func (c *Cursor) block(itemMin int) (items int, size int) {
	n, length := c.long(), int64(-1)
	if n < 0 {
		n = -n
		if length = c.long(); length < 0 || length > int64(c.left()) {
			c.fail("a block of %d bytes where %d are left", length, c.left())
			return 0, 0
		}
	}
	limit := int64(emptyItemsMax - c.empty)
	if itemMin > 0 {
		limit = int64(c.left() / itemMin)
	}
	if n < 0 || n > limit { // -n of the least number is still negative
		c.fail("%d items where %d bytes are left", n, c.left())
		return 0, 0
	}
	if itemMin == 0 {
		c.empty += int(n)
	}
	return int(n), int(length)
}
