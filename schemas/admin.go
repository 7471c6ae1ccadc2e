package schemas

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/riferrei/srclient"
)

// Admin is a Registry over HTTP whose subjects, versions and levels can be looked at.
type Admin struct{ *client }

// NewAdmin returns the Admin of the registry at cfg.URL. Like a client's, its calls are bounded and
// safe to repeat.
func NewAdmin(cfg ClientConfig) *Admin { return &Admin{newClient(cfg)} }

// Subjects returns all subjects, sorted.
func (a *Admin) Subjects(ctx context.Context) ([]string, error) {
	names, err := call(ctx, a.client, (*srclient.SchemaRegistryClient).GetSubjects)
	slices.Sort(names)
	return names, wrap(err, "list the subjects of %s", a.cfg.URL)
}

// Versions returns the versions of subject, oldest first; none when there is no such subject.
// References to other subjects are written out.
func (a *Admin) Versions(ctx context.Context, subject string) ([]Version, error) {
	numbers, err := call(ctx, a.client, func(sr *srclient.SchemaRegistryClient) ([]int, error) {
		return sr.GetSchemaVersions(subject)
	})
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, wrap(err, "list the versions of subject %s at %s", subject, a.cfg.URL)
	}
	slices.Sort(numbers)
	all := make([]Version, 0, len(numbers))
	for _, n := range numbers {
		v, err := a.Version(ctx, subject, n)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// Version returns one version of subject, or ErrNotFound.
func (a *Admin) Version(ctx context.Context, subject string, number int) (Version, error) {
	return retry(ctx, a.cfg, func() (Version, error) {
		schema, err := a.version(ctx, subject, number)
		var text string
		if err == nil {
			text, err = a.whole(ctx, schema)
		}
		if err != nil {
			return Version{}, fmt.Errorf("get version %d of subject %s from %s: %w", number,
				subject, a.cfg.URL, err)
		}
		return Version{Subject: subject, Number: number, ID: int32(schema.ID()), Schema: text}, nil
	})
}

// Find returns the version of subject that is schema, or ErrNotFound.
func (a *Admin) Find(ctx context.Context, subject, schema string) (Version, error) {
	found, err := call(ctx, a.client,
		func(sr *srclient.SchemaRegistryClient) (*srclient.Schema, error) {
			return sr.LookupSchema(subject, schema, srclient.Avro)
		})
	if err != nil {
		return Version{}, wrap(err, "look up schema of subject %s at %s", subject, a.cfg.URL)
	}
	return Version{Subject: subject, Number: found.Version(), ID: int32(found.ID()),
		Schema: schema}, nil
}

// Level returns the compatibility level of subject; own is false when it is the registry's, which
// subject "" stands for.
func (a *Admin) Level(ctx context.Context, subject string) (name string, own bool, err error) {
	ask := func(sr *srclient.SchemaRegistryClient) (*srclient.CompatibilityLevel, error) {
		return sr.GetCompatibilityLevel(subject, false)
	}
	if subject == "" {
		ask = (*srclient.SchemaRegistryClient).GetGlobalCompatibilityLevel
	}
	level, err := call(ctx, a.client, ask)
	switch {
	case errors.Is(err, ErrNotFound) && subject != "":
		name, _, err = a.Level(ctx, "")
		return name, false, err
	case err != nil:
		return "", false, wrap(err, "get the compatibility level of subject %q from %s", subject,
			a.cfg.URL)
	}
	return level.String(), true, nil
}

// SetLevel sets the compatibility level of a subject.
func (a *Admin) SetLevel(ctx context.Context, subject, name string) error {
	if _, err := ParseLevel(name); err != nil {
		return err
	}
	_, err := call(ctx, a.client,
		func(sr *srclient.SchemaRegistryClient) (*srclient.CompatibilityLevel, error) {
			level := srclient.CompatibilityLevel(name)
			return sr.ChangeSubjectCompatibilityLevel(subject, level)
		})
	return wrap(err, "set the compatibility level of subject %s at %s", subject, a.cfg.URL)
}

// Accepts asks the registry whether it would take schema as subject's next version. A subject
// without versions takes anything.
func (a *Admin) Accepts(ctx context.Context, subject, schema string) (bool, error) {
	ok, err := call(ctx, a.client, func(sr *srclient.SchemaRegistryClient) (bool, error) {
		return sr.IsSchemaCompatible(subject, schema, "latest", srclient.Avro)
	})
	if errors.Is(err, ErrNotFound) {
		return true, nil
	}
	return ok, wrap(err, "check a schema for subject %s at %s", subject, a.cfg.URL)
}

// call makes a call with its attempts.
func call[T any](ctx context.Context, c *client,
	ask func(*srclient.SchemaRegistryClient) (T, error),
) (T, error) {
	return retry(ctx, c.cfg, func() (T, error) { return attempt(ctx, c, ask) })
}
