// Command shop runs one instance of package rolling's application until it is told to stop: the
// version that it was built as, and no other.
//
// Files: main.go.
package main
