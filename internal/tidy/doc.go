// Package tidy keeps the house rules as tests: what can be checked is not left to memory. It has no
// code but its tests, and a test names the file, the line and the rule.
//
// Files: tree_test.go reads the repository once; text_test.go judges files and lines, code_test.go
// comments and functions, imports_test.go who may import whom and what the pure core may not touch,
// docs_test.go whether README and ARCHITECTURE.md still say what the tree is, links_test.go whether
// links and named paths lead somewhere, examples_test.go whether the public API shows how to use
// it.
package tidy
