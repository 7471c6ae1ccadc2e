package plan

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/hamba/avro/v2"
)

// anyDepthMax bounds how deep values may nest: the schema may be recursive here.
const anyDepthMax = 64

// Any reads data by schema into values that encoding/json prints; or says what is wrong with it.
func Any(data []byte, schema avro.Schema) (value any, fault string) {
	var c Cursor
	c.Reset(data)
	value = c.any(schema, 0)
	if fault := c.Finish(); fault != "" {
		return nil, fault
	}
	return value, ""
}

// any reads one value.
func (c *Cursor) any(s avro.Schema, depth int) any {
	if depth > anyDepthMax {
		c.fail("values nest deeper than %d", anyDepthMax)
		return nil
	}
	switch s := deref(s).(type) {
	case *avro.RecordSchema:
		record := make(map[string]any, len(s.Fields()))
		for _, f := range s.Fields() {
			record[f.Name()] = c.any(f.Type(), depth+1)
			if c.fault != "" {
				c.within(f.Name())
				return nil
			}
		}
		return record
	case *avro.EnumSchema:
		return s.Symbols()[c.index("enum symbol", len(s.Symbols()))]
	case *avro.UnionSchema:
		return c.any(s.Types()[c.index("union branch", len(s.Types()))], depth+1)
	case *avro.ArraySchema:
		return c.anyArray(s, depth)
	case *avro.MapSchema:
		return c.anyMap(s, depth)
	case *avro.FixedSchema:
		return base64.StdEncoding.EncodeToString(c.take(int64(s.Size())))
	default:
		return c.anyScalar(s)
	}
}

// anyArray reads an array.
func (c *Cursor) anyArray(s *avro.ArraySchema, depth int) any {
	items, itemMin := []any{}, sizeMin(s.Items(), 0)
	for n, _ := c.block(itemMin); n > 0; n, _ = c.block(itemMin) {
		for range n {
			items = append(items, c.any(s.Items(), depth+1))
			if c.fault != "" {
				c.within(fmt.Sprintf("[%d]", len(items)-1))
				return nil
			}
		}
	}
	return items
}

// anyMap reads a map.
func (c *Cursor) anyMap(s *avro.MapSchema, depth int) any {
	entries, entryMin := map[string]any{}, 1+sizeMin(s.Values(), 0)
	for n, _ := c.block(entryMin); n > 0; n, _ = c.block(entryMin) {
		for range n {
			key := c.string()
			entries[key] = c.any(s.Values(), depth+1)
			if c.fault != "" {
				c.within(fmt.Sprintf("[%q]", key))
				return nil
			}
		}
	}
	return entries
}

// anyScalar reads a primitive value.
func (c *Cursor) anyScalar(s avro.Schema) any {
	switch s.Type() {
	case avro.Boolean:
		return c.bool()
	case avro.Int:
		v := c.int()
		if Logical(s) == avro.Date {
			return time.Unix(int64(v)*secondsPerDay, 0).UTC().Format(time.DateOnly)
		}
		return v
	case avro.Long:
		return anyLong(c.long(), Logical(s))
	case avro.Float:
		return anyFloat(float64(c.float()), 32)
	case avro.Double:
		return anyFloat(c.double(), 64)
	case avro.String:
		return c.string()
	case avro.Bytes:
		return base64.StdEncoding.EncodeToString(c.take(c.long()))
	default:
		return nil
	}
}

// anyLong returns a long, or the time it stands for where RFC 3339 can write it.
func anyLong(v int64, logical avro.LogicalType) any {
	const yearMax = 9999
	var at time.Time
	switch logical {
	case avro.TimestampMillis:
		at = time.UnixMilli(v)
	case avro.TimestampMicros:
		at = time.UnixMicro(v)
	default:
		return v
	}
	if at = at.UTC(); at.Year() < 0 || at.Year() > yearMax {
		return v
	}
	return at.Format("2006-01-02T15:04:05.000Z07:00")
}

// anyFloat returns a float, or its name where JSON has no number for it. A float of 32 bits keeps
// its own shortest decimal form.
func anyFloat(v float64, bits int) any {
	text := strconv.FormatFloat(v, 'g', -1, bits)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return text
	}
	short, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text // unreachable: FormatFloat wrote it
	}
	return short
}
