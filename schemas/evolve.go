package schemas

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"

	"pawl/schemas/internal/plan"
)

// ClashError lists every place where data of one schema cannot be read as another.
type ClashError struct {
	Reader, Writer string   // names of the schemas
	Fields         []string // paths such as transactions[].cents; the record's name for itself
	Reasons        []string // why, one for each of Fields
}

// Error lists fields and reasons.
func (e *ClashError) Error() string {
	faults := make([]string, len(e.Fields))
	for i, field := range e.Fields {
		faults[i] = field + ": " + e.Reasons[i]
	}
	return fmt.Sprintf("%s cannot be read as %s: %s", e.Writer, e.Reader,
		strings.Join(faults, "; "))
}

// Compatible reports whether data of writer can be read as reader, by Avro's rules and one more:
// two different logical types clash, for milliseconds read as microseconds are a wrong value. The
// error is a *ClashError.
func Compatible(reader, writer avro.Schema) error {
	w := walk{pairs: make(map[[2]avro.Schema]bool), steps: new(int)}
	w.compare("", reader, writer)
	if len(w.fields) == 0 {
		// A second opinion: hamba stops at the first clash and names no path.
		if err := avro.NewSchemaCompatibility().Compatible(reader, writer); err != nil {
			w.clash("", "%s", err)
		}
	}
	if len(w.fields) == 0 {
		return nil
	}
	for i, field := range w.fields {
		if field == "" {
			w.fields[i] = schemaName(reader)
		}
	}
	return &ClashError{Reader: schemaName(reader), Writer: schemaName(writer),
		Fields: w.fields, Reasons: w.reasons}
}

// stepsMax bounds a comparison: a schema of a few kilobytes can name its own types so that, written
// out, it has billions of fields.
const stepsMax = 20_000

// walk goes through two schemas side by side and collects clashes.
type walk struct {
	pairs           map[[2]avro.Schema]bool // of records, being compared or found to be compatible
	steps           *int
	fields, reasons []string
}

// clash notes one clash.
func (w *walk) clash(path, format string, args ...any) {
	w.fields = append(w.fields, path)
	w.reasons = append(w.reasons, fmt.Sprintf(format, args...))
}

// compare goes into one pair of schemas.
func (w *walk) compare(path string, reader, writer avro.Schema) {
	reader, writer = deref(reader), deref(writer)
	if *w.steps++; *w.steps > stepsMax {
		if *w.steps == stepsMax+1 {
			w.clash(path, "the schema has more than %d values, written out", stepsMax)
		}
		return
	}
	if union, ok := writer.(*avro.UnionSchema); ok {
		for _, branch := range union.Types() {
			w.compare(path, reader, branch)
		}
		return
	}
	if union, ok := reader.(*avro.UnionSchema); ok {
		w.compareBranches(path, union, writer)
		return
	}
	if !plan.Widens(reader.Type(), writer.Type()) {
		w.clash(path, "%s cannot be read as %s", describe(writer), describe(reader))
		return
	}
	from, to := plan.Logical(writer), plan.Logical(reader)
	if from != to && from != "" && to != "" {
		w.clash(path, "%s cannot be read as %s", from, to)
		return
	}
	switch r := reader.(type) {
	case *avro.ArraySchema:
		w.compare(path+"[]", r.Items(), writer.(*avro.ArraySchema).Items())
	case *avro.MapSchema:
		w.compare(path+"{}", r.Values(), writer.(*avro.MapSchema).Values())
	case *avro.EnumSchema:
		w.compareEnums(path, r, writer.(*avro.EnumSchema))
	case *avro.FixedSchema:
		if other := writer.(*avro.FixedSchema); r.Size() != other.Size() {
			w.clash(path, "a fixed of %d bytes cannot be read as one of %d", other.Size(), r.Size())
		}
		w.compareNames(path, r, writer.(*avro.FixedSchema))
	case *avro.RecordSchema:
		w.compareRecords(path, r, writer.(*avro.RecordSchema))
	}
}

// compareBranches looks for one type of the reader's union that can hold what was written.
func (w *walk) compareBranches(path string, reader *avro.UnionSchema, writer avro.Schema) {
	var closest *walk
	for _, branch := range reader.Types() {
		attempt := &walk{pairs: w.pairs, steps: w.steps}
		attempt.compare(path, branch, writer)
		if len(attempt.fields) == 0 {
			return
		}
		if deref(branch).Type() == writer.Type() {
			closest = attempt
		}
	}
	if closest == nil {
		w.clash(path, "%s is none of the types in union %s", describe(writer), reader)
		return
	}
	w.fields = append(w.fields, closest.fields...)
	w.reasons = append(w.reasons, closest.reasons...)
}

// compareNames wants the same short name, or the written name among the reader's aliases.
func (w *walk) compareNames(path string, reader, writer avro.NamedSchema) {
	if reader.Name() != writer.Name() && !slices.Contains(reader.Aliases(), writer.FullName()) {
		w.clash(path, "%s %s was written, %s is wanted; an alias would map it",
			writer.Type(), writer.FullName(), reader.FullName())
	}
}

// compareEnums wants every written symbol, or a default for it.
func (w *walk) compareEnums(path string, reader, writer *avro.EnumSchema) {
	w.compareNames(path, reader, writer)
	var lost []string
	for _, symbol := range writer.Symbols() {
		if !slices.Contains(reader.Symbols(), symbol) {
			lost = append(lost, symbol)
		}
	}
	if len(lost) > 0 && !reader.HasDefault() {
		w.clash(path, "enum %s has no symbol %s any more and no default",
			reader.FullName(), strings.Join(lost, ", "))
	}
}

// compareRecords wants every field of the reader to be written or to have a default.
func (w *walk) compareRecords(path string, reader, writer *avro.RecordSchema) {
	pair, before := [2]avro.Schema{reader, writer}, len(w.fields)
	if w.pairs[pair] {
		return
	}
	w.pairs[pair] = true
	defer func() {
		if len(w.fields) > before {
			delete(w.pairs, pair) // it clashes at every path that leads to it
		}
	}()
	w.compareNames(path, reader, writer)
	if path != "" {
		path += "."
	}
	written := make(map[*avro.Field]bool)
	var unread []string
	for _, from := range writer.Fields() {
		to := plan.ReaderField(reader, from)
		if to == nil {
			unread = append(unread, from.Name())
			continue
		}
		written[to] = true
		w.compare(path+to.Name(), to.Type(), from.Type())
	}
	for _, to := range reader.Fields() {
		switch {
		case written[to] || to.HasDefault():
		case len(unread) > 0:
			w.clash(path+to.Name(), "was not written and has no default (written, but not wanted: "+
				"%s; an alias maps a renamed field)", strings.Join(unread, ", "))
		default:
			w.clash(path+to.Name(), "was not written and has no default")
		}
	}
}

// deref returns the schema that a reference by name stands for.
func deref(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}

// describe names a schema for a message.
func describe(s avro.Schema) string {
	if named, ok := s.(avro.NamedSchema); ok {
		return fmt.Sprintf("%s %s", s.Type(), named.FullName())
	}
	return string(s.Type())
}
