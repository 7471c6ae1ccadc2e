package history

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/hamba/avro/v2"

	"pawl/schemas"
)

// The kinds of a Change.
const (
	Added   = "added"
	Removed = "removed"
	Changed = "changed"
)

// Change is one difference between two versions.
type Change struct {
	Field  string `json:"field"`  // path such as transactions[].cents; the record's name for itself
	Change string `json:"change"` // added, removed or changed
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
}

// String is the change in one line.
func (c Change) String() string {
	switch c.Change {
	case Added:
		return "+ " + c.Field + ": " + c.To
	case Removed:
		return "- " + c.Field + ": " + c.From
	}
	return "~ " + c.Field + ": " + c.From + " → " + c.To
}

// Diff returns what a reader of the schema's text would call its changes, in the order of the new
// schema's fields, what was removed at the end of its record.
func Diff(from, to string) ([]Change, error) {
	a, err := schemas.Parse(from)
	if err != nil {
		return nil, err
	}
	b, err := schemas.Parse(to)
	if err != nil {
		return nil, err
	}
	d := &differ{seen: make(map[[2]string]bool)}
	d.compare("", a, b)
	return d.changes, nil
}

// differ collects changes.
type differ struct {
	changes []Change
	seen    map[[2]string]bool // named types that were compared
}

func (d *differ) changed(path, from, to string) {
	if from != to {
		d.changes = append(d.changes, Change{Field: path, Change: Changed, From: from, To: to})
	}
}

func (d *differ) compare(path string, a, b avro.Schema) {
	a, b = deref(a), deref(b)
	at := path
	if named, ok := b.(avro.NamedSchema); ok && path == "" {
		at = named.FullName()
	}
	if a.Type() != b.Type() {
		d.changed(at, describe(a), describe(b))
		return
	}
	switch b := b.(type) {
	case *avro.RecordSchema:
		d.records(path, at, a.(*avro.RecordSchema), b)
	case *avro.EnumSchema:
		d.enums(at, a.(*avro.EnumSchema), b)
	case *avro.ArraySchema:
		d.compare(path+"[]", a.(*avro.ArraySchema).Items(), b.Items())
	case *avro.MapSchema:
		d.compare(path+"{}", a.(*avro.MapSchema).Values(), b.Values())
	case *avro.UnionSchema:
		d.unions(path, at, a.(*avro.UnionSchema), b)
	default:
		d.changed(at, describe(a), describe(b))
	}
}

func (d *differ) records(path, at string, a, b *avro.RecordSchema) {
	pair := [2]string{a.FullName(), b.FullName()}
	if d.seen[pair] {
		return
	}
	d.seen[pair] = true
	d.changed(at, a.FullName(), b.FullName())
	d.changed(at, docOf(a.Doc()), docOf(b.Doc()))
	d.changed(at, aliasesOf(a.Aliases()), aliasesOf(b.Aliases()))
	if path != "" {
		path += "."
	}
	kept := make(map[string]bool)
	for _, to := range b.Fields() {
		from := before(a, to)
		if from == nil {
			d.changes = append(d.changes, Change{Field: path + to.Name(), Change: Added,
				To: describe(to.Type()) + ", " + defaultOf(to)})
			continue
		}
		kept[from.Name()] = true
		name := path + to.Name()
		d.changed(name, "named "+from.Name(), "named "+to.Name())
		d.compare(name, from.Type(), to.Type())
		d.changed(name, defaultOf(from), defaultOf(to))
		d.changed(name, docOf(from.Doc()), docOf(to.Doc()))
		if from.Name() == to.Name() {
			d.changed(name, aliasesOf(from.Aliases()), aliasesOf(to.Aliases()))
		}
	}
	for _, from := range a.Fields() {
		if !kept[from.Name()] {
			d.changes = append(d.changes, Change{Field: path + from.Name(), Change: Removed,
				From: describe(from.Type()) + ", " + defaultOf(from)})
		}
	}
}

