package plan

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/internal/jsonform"
)

// JSON writes the values of one schema as JSON: the bytes that encoding/json makes of what Any
// reads, without reading it into memory first. It is safe for concurrent use.
type JSON struct{ root *jsonNode }

// jsonNode writes one value. Its func is set after it is made: a record may contain itself.
type jsonNode struct {
	write func(c *Cursor, dst []byte, depth int) []byte
}

// NewJSON compiles a schema.
func NewJSON(schema avro.Schema) *JSON {
	return &JSON{make(jsonNodes).node(schema)}
}

// Append appends data, one value, to dst; or says what is wrong with it, as Any does, and returns
// dst as it was.
func (j *JSON) Append(dst, data []byte) (out []byte, fault string) {
	var c Cursor
	c.Reset(data)
	out = j.root.append(&c, dst, 0)
	if fault := c.Finish(); fault != "" {
		return dst, fault
	}
	return out, ""
}

// append writes a value that stands so deep.
func (n *jsonNode) append(c *Cursor, dst []byte, depth int) []byte {
	if depth > anyDepthMax {
		c.fail("values nest deeper than %d", anyDepthMax)
		return dst
	}
	return n.write(c, dst, depth)
}

// jsonNodes are the nodes that are made, one for each schema however often it is named.
type jsonNodes map[avro.Schema]*jsonNode

func (b jsonNodes) node(s avro.Schema) *jsonNode {
	s = deref(s)
	if n, ok := b[s]; ok {
		return n
	}
	n := new(jsonNode)
	b[s] = n
	switch s := s.(type) {
	case *avro.RecordSchema:
		n.write = b.record(s)
	case *avro.EnumSchema:
		n.write = func(c *Cursor, dst []byte, _ int) []byte {
			return jsonform.String(dst, s.Symbols()[c.index("enum symbol", len(s.Symbols()))])
		}
	case *avro.UnionSchema:
		n.write = b.union(s)
	case *avro.ArraySchema:
		n.write = b.array(s)
	case *avro.MapSchema:
		n.write = b.entries(s)
	case *avro.FixedSchema:
		n.write = func(c *Cursor, dst []byte, _ int) []byte {
			return jsonBytes(dst, c.take(int64(s.Size())))
		}
	default:
		n.write = jsonScalar(s)
	}
	return n
}

// jsonMember is a field of an object: its name, or name and value as they stand in the buffer.
type jsonMember struct {
	name     string
	head     []byte // the name as JSON, with the colon
	node     *jsonNode
	from, to int
}

// record writes an object whose fields are in the order of their names.
func (b jsonNodes) record(s *avro.RecordSchema) func(*Cursor, []byte, int) []byte {
	members := make([]jsonMember, len(s.Fields()))
	order := make([]int, len(members))
	for i, f := range s.Fields() {
		members[i] = jsonMember{name: f.Name(), node: b.node(f.Type()),
			head: append(jsonform.String(nil, f.Name()), ':')}
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int {
		return strings.Compare(members[x].name, members[y].name)
	})
	// Members that stand where they are to stand are not moved: those from first to last are.
	first, last := 0, len(order)-1
	for first < len(order) && order[first] == first {
		first++
	}
	for last > first && order[last] == last {
		last--
	}
	return func(c *Cursor, dst []byte, depth int) []byte {
		const few = 16
		var some [few + 1]int
		ends := some[:] // ends[i] is where member i begins, ends[i+1] where it ends
		if len(members) > few {
			ends = make([]int, len(members)+1)
		}
		dst = append(dst, '{')
		start := len(dst)
		ends[0] = start
		for i := range members {
			m := &members[i]
			dst = m.node.append(c, append(dst, m.head...), depth+1)
			if c.fault != "" {
				c.within(m.name)
				return dst
			}
			dst = append(dst, ',')
			ends[i+1] = len(dst)
		}
		if first < last {
			end := len(dst)
			for _, i := range order[first : last+1] {
				dst = append(dst, dst[ends[i]:ends[i+1]]...)
			}
			copy(dst[ends[first]:], dst[end:])
			dst = dst[:end]
		}
		return closed(dst, start, '}')
	}
}

// closed ends a list of members or items, each followed by a comma, that begins at start.
func closed(dst []byte, start int, with byte) []byte {
	if len(dst) > start {
		dst[len(dst)-1] = with
		return dst
	}
	return append(dst, with)
}

func (b jsonNodes) union(s *avro.UnionSchema) func(*Cursor, []byte, int) []byte {
	branches := make([]*jsonNode, len(s.Types()))
	for i, branch := range s.Types() {
		branches[i] = b.node(branch)
	}
	return func(c *Cursor, dst []byte, depth int) []byte {
		return branches[c.index("union branch", len(branches))].append(c, dst, depth+1)
	}
}

