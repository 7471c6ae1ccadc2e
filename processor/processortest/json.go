package processortest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hamba/avro/v2"

	"pawl/processor"
	"pawl/schemas"
)

// fromJSON writes JSON, in the form of schemas.ToJSON, as a value of an input topic. A time may
// also be given as the duration since Epoch, and fields that have a default may be left out.
func fromJSON(app *processor.Offline, topic, text string) ([]byte, error) {
	id, ok := app.SchemaID(topic)
	if !ok {
		return nil, fmt.Errorf("the pipeline has no topic %s", topic)
	}
	schema, ok := app.Resolver().Cached(id)
	if !ok {
		return nil, fmt.Errorf("the schema of topic %s is not known", topic)
	}
	v, err := parseJSON(text)
	if err != nil {
		return nil, err
	}
	return appendJSON(schemas.AppendHeader(nil, id), schema, v)
}

func parseJSON(text string) (v any, err error) {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		return nil, fmt.Errorf("value %.60q is not JSON: %w", text, err)
	}
	if dec.More() {
		return nil, fmt.Errorf("value %.60q goes on behind its end", text)
	}
	return v, nil
}

// appendJSON appends v as Avro binary.
func appendJSON(dst []byte, s avro.Schema, v any) ([]byte, error) {
	switch s := s.(type) {
	case *avro.RefSchema:
		return appendJSON(dst, s.Schema(), v)
	case *avro.RecordSchema:
		return appendRecord(dst, s, v)
	case *avro.EnumSchema:
		name, _ := v.(string)
		i := slices.Index(s.Symbols(), name)
		if i < 0 {
			return nil, fmt.Errorf("%v is none of %v", v, s.Symbols())
		}
		return binary.AppendVarint(dst, int64(i)), nil
	case *avro.UnionSchema:
		return appendUnion(dst, s, v)
	case *avro.ArraySchema:
		return appendArray(dst, s, v)
	case *avro.MapSchema:
		return appendMap(dst, s, v)
	case *avro.FixedSchema:
		b, err := binaryOf(v)
		if err == nil && len(b) != s.Size() {
			err = fmt.Errorf("%d bytes, want %d", len(b), s.Size())
		}
		return append(dst, b...), err
	default:
		return appendScalar(dst, s, v)
	}
}

func appendRecord(dst []byte, s *avro.RecordSchema, v any) ([]byte, error) {
	fields, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no record %s", v, s.FullName())
	}
	used := 0
	for _, f := range s.Fields() {
		value, given := fields[f.Name()]
		switch {
		case given:
			used++
		case f.HasDefault():
			value = f.Default()
		default:
			return nil, fmt.Errorf("field %s is missing", f.Name())
		}
		var err error
		if dst, err = appendJSON(dst, f.Type(), value); err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name(), err)
		}
	}
	if used < len(fields) {
		return nil, fmt.Errorf("a field of %v is none of %s's", sorted(fields), s.FullName())
	}
	return dst, nil
}

// appendUnion takes the first branch that fits.
func appendUnion(dst []byte, s *avro.UnionSchema, v any) ([]byte, error) {
	var faults []error
	for i, branch := range s.Types() {
		if (branch.Type() == avro.Null) != (v == nil) {
			continue
		}
		out, err := appendJSON(binary.AppendVarint(slices.Clip(dst), int64(i)), branch, v)
		if err == nil {
			return out, nil
		}
		faults = append(faults, err)
	}
	return nil, errors.Join(append(faults, fmt.Errorf("%v fits no branch", v))...)
}

func appendArray(dst []byte, s *avro.ArraySchema, v any) ([]byte, error) {
	items, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%v is no array", v)
	}
	if len(items) > 0 {
		dst = binary.AppendVarint(dst, int64(len(items)))
	}
	for i, item := range items {
		var err error
		if dst, err = appendJSON(dst, s.Items(), item); err != nil {
			return nil, fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return append(dst, 0), nil
}

func appendMap(dst []byte, s *avro.MapSchema, v any) ([]byte, error) {
	entries, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no map", v)
	}
	if len(entries) > 0 {
		dst = binary.AppendVarint(dst, int64(len(entries)))
	}
	for _, key := range sorted(entries) {
		dst = append(binary.AppendVarint(dst, int64(len(key))), key...)
		var err error
		if dst, err = appendJSON(dst, s.Values(), entries[key]); err != nil {
			return nil, fmt.Errorf("[%q]: %w", key, err)
		}
	}
	return append(dst, 0), nil
}

func appendScalar(dst []byte, s avro.Schema, v any) ([]byte, error) {
	switch s.Type() {
	case avro.Null:
		return dst, nil
	case avro.Boolean:
		b, ok := v.(bool)
		if !ok {
			return nil, fmt.Errorf("%v is no boolean", v)
		}
		if b {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case avro.String:
		text, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%v is no string", v)
		}
		return append(binary.AppendVarint(dst, int64(len(text))), text...), nil
	case avro.Bytes:
		b, err := binaryOf(v)
		return append(binary.AppendVarint(dst, int64(len(b))), b...), err
	case avro.Int, avro.Long:
		n, err := integer(s, v)
		if err == nil && s.Type() == avro.Int && n != int64(int32(n)) {
			err = fmt.Errorf("%d does not fit 32 bits", n)
		}
		return binary.AppendVarint(dst, n), err
	case avro.Float:
		f, err := number(v)
		return binary.LittleEndian.AppendUint32(dst, math.Float32bits(float32(f))), err
	case avro.Double:
		f, err := number(v)
		return binary.LittleEndian.AppendUint64(dst, math.Float64bits(f)), err
	}
	return nil, fmt.Errorf("schema %s is not supported", s)
}

// integer is a number, or a time in the unit that the schema says.
func integer(s avro.Schema, v any) (int64, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Int64()
	case int: // defaults are parsed
		return int64(v), nil
	case int64:
		return v, nil
	case string:
		return instant(s, v)
	}
	return 0, fmt.Errorf("%v is no integer", v)
}

func instant(s avro.Schema, text string) (int64, error) {
	var logical avro.LogicalType
	if typed, ok := s.(avro.LogicalTypeSchema); ok && typed.Logical() != nil {
		logical = typed.Logical().Type()
	}
	at, err := time.Parse(time.RFC3339, text)
	if d, derr := time.ParseDuration(text); derr == nil {
		at, err = Epoch.Add(d), nil
	}
	if logical == avro.Date {
		at, err = time.Parse(time.DateOnly, text)
	}
	switch {
	case err != nil:
		return 0, fmt.Errorf("%q is neither a number nor a time", text)
	case logical == avro.TimestampMillis:
		return at.UnixMilli(), nil
	case logical == avro.TimestampMicros:
		return at.UnixMicro(), nil
	case logical == avro.Date:
		return at.Unix() / int64(24*time.Hour/time.Second), nil
	}
	return 0, fmt.Errorf("%q is a time, but the field is none", text)
}

// number is a number, or the name of one that JSON has none for.
func number(v any) (float64, error) {
	switch v := v.(type) {
	case json.Number:
		return v.Float64()
	case float64: // defaults are parsed
		return v, nil
	case float32:
		return float64(v), nil
	case string:
		return json.Number(v).Float64()
	}
	return 0, fmt.Errorf("%v is no number", v)
}

func binaryOf(v any) ([]byte, error) {
	text, ok := v.(string)
	if !ok {
		return nil, fmt.Errorf("%v is no base64 text", v)
	}
	return base64.StdEncoding.DecodeString(text)
}
