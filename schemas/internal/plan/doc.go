// Package plan compiles how one Go type is read from, and written to, Avro binary: no byte is read
// outside the input, and nothing is allocated that the input's own length does not justify.
//
// A plan is a tree of closures over memory offsets, built once per Go type and schema. A ReadFunc
// also bridges a writer schema to a reader schema: it skips fields the reader does not have, fills
// fields the writer does not have with their defaults, and widens numbers, bytes, enums and
// unions. A Cursor carries the input and the first fault; reading goes on harmlessly after a
// fault, so the steps need no error of their own.
//
// Go types: bool, string, []byte, [N]byte, int32, int64, int, float32, float64, time.Time (date and
// timestamps), string kinds for enums, slices, maps with string keys, structs with `avro` tags, and
// pointers for a union of null and one other type. Recursive schemas are refused. Empty arrays,
// maps and bytes are read as nil. Map keys are written in order, so equal values give equal bytes.
//
// Files: cursor.go (the input), reader.go (types), record.go (structs and defaults), scalar.go,
// container.go (arrays, maps, unions), skip.go, any.go (no Go type), json.go (the same as JSON),
// writer.go (the way
// back), longs.go (rows of numbers).
package plan
