package main

import (
	"context"
	"fmt"

	"pawl/schemas"
	"pawl/schemas/history"
)

// diffJSON is what changed in a subject, as JSON. Version 0 is this binary's schema.
type diffJSON struct {
	Subject string           `json:"subject"`
	From    int              `json:"from"`
	To      int              `json:"to"`
	Changes []history.Change `json:"changes"`
}

// diff prints what changed between two versions.
func (d *schemaDesk) diff(ctx context.Context) error {
	if d.flags.from < 0 || d.flags.to < 0 {
		return usage("--from=%d --to=%d: versions are 1 and more", d.flags.from, d.flags.to)
	}
	all := make([]diffJSON, 0)
	fixed := d.flags.from+d.flags.to > 0
	for _, w := range d.wanted {
		one, err := d.diffOne(ctx, w, fixed)
		if err != nil {
			return err
		}
		if one != nil && (fixed || len(one.Changes) > 0) {
			all = append(all, *one)
		}
	}
	if d.flags.asJSON {
		return printJSON(d.stdout, map[string]any{"subjects": all})
	}
	for _, one := range all {
		fmt.Fprintf(d.stdout, "%s %s → %s\n", one.Subject, versionName(one.From),
			versionName(one.To))
		for _, c := range one.Changes {
			fmt.Fprintf(d.stdout, "  %s\n", c)
		}
		if len(one.Changes) == 0 {
			fmt.Fprintln(d.stdout, "  the same")
		}
	}
	if len(all) == 0 {
		_, err := fmt.Fprintf(d.stdout, "no differences from %s\n", d.place)
		return err
	}
	return nil
}

func versionName(n int) string {
	if n == 0 {
		return "this binary"
	}
	return fmt.Sprintf("v%d", n)
}

// diffOne compares one subject; nil when it has no version and none was asked for.
func (d *schemaDesk) diffOne(ctx context.Context, w wantedSubject, fixed bool) (*diffJSON, error) {
	versions, err := d.source.Versions(ctx, w.Name)
	if err != nil {
		return nil, err
	}
	if len(versions) == 0 {
		if !fixed && w.Text != "" {
			return nil, nil // evolve tells of it
		}
		return nil, fmt.Errorf("subject %s does not exist in %s; pawl schemas list prints those "+
			"of pipelines", w.Name, d.place)
	}
	from, to := versions[len(versions)-1], schemas.Version{Schema: w.Text}
	if d.flags.from > 0 {
		if from, err = versionOf(versions, d.flags.from); err != nil {
			return nil, err
		}
	}
	if d.flags.to > 0 {
		if to, err = versionOf(versions, d.flags.to); err != nil {
			return nil, err
		}
	}
	if to.Schema == "" {
		return nil, usage("%s is no subject of a pipeline, so this binary has no schema of it; "+
			"give --from and --to", w.Name)
	}
	changes, err := history.Diff(from.Schema, to.Schema)
	if err != nil {
		return nil, fmt.Errorf("subject %s: %w", w.Name, err)
	}
	return &diffJSON{w.Name, from.Number, to.Number, append([]history.Change{}, changes...)}, nil
}

func versionOf(versions []schemas.Version, number int) (schemas.Version, error) {
	var have []int
	for _, v := range versions {
		if v.Number == number {
			return v, nil
		}
		have = append(have, v.Number)
	}
	return schemas.Version{}, fmt.Errorf("subject %s has no version %d; there are %v",
		versions[0].Subject, number, have)
}
