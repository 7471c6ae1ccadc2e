// Package jsonform appends values to a buffer byte for byte as encoding/json writes them, without
// reflection and without memory of its own. It is for answers that are written thousands of times a
// second.
//
// Files: append.go.
package jsonform
