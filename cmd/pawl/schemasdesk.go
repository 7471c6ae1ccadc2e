package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"pawl/internal/settings"
	"pawl/processor"
	"pawl/schemas"
	"pawl/schemas/history"
)

// schemaDesk is where one command on schemas is worked on.
type schemaDesk struct {
	*app
	flags  *schemasFlags
	source history.Source
	place  string // what the source is called
	admin  *schemas.Admin
	folder *history.Folder
	wanted []wantedSubject
}

// wantedSubject is a subject that the arguments name. One that no pipeline has is a name alone.
type wantedSubject struct {
	processor.Subject
	pipeline string
}

// candidate is what this binary would register.
func (w wantedSubject) candidate() history.Candidate {
	return history.Candidate{Subject: w.Name, Text: w.Text,
		State: w.Role == processor.RoleState || w.Role == processor.RoleInternal}
}

// schemaDesk reads settings and arguments.
func (a *app) schemaDesk(f *schemasFlags, args []string) (*schemaDesk, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	needs := whatIsGiven
	if f.against == "" {
		needs = func(f *settings.Fault) bool {
			return whatIsGiven(f) || f.Key == "schema.registry.url"
		}
	}
	s, cfg, err := judge(a.sources(f.source, settings.Flag{Name: "application",
		Key: "application.id", Value: f.application}), nil, needs)
	if err != nil {
		return nil, err
	}
	a.notices(s)
	d := &schemaDesk{app: a, flags: f}
	if f.against == "" {
		d.admin = schemas.NewAdmin(s.Registry())
		d.source, d.place = d.admin, s.Registry().URL
	} else {
		d.folder, err = history.OpenFolder(f.against)
		if err != nil {
			return nil, usage("--against=%s: %v; make the folder, and have pawl schemas evolve "+
				"--against %s --execute fill it", f.against, err, f.against)
		}
		d.source, d.place = d.folder, f.against
	}
	return d, d.want(s, cfg, args)
}

// want finds what the arguments name: pipelines, or subjects.
func (d *schemaDesk) want(s *settings.Settings, cfg processor.Config, args []string) error {
	known := make(map[string][]wantedSubject)
	for _, p := range pipelines() {
		all, err := processor.Subjects(cfg, p.build(s))
		if err != nil {
			return err
		}
		for _, subject := range all {
			known[p.name] = append(known[p.name], wantedSubject{subject, p.name})
		}
	}
	var named []string
	for _, arg := range args {
		switch {
		case known[arg] != nil:
			named = append(named, arg)
		default:
			d.wanted = append(d.wanted, subjectNamed(known, arg))
		}
	}
	if len(args) == 0 {
		named = names(pipelines())
	}
	state := cfg.ApplicationID != "" && len(named) == 1
	for _, name := range named {
		for _, w := range known[name] {
			if state || w.Role != processor.RoleState && w.Role != processor.RoleInternal {
				d.add(w)
			}
		}
	}
	if !state && len(named) > 0 {
		fmt.Fprintln(d.stderr, "notice: state is left out; its subjects need one PIPELINE and "+
			"application.id (--application)")
	}
	return nil
}

// add notes a subject once: pipelines may share topics.
func (d *schemaDesk) add(w wantedSubject) {
	same := func(o wantedSubject) bool { return o.Name == w.Name && o.Text == w.Text }
	if !slices.ContainsFunc(d.wanted, same) {
		d.wanted = append(d.wanted, w)
	}
}

// subjectNamed is a pipeline's subject of that name, or the name alone.
func subjectNamed(known map[string][]wantedSubject, name string) wantedSubject {
	for _, pipeline := range sortedKeys(known) {
		for _, w := range known[pipeline] {
			if w.Name == name {
				return w
			}
		}
	}
	return wantedSubject{Subject: processor.Subject{Name: name}}
}

// known are the wanted subjects with a schema; one without is refused.
func (d *schemaDesk) known() ([]wantedSubject, error) {
	for _, w := range d.wanted {
		if w.Text == "" {
			return nil, usage("%s is neither a pipeline nor a subject of one; %s, or what pawl "+
				"schemas list prints", w.Name, knownPipelines())
		}
	}
	return d.wanted, nil
}

// proposed are the wanted subjects, with the schema of --schema if there is one.
func (d *schemaDesk) proposed() ([]wantedSubject, error) {
	if d.flags.schema == "" {
		return d.known()
	}
	if len(d.wanted) != 1 {
		return nil, usage("--schema=%s is for one subject; name exactly one", d.flags.schema)
	}
	text, err := os.ReadFile(d.flags.schema)
	if err != nil {
		return nil, usage("--schema=%s cannot be read: %v", d.flags.schema, err)
	}
	if _, err := schemas.Parse(string(text)); err != nil {
		return nil, usage("--schema=%s: %v", d.flags.schema, err)
	}
	d.wanted[0].Text = string(text)
	return d.wanted, nil
}

// assessed is a wanted subject and how it stands.
type assessed struct {
	wantedSubject
	*history.Assessment
}

// assess compares all with their versions.
func (d *schemaDesk) assess(ctx context.Context, wanted []wantedSubject) ([]assessed, error) {
	all := make([]assessed, 0, len(wanted))
	for _, w := range wanted {
		found, err := history.Assess(ctx, d.source, w.candidate(), d.flags.level)
		if err != nil {
			return nil, err
		}
		all = append(all, assessed{w, found})
	}
	return all, nil
}

// assessKnown does so for what the pipelines have.
func (d *schemaDesk) assessKnown(ctx context.Context) ([]assessed, error) {
	wanted, err := d.known()
	if err != nil {
		return nil, err
	}
	return d.assess(ctx, wanted)
}

// keep makes a candidate a version, if it is none yet.
func (d *schemaDesk) keep(ctx context.Context, w wantedSubject) (schemas.Version, error) {
	text, err := schemas.Normal(w.Text)
	if err != nil {
		return schemas.Version{}, fmt.Errorf("subject %s: %w", w.Name, err)
	}
	if d.folder != nil {
		return d.folder.Add(ctx, w.Name, text)
	}
	if _, err := d.admin.Register(ctx, w.Name, text); err != nil {
		return schemas.Version{}, err
	}
	return d.admin.Find(ctx, w.Name, text)
}

// clashing tells of all clashes, and whether there are any.
func (d *schemaDesk) clashing(all []assessed) bool {
	any := false
	for _, s := range all {
		for _, c := range s.Clashes {
			any = true
			fmt.Fprintf(d.stdout, "%s %s\n", s.Name, clashText(c, s.Level))
		}
	}
	return any
}

// clashText is a clash behind its subject: the field, the reason, and what with.
func clashText(c schemas.Clash, level string) string {
	with := fmt.Sprintf("data of version %d", c.Version)
	if c.Readers {
		with = fmt.Sprintf("readers of version %d", c.Version)
	}
	reason := strings.Join(strings.Fields(c.Reason), " ")
	return fmt.Sprintf("%s: %s (%s; level %s)", c.Field, reason, with, level)
}
