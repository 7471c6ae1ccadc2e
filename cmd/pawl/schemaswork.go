package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"

	"pawl/schemas"
	"pawl/schemas/history"
)

// listedSubject is a subject as JSON.
type listedSubject struct {
	Subject  string   `json:"subject"`
	Pipeline string   `json:"pipeline"`
	Topic    string   `json:"topic"`
	Role     string   `json:"role"`
	Tables   []string `json:"tables,omitempty"`
	Level    string   `json:"level"`
	OwnLevel bool     `json:"own_level"`
	Versions []int    `json:"versions"`
	Version  int      `json:"version"` // that this binary's schema is; 0 for none
	ID       int32    `json:"id"`
}

// list prints the subjects.
func (d *schemaDesk) list(ctx context.Context) error {
	all, err := d.assessKnown(ctx)
	if err != nil {
		return err
	}
	listed := make([]listedSubject, 0, len(all))
	table := tabwriter.NewWriter(d.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SUBJECT\tFOR\tLEVEL\tVERSIONS\tTHIS BINARY")
	for _, s := range all {
		l := listedSubject{Subject: s.Name, Pipeline: s.pipeline, Topic: s.Topic,
			Role: string(s.Role), Tables: s.Tables, Level: s.Level, OwnLevel: s.Own,
			Versions: []int{}, Version: s.Number, ID: s.ID}
		for _, v := range s.Versions {
			l.Versions = append(l.Versions, v.Number)
		}
		listed = append(listed, l)
		level := s.Level
		if s.Own {
			level += "*"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", s.Name, s.Role, level, len(s.Versions),
			standing(s))
	}
	if d.flags.asJSON {
		return printJSON(d.stdout, map[string]any{"subjects": listed})
	}
	return table.Flush()
}

// standing says what this binary's schema is among the versions.
func standing(s assessed) string {
	switch {
	case s.Number > 0 && s.Number == s.Newest().Number:
		return fmt.Sprintf("v%d id=%d", s.Number, s.ID)
	case s.Number > 0:
		return fmt.Sprintf("v%d id=%d, not the newest", s.Number, s.ID)
	case len(s.Versions) == 0:
		return "not registered"
	case len(s.Clashes) > 0:
		return "new, and clashes: see check"
	}
	return "new"
}

// register registers what is not registered, all or nothing as far as a check can tell.
func (d *schemaDesk) register(ctx context.Context) error {
	all, err := d.assessKnown(ctx)
	if err != nil {
		return err
	}
	if d.clashing(all) {
		fmt.Fprintln(d.stdout, "nothing was registered")
		return &verdictError{text: "schemas clash"}
	}
	done := make([]map[string]any, 0, len(all))
	refused := false
	for _, s := range all {
		v, err := d.registerOne(ctx, s)
		var clash *schemas.IncompatibleError
		switch {
		case errors.As(err, &clash):
			refused = true
			fmt.Fprintf(d.stdout, "%s (schema): %s\n", s.Name, shortened(clash.Reason, 500))
			continue
		case err != nil:
			return err
		}
		done = append(done, map[string]any{"subject": s.Name, "version": v.Number, "id": v.ID,
			"new": s.Number == 0})
		if d.flags.asJSON {
			continue
		}
		if v.ID == 0 {
			fmt.Fprintf(d.stdout, "%s would become v%d\n", s.Name, v.Number)
			continue
		}
		fmt.Fprintf(d.stdout, "%s v%d id=%d\n", s.Name, v.Number, v.ID)
	}
	if d.flags.asJSON {
		err = printJSON(d.stdout, map[string]any{"subjects": done, "dry_run": d.flags.dryRun})
	}
	if err == nil && refused {
		err = &verdictError{text: "the registry refused schemas"}
	}
	return err
}

// registerOne registers one schema, and sets the level: before, where there are versions to judge
// by, else after, for some registries know no level of what does not exist.
func (d *schemaDesk) registerOne(ctx context.Context, s assessed) (schemas.Version, error) {
	v := schemas.Version{Subject: s.Name, Number: s.Number, ID: s.ID}
	if d.flags.dryRun {
		if s.Number == 0 {
			v.Number = s.Newest().Number + 1
		}
		return v, nil
	}
	set := func() error {
		if d.flags.level == "" {
			return nil
		}
		return d.admin.SetLevel(ctx, s.Name, d.flags.level)
	}
	if len(s.Versions) > 0 {
		if err := set(); err != nil {
			return v, err
		}
	}
	// The exact text is what a start looks up, so it is registered although another one says the
	// same.
	v, err := d.keep(ctx, s.wantedSubject)
	if err == nil && len(s.Versions) == 0 {
		err = set()
	}
	return v, err
}

// clashJSON is a clash as JSON.
type clashJSON struct {
	Subject string `json:"subject"`
	Field   string `json:"field"`
	Reason  string `json:"reason"`
	Version int    `json:"version"`
	Of      string `json:"of"` // data or readers, of that version
	Level   string `json:"level"`
}

// clashesJSON are a subject's clashes as JSON.
func (s assessed) clashesJSON() []clashJSON {
	all := make([]clashJSON, 0, len(s.Clashes))
	for _, c := range s.Clashes {
		of := "data"
		if c.Readers {
			of = "readers"
		}
		all = append(all, clashJSON{s.Name, c.Field, c.Reason, c.Version, of, s.Level})
	}
	return all
}

// check prints what clashes.
func (d *schemaDesk) check(ctx context.Context) error {
	all, err := d.assessKnown(ctx)
	if err != nil {
		return err
	}
	found := make([]clashJSON, 0)
	fresh, missing := 0, 0
	for _, s := range all {
		switch {
		case len(s.Versions) == 0:
			missing++
		case s.Number == 0:
			fresh++
		}
		found = append(found, s.clashesJSON()...)
	}
	if d.flags.asJSON {
		err = printJSON(d.stdout, map[string]any{"against": d.place, "subjects": len(all),
			"new_versions": fresh, "without_version": missing, "clashes": found})
	} else if !d.clashing(all) {
		_, err = fmt.Fprintf(d.stdout, "%d subjects go together with %s: %d unchanged, %d with a "+
			"new version, %d without any version there\n", len(all), d.place,
			len(all)-fresh-missing, fresh, missing)
	}
	if err == nil && len(found) > 0 {
		err = &verdictError{text: "schemas clash"}
	}
	return err
}

// stepJSON is a next version as JSON.
type stepJSON struct {
	Subject string           `json:"subject"`
	From    int              `json:"from"`
	Version int              `json:"version"`
	ID      int32            `json:"id"` // 0 unless it was registered
	Level   string           `json:"level"`
	Changes []history.Change `json:"changes"`
	Clashes []clashJSON      `json:"clashes"`
	Schema  json.RawMessage  `json:"schema"`
}

// evolve prints next versions, and makes them versions when it is asked to.
func (d *schemaDesk) evolve(ctx context.Context) error {
	wanted, err := d.proposed()
	if err != nil {
		return err
	}
	all, err := d.assess(ctx, wanted)
	if err != nil {
		return err
	}
	var next []assessed
	steps := make([]stepJSON, 0)
	clash := false
	for _, s := range all {
		if s.Number > 0 {
			continue
		}
		changes, err := d.changesOf(s)
		if err != nil {
			return err
		}
		if !d.flags.asJSON {
			if err := d.tellStep(s, changes); err != nil {
				return err
			}
		}
		clash = clash || len(s.Clashes) > 0
		next = append(next, s)
		steps = append(steps, stepJSON{Subject: s.Name, From: s.Newest().Number,
			Version: s.Newest().Number + 1, Level: s.Level, Changes: changes,
			Clashes: s.clashesJSON(), Schema: json.RawMessage(s.Text)})
	}
	err = d.evolveAll(ctx, next, steps, clash)
	if d.flags.asJSON {
		err = errors.Join(printJSON(d.stdout, map[string]any{"next": steps}), err)
	}
	return err
}

// evolveAll makes all of them versions, unless there is a clash.
func (d *schemaDesk) evolveAll(ctx context.Context, next []assessed, steps []stepJSON,
	clash bool) error {
	tell := func(format string, args ...any) {
		if !d.flags.asJSON {
			fmt.Fprintf(d.stdout, format, args...)
		}
	}
	switch {
	case clash:
		tell("nothing was changed: there are clashes\n")
		return &verdictError{text: "schemas clash"}
	case len(next) == 0:
		tell("nothing to do: every schema is a version in %s\n", d.place)
	case !d.flags.execute:
		tell("nothing was changed; --execute does it\n")
	default:
		for i, s := range next {
			v, err := d.keep(ctx, s.wantedSubject)
			if err != nil {
				return err
			}
			steps[i].Version, steps[i].ID = v.Number, v.ID
			tell("%s v%d id=%d\n", v.Subject, v.Number, v.ID)
		}
	}
	return nil
}

// changesOf compares the newest version with the candidate.
func (d *schemaDesk) changesOf(s assessed) ([]history.Change, error) {
	none := []history.Change{}
	if len(s.Versions) == 0 {
		return none, nil
	}
	changes, err := history.Diff(s.Newest().Schema, s.Text)
	return append(none, changes...), err
}

// tellStep prints one next version.
func (d *schemaDesk) tellStep(s assessed, changes []history.Change) error {
	var text bytes.Buffer
	if err := json.Indent(&text, []byte(s.Text), "", "  "); err != nil {
		return fmt.Errorf("subject %s: %w", s.Name, err)
	}
	fmt.Fprintf(d.stdout, "%s v%d, level %s\n", s.Name, s.Newest().Number+1, s.Level)
	for _, c := range changes {
		fmt.Fprintf(d.stdout, "  %s\n", c)
	}
	for _, c := range s.Clashes {
		fmt.Fprintf(d.stdout, "  clash %s\n", clashText(c, s.Level))
	}
	_, err := fmt.Fprintf(d.stdout, "%s\n\n", text.String())
	return err
}