// before is the field that another one was: that of its name, or one that it has as an alias.
func before(a *avro.RecordSchema, to *avro.Field) *avro.Field {
	for _, from := range a.Fields() {
		if from.Name() == to.Name() {
			return from
		}
	}
	for _, from := range a.Fields() {
		if slices.Contains(to.Aliases(), from.Name()) {
			return from
		}
	}
	return nil
}

func (d *differ) enums(at string, a, b *avro.EnumSchema) {
	d.changed(at, a.FullName(), b.FullName())
	for _, s := range b.Symbols() {
		if !slices.Contains(a.Symbols(), s) {
			d.changes = append(d.changes, Change{Field: at, Change: Added, To: "symbol " + s})
		}
	}
	for _, s := range a.Symbols() {
		if !slices.Contains(b.Symbols(), s) {
			d.changes = append(d.changes, Change{Field: at, Change: Removed, From: "symbol " + s})
		}
	}
	d.changed(at, "default "+a.Default(), "default "+b.Default())
}

func (d *differ) unions(path, at string, a, b *avro.UnionSchema) {
	find := func(u *avro.UnionSchema, like avro.Schema) avro.Schema {
		for _, t := range u.Types() {
			if branchName(t) == branchName(like) {
				return t
			}
		}
		return nil
	}
	for _, to := range b.Types() {
		if from := find(a, to); from != nil {
			d.compare(path, from, to)
		} else {
			d.changes = append(d.changes, Change{Field: at, Change: Added,
				To: "branch " + describe(to)})
		}
	}
	for _, from := range a.Types() {
		if find(b, from) == nil {
			d.changes = append(d.changes, Change{Field: at, Change: Removed,
				From: "branch " + describe(from)})
		}
	}
}

// branchName is what tells the branches of a union apart.
func branchName(s avro.Schema) string {
	if named, ok := deref(s).(avro.NamedSchema); ok {
		return named.FullName()
	}
	return string(deref(s).Type())
}

// describe is a type in few words.
func describe(s avro.Schema) string {
	s = deref(s)
	switch s := s.(type) {
	case *avro.FixedSchema:
		return fmt.Sprintf("fixed %s of %d bytes", s.FullName(), s.Size()) + logicalOf(s)
	case avro.NamedSchema:
		return string(s.Type()) + " " + s.FullName()
	case *avro.ArraySchema:
		return "array of " + describe(s.Items())
	case *avro.MapSchema:
		return "map of " + describe(s.Values())
	case *avro.UnionSchema:
		names := make([]string, len(s.Types()))
		for i, t := range s.Types() {
			names[i] = describe(t)
		}
		return strings.Join(names, " or ")
	}
	return string(s.Type()) + logicalOf(s)
}

func logicalOf(s avro.Schema) string {
	typed, ok := s.(avro.LogicalTypeSchema)
	if !ok || typed.Logical() == nil {
		return ""
	}
	logical := string(typed.Logical().Type())
	if d, ok := typed.Logical().(*avro.DecimalLogicalSchema); ok {
		logical = fmt.Sprintf("decimal(%d, %d)", d.Precision(), d.Scale())
	}
	return " (" + logical + ")"
}

func defaultOf(f *avro.Field) string {
	if !f.HasDefault() {
		return "no default"
	}
	text, err := json.Marshal(f.Default())
	if err != nil {
		return fmt.Sprintf("default %v", f.Default())
	}
	return "default " + string(text)
}

func docOf(text string) string { return fmt.Sprintf("doc %q", text) }

func aliasesOf(names []string) string { return fmt.Sprintf("aliases %q", names) }

// deref returns the schema that a reference by name stands for.
func deref(s avro.Schema) avro.Schema {
	if ref, ok := s.(*avro.RefSchema); ok {
		return ref.Schema()
	}
	return s
}
