package processor

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/twmb/franz-go/pkg/kgo"
)

// RejectError sends the record that a check or a handler was given to the dead-letter topic,
// inside the same transaction. Exception is its class as written to the
// `__streams.errors.exception` header.
type RejectError struct {
	Exception string
	Message   string
}

// Error gives the exception's name and message.
func (e *RejectError) Error() string { return e.Exception + ": " + e.Message }

// Reject returns an error that dead-letters the record as Rejected. A handler must return it
// before it changes state: a rejected record leaves no trace but its dead letter.
func Reject(format string, args ...any) error {
	return RejectAs("Rejected", format, args...)
}

// RejectAs is Reject under a class of the caller's own, such as InvalidAmount.
func RejectAs(exception, format string, args ...any) error {
	return &RejectError{Exception: exception, Message: fmt.Sprintf(format, args...)}
}

// Permanent marks an error of an Enrichment's Call that another attempt cannot mend, such as an
// answer of "no such customer"; nil stays nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

func isPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

// errUnanswered says that a record's enrichments are not known yet: the task must wait.
var errUnanswered = errors.New("a service has not answered yet")

// RefusedError is the start-up proof's answer: the task would not be exactly-once if it ran.
type RefusedError struct {
	Task string
	What string // what differs from what
	Mend string // the command or act that mends it
}

// Error names the task, the difference and the mend.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("task %s refused: %s; %s", e.Task, e.What, e.Mend)
}

// StartError is a fault found before any record was processed: settings, topics, schemas or
// servers. It is never retried.
type StartError struct{ Err error }

// Error is the cause's text.
func (e *StartError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }

// errCrash as the cause of a cancelled context makes the instance vanish as a killed process
// would: nothing sealed, flushed, aborted or left.
var errCrash = errors.New("crash")

// place is a record of one task's inputs.
type place struct {
	input  int
	offset int64
}

// poisonError says that a record must be dead-lettered but has already changed state. The epoch is
// discarded and processed again without that record.
type poisonError struct {
	at  place
	why *RejectError
}

func (e *poisonError) Error() string {
	return fmt.Sprintf("record at offset %d: %v", e.at.offset, e.why)
}

func recovered(r any, input int, rec *kgo.Record) error {
	if big, ok := r.(tooLarge); ok {
		return &poisonError{place{input, rec.Offset}, &RejectError{Exception: "RecordTooLarge",
			Message: big.String()}}
	}
	return &panicError{value: r, stack: string(debug.Stack())}
}

// panicError is a handler's panic; the stack goes to the log, not into the error's text.
type panicError struct {
	value any
	stack string
}

func (e *panicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.value) }
