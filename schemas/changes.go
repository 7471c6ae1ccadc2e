package schemas

import (
	"fmt"

	"github.com/hamba/avro/v2"

	"pawl/schemas/internal/plan"
)

// ChangeKind says what becomes of a field that is read with another schema.
type ChangeKind string

// The kinds of Change.
const (
	FieldAdded     ChangeKind = "added"     // it was not written: the default stands for it
	FieldDropped   ChangeKind = "dropped"   // it was written, and is passed over
	FieldRenamed   ChangeKind = "renamed"   // it was written under a name that is an alias now
	FieldConverted ChangeKind = "converted" // it was written as another type
)

// Change is one field of a value that is not the same when data of one schema is read as another.
type Change struct {
	Field  string     `json:"field"` // its path, such as transactions[].cents
	Kind   ChangeKind `json:"kind"`
	Detail string     `json:"detail,omitempty"`
}

// String is the change in a few words.
func (c Change) String() string {
	if c.Detail == "" {
		return fmt.Sprintf("%s %s", c.Field, c.Kind)
	}
	return fmt.Sprintf("%s %s (%s)", c.Field, c.Kind, c.Detail)
}

// Changes lists what happens to data of writer when it is read as reader, which must be Compatible.
// None means that every value stays what it was.
func Changes(reader, writer avro.Schema) []Change {
	l := changeList{seen: make(map[[2]avro.Schema]bool)}
	l.compare("", reader, writer)
	return l.changes
}

// changeList is one comparison.
type changeList struct {
	changes []Change
	seen    map[[2]avro.Schema]bool // of records, so that one that holds itself ends
}

func (l *changeList) add(path string, kind ChangeKind, format string, args ...any) {
	if path == "" {
		path = "(value)"
	}
	l.changes = append(l.changes, Change{path, kind, fmt.Sprintf(format, args...)})
}

// compare goes into one pair of schemas.
func (l *changeList) compare(path string, reader, writer avro.Schema) {
	reader, writer = deref(reader), deref(writer)
	if reader.Type() != writer.Type() {
		l.add(path, FieldConverted, "%s read as %s", phrase(writer), phrase(reader))
		return
	}
	switch r := reader.(type) {
	case *avro.RecordSchema:
		l.compareRecords(path, r, writer.(*avro.RecordSchema))
	case *avro.ArraySchema:
		l.compare(path+"[]", r.Items(), writer.(*avro.ArraySchema).Items())
	case *avro.MapSchema:
		l.compare(path+"{}", r.Values(), writer.(*avro.MapSchema).Values())
	case *avro.UnionSchema:
		l.compareBranches(path, r, writer.(*avro.UnionSchema))
	default:
		// Of enums the symbols may have changed.
		if Fingerprint(reader) != Fingerprint(writer) {
			l.add(path, FieldConverted, "%s read as %s", phrase(writer), phrase(reader))
		}
	}
}

// compareBranches goes into what each written branch becomes; further ones change nothing.
func (l *changeList) compareBranches(path string, reader, writer *avro.UnionSchema) {
	for _, from := range writer.Types() {
		var to avro.Schema
		for _, branch := range reader.Types() {
			same := deref(branch).Type() == deref(from).Type()
			if (to == nil || same) && Compatible(branch, from) == nil {
				to = branch
			}
		}
		if to != nil {
			l.compare(path, to, from)
		}
	}
}

func (l *changeList) compareRecords(path string, reader, writer *avro.RecordSchema) {
	pair := [2]avro.Schema{reader, writer}
	if l.seen[pair] {
		return
	}
	l.seen[pair] = true
	if path != "" {
		path += "."
	}
	written := make(map[*avro.Field]bool)
	for _, from := range writer.Fields() {
		to := plan.ReaderField(reader, from)
		if to == nil {
			l.add(path+from.Name(), FieldDropped, "")
			continue
		}
		written[to] = true
		if to.Name() != from.Name() {
			l.add(path+to.Name(), FieldRenamed, "from %s", from.Name())
		}
		l.compare(path+to.Name(), to.Type(), from.Type())
	}
	for _, to := range reader.Fields() {
		if !written[to] {
			l.add(path+to.Name(), FieldAdded, "default %v", defaultText(to))
		}
	}
}

func defaultText(f *avro.Field) string {
	if !f.HasDefault() {
		return "missing"
	}
	if f.Default() == nil {
		return "null"
	}
	return fmt.Sprintf("%v", f.Default())
}

// phrase is a type with its branches or symbols.
func phrase(s avro.Schema) string {
	switch s := s.(type) {
	case *avro.UnionSchema:
		return s.String()
	case *avro.EnumSchema:
		return fmt.Sprintf("enum %v", s.Symbols())
	}
	return describe(s)
}
