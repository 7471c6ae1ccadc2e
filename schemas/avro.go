package schemas

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/hamba/avro/v2"

	"pawl/schemas/internal/plan"
)

// Type says how values of V are written and read: the Avro schema of V. Make one with Avro.
type Type[V any] struct {
	schema avro.Schema
	text   string
	err    error
}

// Avro returns the Type of V with the schema avsc. What is wrong with the text, or with V for it,
// is reported by Err, so that a caller can list the faults of all its types together.
func Avro[V any](avsc string) Type[V] {
	goType := reflect.TypeFor[V]()
	fail := func(err error) Type[V] {
		return Type[V]{err: fmt.Errorf("schema of %v: %w", goType, err)}
	}
	schema, text, err := parse(avsc)
	if err != nil {
		return fail(err)
	}
	if _, err := plan.Reader(goType, schema, schema); err != nil {
		return fail(err)
	}
	if _, err := plan.Writer(goType, schema); err != nil {
		return fail(err)
	}
	return Type[V]{schema: schema, text: text}
}

// Schema returns the parsed schema, nil when Err is not.
func (t Type[V]) Schema() avro.Schema { return t.schema }

// Name returns the full name of a named schema, such as a record, else its type.
func (t Type[V]) Name() string { return schemaName(t.schema) }

// Err returns what is wrong with the schema or with V, nil when nothing is.
func (t Type[V]) Err() error {
	if t.schema == nil && t.err == nil {
		return fmt.Errorf("schema of %v is missing; make the type with schemas.Avro",
			reflect.TypeFor[V]())
	}
	return t.err
}

// String returns the schema as JSON, without insignificant space, to register: names in full,
// with logical types, defaults, docs and aliases.
func (t Type[V]) String() string { return t.text }

// Parse parses the text of one schema. Names of other texts are not seen, so that two pipelines
// may use the same name.
func Parse(text string) (avro.Schema, error) {
	schema, _, err := parse(text)
	return schema, err
}

// Normal returns the text of a schema in a form that depends on its meaning only, which is the one
// that is registered: without insignificant space, names in full.
func Normal(text string) (string, error) {
	_, normal, err := parse(text)
	return normal, err
}

// parse returns a schema and its text in a form that depends on its meaning only.
func parse(text string) (avro.Schema, string, error) {
	schema, err := avro.ParseWithCache(text, "", &avro.SchemaCache{})
	if err != nil {
		return nil, "", fmt.Errorf("parse Avro schema %.60q: %w", text, err)
	}
	normal, err := json.Marshal(schema)
	if err != nil {
		return nil, "", fmt.Errorf("print Avro schema %.60q: %w", text, err)
	}
	return schema, string(normal), nil
}

// Fingerprint returns the SHA-256 of the schema's canonical form, in hexadecimal: equal for
// schemas that write the same bytes.
func Fingerprint(s avro.Schema) string {
	sum := s.Fingerprint()
	return hex.EncodeToString(sum[:])
}

// schemaName returns how to call a schema in a message.
func schemaName(s avro.Schema) string {
	switch s := s.(type) {
	case nil:
		return ""
	case *avro.RefSchema:
		return s.Schema().FullName()
	case avro.NamedSchema:
		return s.FullName()
	default:
		return string(s.Type())
	}
}
