package history

import (
	"context"
	"fmt"
	"slices"

	"pawl/schemas"
)

// Source is where the versions of subjects are known.
type Source interface {
	// Versions returns the versions of subject, oldest first; none when there is no such subject.
	Versions(ctx context.Context, subject string) ([]schemas.Version, error)
	// Level returns the compatibility level of subject, and whether it is the subject's own.
	Level(ctx context.Context, subject string) (name string, own bool, err error)
}

// judge is a Source with an opinion of its own.
type judge interface {
	Accepts(ctx context.Context, subject, schema string) (bool, error)
}

// Candidate is a schema that is to be the next version of a subject, if it is not one already.
type Candidate struct {
	Subject string
	Text    string
	State   bool // every version must stay readable, whatever the level
}

// Assessment says how a candidate stands to the versions of its subject.
type Assessment struct {
	Subject  string
	Versions []schemas.Version // oldest first
	Level    string            // what was judged by
	Own      bool              // it is the subject's own level
	Number   int               // the version that the candidate is; 0 when it is none yet
	ID       int32             // of that version
	Clashes  []schemas.Clash
}

// Newest is the last version; its number is 0 when there is none.
func (a *Assessment) Newest() schemas.Version {
	if len(a.Versions) == 0 {
		return schemas.Version{Subject: a.Subject}
	}
	return a.Versions[len(a.Versions)-1]
}

// Assess compares a candidate with the versions that src knows, under a level; "" is that of the
// subject. A candidate that is a version already is compared with the newer ones only, of which the
// newest has none: whoever goes back to an older version meets what was written since.
func Assess(ctx context.Context, src Source, c Candidate, level string) (*Assessment, error) {
	text, err := schemas.Normal(c.Text)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", c.Subject, err)
	}
	a := &Assessment{Subject: c.Subject, Level: level}
	if a.Versions, err = src.Versions(ctx, c.Subject); err != nil {
		return nil, err
	}
	if level == "" {
		if a.Level, a.Own, err = src.Level(ctx, c.Subject); err != nil {
			return nil, err
		}
	}
	others := a.Versions
	for i, v := range a.Versions {
		if same(v, text) {
			a.Number, a.ID, others = v.Number, v.ID, a.Versions[i+1:]
		}
	}
	if a.Clashes, err = clashes(a.Level, text, others, c.State); err != nil {
		return nil, fmt.Errorf("subject %s: %w", c.Subject, err)
	}
	if asked, ok := src.(judge); ok && level == "" && a.Number == 0 && len(a.Clashes) == 0 {
		return a, a.ask(ctx, asked, text)
	}
	return a, nil
}

// same tells whether a version is that schema, however it is written.
func same(v schemas.Version, text string) bool {
	normal, err := schemas.Normal(v.Schema)
	return err == nil && normal == text
}

func clashes(level, text string, others []schemas.Version, state bool) ([]schemas.Clash, error) {
	l, err := schemas.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	all, err := l.Clashes(text, others)
	if err != nil || !state {
		return all, err
	}
	every, err := schemas.Level{Backward: true, Transitive: true}.Clashes(text, others)
	for _, c := range every {
		if !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all, err
}

// ask adds what the source itself has against a schema.
func (a *Assessment) ask(ctx context.Context, asked judge, text string) error {
	if len(a.Versions) == 0 {
		return nil
	}
	ok, err := asked.Accepts(ctx, a.Subject, text)
	if err == nil && !ok {
		a.Clashes = append(a.Clashes, schemas.Clash{Version: a.Newest().Number, Field: "(schema)",
			Reason: "the registry does not accept it under " + a.Level})
	}
	return err
}
