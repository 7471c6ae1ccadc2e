package schemas

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/riferrei/srclient"
)

// passingError marks a fault that another attempt may not meet.
type passingError struct{ error }

// Unwrap returns the fault.
func (e *passingError) Unwrap() error { return e.error }

// answerError is a registry's answer that no attempt will change.
type answerError struct {
	status  int
	message string
}

// Error names the status and the registry's words.
func (e *answerError) Error() string {
	return fmt.Sprintf("the registry answered %d %s: %s",
		e.status, http.StatusText(e.status), e.message)
}

// Codes of the Confluent API by which a registry says that something does not exist. A bare 404 is
// not among them: that is a wrong path, a proxy, or a registry that is starting.
const (
	codeNoSubject = 40401
	codeNoVersion = 40402
	codeNoSchema  = 40403
	codeNoLevel   = 40408 // of the subject's own
)

// classify turns what srclient returned for an HTTP status into ErrNotFound, a passingError or an
// answerError.
func classify(err error, status int) error {
	var said srclient.Error
	errors.As(err, &said)
	var certificate *tls.CertificateVerificationError
	var alert tls.AlertError
	switch {
	case errors.As(err, &certificate) || errors.As(err, &alert):
		return fmt.Errorf("%w: %w", ErrDenied, err)
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return fmt.Errorf("%w: %w", ErrDenied,
			&answerError{status, cmp.Or(said.Message, err.Error())})
	case said.Code == codeNoSubject || said.Code == codeNoVersion || said.Code == codeNoSchema,
		said.Code == codeNoLevel:
		return fmt.Errorf("%w: %s", ErrNotFound, said.Message)
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout,
		status < http.StatusBadRequest, status >= http.StatusInternalServerError:
		return &passingError{err} // no answer, half an answer, or a registry in trouble
	default:
		return &answerError{status: status, message: cmp.Or(said.Message, err.Error())}
	}
}

// pauseMax is the longest pause between two attempts.
const pauseMax = 2 * time.Second

// retry repeats attempt while its error may pass. The pauses have full jitter, so that the
// instances that met the same outage do not come back together.
func retry[T any](ctx context.Context, cfg ClientConfig, attempt func() (T, error)) (T, error) {
	pauses := &backoff.ExponentialBackOff{
		InitialInterval: cfg.Backoff, Multiplier: 2, MaxInterval: pauseMax,
	}
	var last error
	value, err := backoff.Retry(ctx, func() (T, error) {
		value, err := attempt()
		last = err
		var passing *passingError
		if err != nil && !errors.As(err, &passing) {
			err = backoff.Permanent(err)
		}
		return value, err
	}, backoff.WithBackOff(fullJitter{pauses}), backoff.WithMaxTries(uint(cfg.Attempts)),
		backoff.WithMaxElapsedTime(0))
	if err != nil && last != nil && !errors.Is(err, last) {
		err = fmt.Errorf("%w (%w)", last, err) // the context ended: say what it waited for
	}
	return value, err
}

// fullJitter draws each pause evenly between nothing and what the inner policy says.
type fullJitter struct{ *backoff.ExponentialBackOff }

// NextBackOff implements backoff.BackOff.
func (j fullJitter) NextBackOff() time.Duration {
	return rand.N(j.ExponentialBackOff.NextBackOff() + 1)
}

// wrap adds what was tried; nil stays nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
