package main

import (
	"errors"
	"fmt"
	"io"

	"pawl/internal/settings"
	"pawl/processor"
	"pawl/schemas"
)

// Exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1
	exitRefused = 2
	exitDiffers = 3
)

// usageError is a command line that says what cannot be done; exit 2.
type usageError struct{ text string }

// Error is the text.
func (e *usageError) Error() string { return e.text }

func usage(format string, args ...any) error {
	return &usageError{text: fmt.Sprintf(format, args...)}
}

// verdictError ends a command with exit 1 after its own output said everything.
type verdictError struct{ text string }

// Error is the verdict.
func (e *verdictError) Error() string { return e.text }

// differenceError ends a replay with exit 3: what it found was printed.
type differenceError struct{}

// Error is the verdict.
func (*differenceError) Error() string { return "the replay differs from production" }

// exitCode prints err, unless it was told already, and gives its exit code.
func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	var verdict *verdictError
	if errors.As(err, &verdict) {
		return exitFailed
	}
	var differs *differenceError
	if errors.As(err, &differs) {
		return exitDiffers
	}
	var faults settings.Faults
	var wrong *usageError
	switch {
	case errors.As(err, &faults):
		fmt.Fprintln(stderr, faults.Error()) // one per line, nothing around them
		return exitRefused
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "pawl: %s\n", wrong.text)
		return exitRefused
	case schemaRefused(err):
		fmt.Fprintln(stderr, err)
		return exitRefused
	}
	fmt.Fprintf(stderr, "pawl: %v\n", err)
	return exitFailed
}

// schemaRefused tells whether the registry has a schema that clashes with ours or, where nothing
// may be registered, has none. Both need a person, not a retry.
func schemaRefused(err error) bool {
	var start *processor.StartError
	var clash *schemas.IncompatibleError
	return errors.As(err, &start) && (errors.As(err, &clash) || errors.Is(err, schemas.ErrNotFound))
}