func (b jsonNodes) array(s *avro.ArraySchema) func(*Cursor, []byte, int) []byte {
	item, itemMin := b.node(s.Items()), sizeMin(s.Items(), 0)
	return func(c *Cursor, dst []byte, depth int) []byte {
		dst = append(dst, '[')
		start, items := len(dst), 0
		for n, _ := c.block(itemMin); n > 0; n, _ = c.block(itemMin) {
			for range n {
				dst = item.append(c, dst, depth+1)
				if c.fault != "" {
					c.within(fmt.Sprintf("[%d]", items))
					return dst
				}
				dst = append(dst, ',')
				items++
			}
		}
		return closed(dst, start, ']')
	}
}

// entries writes a map as an object in the order of the keys. A key that comes twice keeps its last
// value.
func (b jsonNodes) entries(s *avro.MapSchema) func(*Cursor, []byte, int) []byte {
	value, entryMin := b.node(s.Values()), 1+sizeMin(s.Values(), 0)
	return func(c *Cursor, dst []byte, depth int) []byte {
		dst = append(dst, '{')
		start := len(dst)
		var all []jsonMember
		for n, _ := c.block(entryMin); n > 0; n, _ = c.block(entryMin) {
			for range n {
				m := jsonMember{name: c.string(), from: len(dst)}
				dst = value.append(c, append(jsonform.String(dst, m.name), ':'), depth+1)
				if c.fault != "" {
					c.within(fmt.Sprintf("[%q]", m.name))
					return dst
				}
				dst = append(dst, ',')
				m.to = len(dst)
				all = append(all, m)
			}
		}
		slices.SortStableFunc(all, func(x, y jsonMember) int {
			return strings.Compare(x.name, y.name)
		})
		end := len(dst)
		for i, m := range all {
			if i+1 == len(all) || all[i+1].name != m.name {
				dst = append(dst, dst[m.from:m.to]...)
			}
		}
		dst = dst[:start+copy(dst[start:], dst[end:])]
		return closed(dst, start, '}')
	}
}

// jsonScalar writes a primitive value.
func jsonScalar(s avro.Schema) func(*Cursor, []byte, int) []byte {
	logical := Logical(s)
	switch s.Type() {
	case avro.Boolean:
		return func(c *Cursor, dst []byte, _ int) []byte {
			return strconv.AppendBool(dst, c.bool())
		}
	case avro.Int:
		if logical == avro.Date {
			return func(c *Cursor, dst []byte, _ int) []byte {
				at := time.Unix(int64(c.int())*secondsPerDay, 0).UTC()
				return append(at.AppendFormat(append(dst, '"'), time.DateOnly), '"')
			}
		}
		return func(c *Cursor, dst []byte, _ int) []byte {
			return strconv.AppendInt(dst, int64(c.int()), 10)
		}
	case avro.Long:
		if logical == avro.TimestampMillis || logical == avro.TimestampMicros {
			return func(c *Cursor, dst []byte, _ int) []byte {
				return jsonTime(dst, c.long(), logical)
			}
		}
		return func(c *Cursor, dst []byte, _ int) []byte {
			return strconv.AppendInt(dst, c.long(), 10)
		}
	case avro.Float:
		return func(c *Cursor, dst []byte, _ int) []byte {
			return jsonFloat(dst, float64(c.float()), 32)
		}
	case avro.Double:
		return func(c *Cursor, dst []byte, _ int) []byte { return jsonFloat(dst, c.double(), 64) }
	case avro.String:
		return func(c *Cursor, dst []byte, _ int) []byte { return jsonform.String(dst, c.string()) }
	case avro.Bytes:
		return func(c *Cursor, dst []byte, _ int) []byte { return jsonBytes(dst, c.take(c.long())) }
	default:
		return func(_ *Cursor, dst []byte, _ int) []byte { return append(dst, "null"...) }
	}
}

func jsonBytes(dst, b []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(dst, '"'), b), '"')
}

func jsonTime(dst []byte, v int64, logical avro.LogicalType) []byte {
	if text, ok := anyLong(v, logical).(string); ok {
		return jsonform.String(dst, text)
	}
	return strconv.AppendInt(dst, v, 10)
}

func jsonFloat(dst []byte, v float64, bits int) []byte {
	switch v := anyFloat(v, bits).(type) {
	case float64:
		if out, ok := jsonform.Float(dst, v); ok {
			return out
		}
	case string:
		return jsonform.String(dst, v)
	}
	return append(dst, "null"...) // unreachable: what is no number is a string
}
