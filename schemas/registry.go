package schemas

import (
	"context"
	"errors"
	"fmt"
)

// Registry is where schemas get their ids, with the semantics of Confluent's Schema Registry.
type Registry interface {
	// Register returns the id of schema under subject, registering it if it is new there. A refusal
	// is an *IncompatibleError.
	Register(ctx context.Context, subject, schema string) (int32, error)
	// Lookup returns the id of schema under subject, or ErrNotFound when it is not registered.
	Lookup(ctx context.Context, subject, schema string) (int32, error)
	// Schema returns the text of a schema. ErrNotFound means that the registry answered that it has
	// no such id; any other error means that nothing is known.
	Schema(ctx context.Context, id int32) (string, error)
}

// ErrNotFound is the registry's own word that it has no such subject, version, schema or id.
var ErrNotFound = errors.New("not in the schema registry")

// ErrDenied is a registry that does not let us in: the wrong credentials, or a certificate that one
// side does not accept. Trying again changes nothing.
var ErrDenied = errors.New("the schema registry and this process do not come together; check " +
	"schema.registry.url and the settings of schema.registry")

// IncompatibleError says that the registry refused a schema under its compatibility level.
type IncompatibleError struct {
	Subject string // the subject it was refused under
	Reason  string // the registry's words
}

// Error names subject and reason.
func (e *IncompatibleError) Error() string {
	return fmt.Sprintf("subject %s: the registry refused the schema as incompatible: %s",
		e.Subject, e.Reason)
}

// Bind gives schema its id under subject and makes it known to r. With auto it is registered;
// without, it has to be registered already.
func Bind(ctx context.Context, reg Registry, r *Resolver, subject, schema string, auto bool) (
	int32, error,
) {
	get := reg.Lookup
	if auto {
		get = reg.Register
	}
	id, err := get(ctx, subject, schema)
	switch {
	case errors.Is(err, ErrNotFound) && !auto:
		return 0, fmt.Errorf("subject %s: its schema is not registered and auto.register.schemas "+
			"is false; run `pawl schemas register`: %w", subject, err)
	case err != nil:
		return 0, fmt.Errorf("bind schema of subject %s: %w", subject, err)
	}
	if err := r.Add(id, schema); err != nil {
		return 0, fmt.Errorf("bind schema of subject %s: %w", subject, err)
	}
	return id, nil
}
