// Package schematest holds Go types to their schemas: what is written under a schema is read back
// as it was, in every field.
//
// Files: schematest.go.
package schematest
