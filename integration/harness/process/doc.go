// Package process starts child processes that never outlive the process that started them: on
// Linux the kernel kills a child when its parent dies, however it dies, and everywhere [Start]'s
// caller ends the child's whole process group with [Process.Kill9] or [Process.Stop].
//
// A child's standard output and error go to one file, so that what it said survives it and
// costs the parent nothing. Each child has one goroutine, which ends with it.
//
// Order of files: process.go starts and awaits a child, signal.go ends, freezes and thaws it,
// output.go reads what it said, usage.go what it cost; attr_linux.go and attr_other.go tie it to
// its parent.
package process
